/* Folders of the state directory. */
#pragma once

#include "base/rc.h"

/* Makes path and what is missing above it, mode 0700; RC_INTERNAL with errno set. */
enum rc folder_make(const char *path) MUST_CHECK;
