/* Memory, and what happens when there is none.
 *
 * Small allocations never return NULL.  When malloc does, they are served from a reserve that
 * was put aside before, and the thread is short from then on: what it is doing goes on to its
 * end as if nothing had happened, but it is refused there (the dispatcher answers 503, the
 * database commits nothing).  The next piece of work begins with memory_begin(), which fills
 * the reserve up again; while that cannot be done, the thread stays short and all new work is
 * refused.  Only when the reserve itself is used up the process aborts.
 *
 * Sizes that a peer controls are checked against a limit before they come here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The malloc family for small pieces; what they return is freed with free(). */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *text);

/* At the beginning of a piece of work of this thread: forgets that it was short, if it no
 * longer is.  A program that never calls it has no reserve. */
void memory_begin(void);
/* Since then this thread had no memory for something: nothing of it may be kept. */
bool memory_is_short(void);
/* Notes that a library had none. */
void memory_note_short(void);

/* For libraries that take an allocator of ours: they can be told NULL, so the last half of the
 * reserve is not for them.  Either way the thread is short then. */
void *memory_library_alloc(size_t size);
void *memory_library_realloc(void *p, size_t size);
/* For malloc itself, when it has nothing: as above; what p holds is moved, and p freed. */
void *memory_spare(void *p, size_t size);
/* Between on and off a library of this thread gets the last half too. */
void memory_insist(bool on);
