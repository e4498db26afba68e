/* Which waits of an update are over, in the state directory: a window that has begun does not
 * begin once more after a restart.  One file, replaced whole; it counts for one attempt of one
 * job alone. */
#pragma once

#include "agent/update.h"

#define WAITED_FILE "waited"

/* u->waited of them. */
bool waited_save(const char *dir, const struct update *u);
/* Fills u->waited and u->over.  None also when nothing, or something else, or nothing whole is
 * written there. */
void waited_load(const char *dir, struct update *u);
/* True also when there is none. */
bool waited_drop(const char *dir);
