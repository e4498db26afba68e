/* Whole images in memory.  They are large and the process may be limited, so what grows them
 * can fail, unlike an arena. */
#pragma once

#include "base/bytes.h"
#include "base/clean.h"
#include "cli/exit_code.h"

struct blob {
	uint8_t *p;
	size_t n, size;
};

static inline void clean_blob(struct blob *b)
{
	free(b->p);
}

static inline struct bytes blob_bytes(const struct blob *b)
{
	return (struct bytes){ b->p, b->n };
}

/* Room for at least so many more bytes; false without memory. */
bool blob_reserve(struct blob *b, size_t more) MUST_CHECK;
bool blob_add(struct blob *b, struct bytes bytes) MUST_CHECK;
/* A whole file of at most max bytes. */
enum exit_code blob_load(struct blob *b, const char *path, size_t max) MUST_CHECK;
enum exit_code blob_no_memory(void);
