/* Digests of an image's parts, made when the whole was verified, so that a part can be verified
 * again without reading the whole. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define IMAGE_CHUNK_SIZE 65536
/* How long a chunk counts as verified. */
#define IMAGE_CHUNK_AGAIN_US INT64_C(10000000)

struct image_chunks;

struct image_part {
	struct bytes whole;
	size_t offset, size;
};

/* Reads b once; the whole's digest with it. */
struct image_chunks *image_chunks_create(struct bytes b, int64_t now, struct digest *ret_whole);
void image_chunks_free(struct image_chunks *c);
/* True when the chunks under the part are what they were, as of a few seconds before now
 * (monotonic): each is read again at most so often, whoever asks.  Any thread. */
bool image_chunks_hold(struct image_chunks *c, struct image_part part, int64_t now);
