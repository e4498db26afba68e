/* Digests of an image's parts. */

#include "core/image_chunks.h"

#include "base/hash.h"

#include <stdatomic.h>
#include <stdlib.h>

struct chunk {
	struct digest digest;
	_Atomic int64_t checked_at; /* monotonic */
};

struct image_chunks {
	size_t count;
	struct chunk chunks[];
};

static struct bytes chunk_of(struct bytes b, size_t i)
{
	size_t from = i * IMAGE_CHUNK_SIZE, left = b.n - from;

	return (struct bytes){ b.p + from, left < IMAGE_CHUNK_SIZE ? left : IMAGE_CHUNK_SIZE };
}

struct image_chunks *image_chunks_create(struct bytes b, int64_t now, struct digest *ret_whole)
{
	size_t n = (b.n + IMAGE_CHUNK_SIZE - 1) / IMAGE_CHUNK_SIZE;
	struct image_chunks *c = xcalloc(1, sizeof(*c) + n * sizeof(struct chunk));
	struct sha256 *whole = sha256_create();

	c->count = n;
	for (size_t i = 0; i < n; i++) {
		struct bytes part = chunk_of(b, i);
		sha256_update(whole, part);
		sha256_of(part, &c->chunks[i].digest);
		atomic_init(&c->chunks[i].checked_at, now);
	}
	sha256_finish(whole, ret_whole);
	return c;
}

void image_chunks_free(struct image_chunks *c)
{
	free(c);
}

static bool chunk_holds(struct chunk *chunk, struct bytes part, int64_t now)
{
	struct digest is;

	if (now < atomic_load_explicit(&chunk->checked_at, memory_order_relaxed) +
			  IMAGE_CHUNK_AGAIN_US)
		return true;
	sha256_of(part, &is);
	if (!digest_equal(&is, &chunk->digest))
		return false;
	atomic_store_explicit(&chunk->checked_at, now, memory_order_relaxed);
	return true;
}

bool image_chunks_hold(struct image_chunks *c, struct image_part part, int64_t now)
{
	size_t end = part.offset + part.size;

	for (size_t i = part.offset / IMAGE_CHUNK_SIZE; i < c->count; i++) {
		if (i * IMAGE_CHUNK_SIZE >= end)
			return true;
		if (!chunk_holds(&c->chunks[i], chunk_of(part.whole, i), now))
			return false;
	}
	return true;
}
