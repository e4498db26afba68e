/* All that comes of one process: whoever loses its parent among them becomes a child of this
 * one, in whatever session and group it is. */
#pragma once

#include <stdbool.h>

/* Before the first of them is started, in a process that has no other children. */
bool orphans_adopt(void);
/* Kills all children, and theirs as they come.  False when some are still there after some
 * seconds. */
bool orphans_end(void);
