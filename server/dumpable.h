/* Core dumps.  The daemon's memory holds pre-shared keys, the sealing key, tokens and the
 * password of the database; a dump of it would outlive every rotation. */
#pragma once

#include <stdbool.h>

/* No: nothing dumps this process, and nobody but root may trace it or read its memory.  Yes: as
 * the limits that it was started under say. */
void dumpable_set(bool yes);
