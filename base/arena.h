/* Arena: all memory of one call, freed in one step.  Not for more than one thread at a time.
 * Nothing here returns NULL (base/memory.h); sizes that a peer controls are checked against a
 * limit before they come here. */
#pragma once

#include "base/memory.h"
#include "base/rc.h"

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_create(void);
void arena_free(struct arena *a);
/* Forgets everything, keeps one chunk for the next call. */
void arena_reset(struct arena *a);
/* Bytes handed out since create or reset. */
size_t arena_used(const struct arena *a);

/* Zeroed, aligned for any type, valid until arena_reset or arena_free. */
void *arena_alloc(struct arena *a, size_t size);
/* count * size with an overflow check (aborts). */
void *arena_array(struct arena *a, size_t count, size_t size);
void *arena_copy(struct arena *a, const void *p, size_t size);
char *arena_text(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) PRINTF(2, 0);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

static inline void clean_arena(struct arena **a)
{
	arena_free(*a);
}
