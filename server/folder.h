/* Folders of the state directory. */
#pragma once

#include "base/rc.h"

/* Makes path and what is missing above it, mode 0700; RC_INTERNAL with errno set. */
enum rc folder_make(const char *path) MUST_CHECK;
/* For a command that an administrator runs as root: becomes the one whom the folder belongs to,
 * or whatever it writes there could not be read by the daemon.  Nothing where it is not there,
 * or is root's.  Before there are other threads; RC_INTERNAL with errno set. */
enum rc folder_act_as_owner(const char *path) MUST_CHECK;
