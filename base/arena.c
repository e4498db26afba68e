/* Arena: a list of chunks, the newest first; an allocation moves a mark in the newest.
 * The first chunk is in the same block of memory as the arena itself, so a small call costs
 * one malloc. */

#include "base/arena.h"

#include "base/log.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)8192)
#define ALIGN      alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t size, used; /* of data */
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct chunk *head;
	struct chunk *first; /* kept over a reset */
	size_t handed_out;
};

static struct chunk *chunk_create(size_t size)
{
	struct chunk *c = xmalloc(sizeof(*c) + size);

	c->next = NULL;
	c->size = size;
	c->used = 0;
	return c;
}

struct arena *arena_create(void)
{
	struct chunk *c = chunk_create(CHUNK_SIZE - sizeof(struct chunk));
	struct arena *a = (struct arena *)(void *)c->data;

	/* The arena lives in its first chunk and is never handed out. */
	c->used = (sizeof(*a) + ALIGN - 1) / ALIGN * ALIGN;
	a->head = a->first = c;
	a->handed_out = 0;
	return a;
}

static void drop_later_chunks(struct arena *a)
{
	while (a->head != a->first) {
		struct chunk *next = a->head->next;

		free(a->head);
		a->head = next;
	}
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	drop_later_chunks(a);
	free(a->first);
}

void arena_reset(struct arena *a)
{
	drop_later_chunks(a);
	a->first->used = (sizeof(*a) + ALIGN - 1) / ALIGN * ALIGN;
	a->handed_out = 0;
}

size_t arena_used(const struct arena *a)
{
	return a->handed_out;
}

/* Room of exactly size bytes, a multiple of ALIGN, in a new chunk if need be.  A large piece
 * gets a chunk of its own behind the newest, so that the newest keeps serving small ones. */
static unsigned char *take_room(struct arena *a, size_t size)
{
	struct chunk *c = a->head;

	if (size > CHUNK_SIZE / 2 && c->size - c->used < size) {
		struct chunk *big = chunk_create(size);

		/* first must stay last in the list: a large piece before it becomes the head */
		big->next = c == a->first ? c : c->next;
		if (c == a->first)
			a->head = big;
		else
			c->next = big;
		big->used = size;
		return big->data;
	}
	if (c->size - c->used < size) {
		struct chunk *fresh = chunk_create(CHUNK_SIZE - sizeof(struct chunk));

		fresh->next = c;
		a->head = c = fresh;
	}
	c->used += size;
	return c->data + c->used - size;
}

void *arena_alloc(struct arena *a, size_t size)
{
	assert(size < SIZE_MAX / 4);
	size_t rounded = size ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
	unsigned char *p = take_room(a, rounded);

	a->handed_out += size;
	return memset(p, 0, rounded);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t total = 0;

	if (__builtin_mul_overflow(count, size, &total)) {
		log_error("array too large", "count", log_i64((int64_t)count));
		abort();
	}
	return arena_alloc(a, total);
}

void *arena_copy(struct arena *a, const void *p, size_t size)
{
	void *copy = arena_alloc(a, size);

	return size ? memcpy(copy, p, size) : copy;
}

char *arena_text(struct arena *a, const char *text)
{
	return text ? arena_copy(a, text, strlen(text) + 1) : NULL;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;

	assert(fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap);
	assert(len >= 0);
	char *text = arena_alloc(a, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, fmt, again);
	va_end(again);
	return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return text;
}
