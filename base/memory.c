/* The reserve: blocks that malloc gave while it could.  Each is a block of its own, so whoever
 * gets one frees it like any other.  They are not touched while they lie here, so they cost
 * addresses rather than memory. */

#include "base/memory.h"

#include "base/log.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TINY_SIZE    ((size_t)512) /* of a library */
#define TINY_COUNT   2048
#define SMALL_SIZE   ((size_t)8192) /* a chunk of an arena */
#define SMALL_COUNT  256
#define MIDDLE_SIZE  ((size_t)128 << 10) /* a body */
#define MIDDLE_COUNT 16
#define LARGE_SIZE   ((size_t)4 << 20) /* the longest list that REST answers */
#define LARGE_COUNT  2

struct shelf {
	size_t size;
	int room, count;
	void **blocks;
};

#define SHELVES 4

static void *tiny_blocks[TINY_COUNT], *small_blocks[SMALL_COUNT], *middle_blocks[MIDDLE_COUNT],
	*large_blocks[LARGE_COUNT];

static struct {
	pthread_mutex_t lock;
	struct shelf shelves[SHELVES]; /* by size */
	_Atomic bool full;
} reserve = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.shelves = { { TINY_SIZE, TINY_COUNT, 0, tiny_blocks },
		     { SMALL_SIZE, SMALL_COUNT, 0, small_blocks },
		     { MIDDLE_SIZE, MIDDLE_COUNT, 0, middle_blocks },
		     { LARGE_SIZE, LARGE_COUNT, 0, large_blocks } },
};

static _Thread_local bool is_short, insists;
/* Malloc must not ask us back.  Volatile: compilers know that no malloc reads this. */
static _Thread_local volatile bool filling;

/* --- the reserve --- */

static bool shelf_fill(struct shelf *s)
{
	while (s->count < s->room) {
		void *block = malloc(s->size);
		if (!block)
			return false;
		s->blocks[s->count++] = block;
	}
	return true;
}

static void *shelf_take(struct shelf *s, size_t size, int leave)
{
	if (size > s->size || s->count <= leave)
		return NULL;
	return s->blocks[--s->count];
}

/* A block of at least this size, NULL when there is none, or only the last half is left. */
static void *reserve_take(size_t size, bool half)
{
	void *block = NULL;

	pthread_mutex_lock(&reserve.lock);
	for (int i = 0; i < SHELVES && !block; i++) {
		struct shelf *s = &reserve.shelves[i];
		block = shelf_take(s, size, half ? s->room / 2 : 0);
	}
	bool first = block && atomic_exchange(&reserve.full, false);
	pthread_mutex_unlock(&reserve.lock);
	if (first)
		log_warn("memory has run out; the reserve is in use", "bytes",
			 log_i64((int64_t)size));
	return block;
}

static bool reserve_fill(void)
{
	pthread_mutex_lock(&reserve.lock);
	bool full = true;
	filling = true;
	for (int i = 0; i < SHELVES; i++)
		full = shelf_fill(&reserve.shelves[i]) && full;
	filling = false;
	atomic_store(&reserve.full, full);
	pthread_mutex_unlock(&reserve.lock);
	return full;
}

void memory_begin(void)
{
	if (is_short || !atomic_load_explicit(&reserve.full, memory_order_relaxed))
		is_short = !reserve_fill();
}

bool memory_is_short(void)
{
	return is_short;
}

void memory_note_short(void)
{
	is_short = true;
}

/* --- for us --- */

/* p is what malloc said about this size, which is never 0. */
__attribute__((returns_nonnull)) static void *must(void *p, size_t size)
{
	if (p)
		return p;
	is_short = true;
	p = reserve_take(size, false);
	if (!p) {
		log_error("out of memory", "bytes", log_i64((int64_t)size));
		abort();
	}
	return p;
}

void *xmalloc(size_t size)
{
	size_t some = size ? size : 1;

	return must(malloc(some), some);
}

void *xcalloc(size_t count, size_t size)
{
	size_t total = 0;

	if (__builtin_mul_overflow(count, size, &total)) {
		log_error("array too large", "count", log_i64((int64_t)count));
		abort();
	}
	total = total ? total : 1;
	void *p = calloc(1, total);
	return p ? p : memset(must(NULL, total), 0, total);
}

static void *move(void *p, size_t size, void *larger)
{
	size_t have = malloc_usable_size(p); /* 0 for NULL */

	if (p && larger) {
		memcpy(larger, p, have < size ? have : size);
		free(p);
	}
	return larger;
}

void *xrealloc(void *p, size_t size)
{
	size_t some = size ? size : 1;
	void *q = realloc(p, some);

	return q ? q : move(p, some, must(NULL, some));
}

char *xstrdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(xmalloc(size), text, size);
}

/* --- for libraries --- */

static void *library_take(size_t size)
{
	if (filling)
		return NULL;
	is_short = true;
	return reserve_take(size, !insists);
}

void *memory_library_alloc(size_t size)
{
	void *p = malloc(size);

	return p || !size ? p : library_take(size);
}

void *memory_library_realloc(void *p, size_t size)
{
	void *q = realloc(p, size);

	return q || !size ? q : move(p, size, library_take(size));
}

void *memory_spare(void *p, size_t size)
{
	return move(p, size, library_take(size));
}

void memory_insist(bool on)
{
	insists = on;
}
