/* Cleanup by scope: CLEAN(file) FILE *f = NULL; closes f on every way out of the block.
 * TAKE(p) hands the thing over: it yields p and leaves NULL behind. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEAN(kind) __attribute__((cleanup(clean_##kind)))

#define TAKE(p)                                                                                \
	({                                                                                     \
		__typeof__(p) take_tmp_ = (p);                                                 \
		(p) = NULL;                                                                    \
		take_tmp_;                                                                     \
	})

/* Defines the cleanup function of a kind whose destructor takes the pointer itself and
 * accepts NULL. */
#define CLEAN_DEFINE(kind, type, destroy)                                                      \
	static inline void clean_##kind(type *p)                                               \
	{                                                                                      \
		destroy(*p);                                                                   \
	}

static inline void clean_mem(void *p)
{
	free(*(void **)p);
}

static inline void clean_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* An fd variable starts at -1. */
static inline void clean_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
