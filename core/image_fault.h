/* Reading memory that may not be there.  A mapped file that is cut, or whose disk cannot be
 * read, raises SIGBUS where it is read; for the daemon that is the end.  While a thread watches
 * a mapping, such a page becomes one of zeros, and the mapping is known to be bad. */
#pragma once

#include "base/bytes.h"

#include <stdatomic.h>

/* Once in a process, before the first watch. */
void image_faults_init(void);
/* Until image_unwatch() this thread reads in there; *bad becomes true before the first page
 * that cannot be read is replaced, so whoever reads zeros and then looks at it knows.  One at a
 * time; mapped memory of a file alone. */
void image_watch(struct bytes mapped, atomic_bool *bad);
void image_unwatch(void);
