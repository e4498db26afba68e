/* What the tests of patches and decompressors share: images in memory whose bounds are watched,
 * dice, and patches made of two images. */
#pragma once

#include "suit/diff.h"
#include "suit/heatshrink.h"
#include "suit/lzma.h"
#include "suit/patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELTA_MAX   (1u << 17)
#define DELTA_STATE SUIT_LZMA_STATE(SUIT_LZMA_LCLP_MAX, (size_t)8 << 20)

static const struct suit_inflater *const delta_inflaters[] = {
	&suit_inflater_none,
	&suit_inflater_heatshrink,
	&suit_inflater_lzma,
	NULL,
};

struct delta_images {
	struct suit_bytes old;
	uint8_t fresh[DELTA_MAX];
	size_t n;
	size_t max; /* more is a fault of the code under test */
};

/* Aborts where a decoder leaves its bounds: no result can excuse it. */
static inline enum suit_rc delta_read(void *ctx, uint32_t at, uint8_t *p, size_t n)
{
	const struct delta_images *i = ctx;

	if (n == 0 || at > i->old.n || n > i->old.n - at)
		abort();
	memcpy(p, i->old.p + at, n);
	return SUIT_OK;
}

static inline enum suit_rc delta_write(void *ctx, struct suit_bytes bytes)
{
	struct delta_images *i = ctx;

	if (bytes.n == 0 || bytes.n > i->max - i->n)
		abort();
	memcpy(i->fresh + i->n, bytes.p, bytes.n);
	i->n += bytes.n;
	return SUIT_OK;
}

static inline struct suit_stream_io delta_io(struct delta_images *i, void *state, size_t n)
{
	return (struct suit_stream_io){
		.read_old = delta_read,
		.write_new = delta_write,
		.ctx = i,
		.inflaters = delta_inflaters,
		.state = { state, n },
	};
}

/* Applies a patch in pieces of so many bytes. */
static inline enum suit_rc delta_apply(const struct suit_stream_io *io, struct suit_bytes patch,
				       size_t piece)
{
	struct delta_images *i = io->ctx;
	struct suit_patch p;
	enum suit_rc rc = suit_patch_open(&p, i->old.n, i->max);

	i->n = 0;
	while (rc == SUIT_OK && patch.n > 0) {
		size_t n = patch.n < piece ? patch.n : piece;
		rc = suit_patch_feed(&p, io, (struct suit_bytes){ patch.p, n });
		patch.p += n;
		patch.n -= n;
	}
	return rc == SUIT_OK ? suit_patch_finish(&p, io) : rc;
}

/* --- making ------------------------------------------------------------------------------ */

static struct suit_bytes delta_sorted;

static inline int delta_by_suffix(const void *a, const void *b)
{
	size_t x = (size_t) * (const int32_t *)a, y = (size_t) * (const int32_t *)b;
	size_t left_x = delta_sorted.n - x, left_y = delta_sorted.n - y;
	int order = memcmp(delta_sorted.p + x, delta_sorted.p + y,
			   left_x < left_y ? left_x : left_y);

	return order ? order : left_x < left_y ? -1 : 1;
}

/* Slow and plain; the command line has libdivsufsort. */
static inline int32_t *delta_order(struct suit_bytes old)
{
	int32_t *order = malloc((old.n + 1) * sizeof(*order));

	for (size_t i = 0; i < old.n; i++)
		order[i] = (int32_t)i;
	delta_sorted = old;
	qsort(order, old.n, sizeof(*order), delta_by_suffix);
	return order;
}

struct delta_sink {
	uint8_t *p;
	size_t size, n;
};

static inline enum suit_rc delta_keep(void *ctx, struct suit_bytes bytes)
{
	struct delta_sink *s = ctx;

	if (bytes.n > s->size - s->n)
		return SUIT_NO_SPACE;
	memcpy(s->p + s->n, bytes.p, bytes.n);
	s->n += bytes.n;
	return SUIT_OK;
}

/* A patch without compression into buf; its size, 0 when it failed. */
static inline size_t delta_make(struct suit_bytes old, struct suit_bytes fresh,
				struct suit_diff_costs costs, uint8_t *buf, size_t size)
{
	struct delta_sink sink = { buf, size, 0 };
	int32_t *order = delta_order(old);
	size_t steps = SUIT_DIFF_STEPS(fresh.n);
	struct suit_diff_step *step = malloc(steps * sizeof(*step));
	struct suit_diff d = { .old = old,
			       .fresh = fresh,
			       .order = order,
			       .costs = costs,
			       .step = step,
			       .step_count = steps,
			       .put = delta_keep,
			       .ctx = &sink };

	sink.n = suit_patch_head(SUIT_CODEC_NONE, (uint32_t)fresh.n, buf);
	enum suit_rc rc = suit_diff_run(&d);
	free(order);
	free(step);
	return rc == SUIT_OK ? sink.n : 0;
}

/* The same patch in heatshrink. */
static inline size_t delta_shrink(struct suit_bytes patch, unsigned window_bits,
				  unsigned ahead_bits, uint8_t *buf, size_t size)
{
	struct suit_heatshrink_work *work = malloc((patch.n + 1) * sizeof(*work));
	size_t head = 2, n = 0;

	while (patch.p[head - 1] & 0x80)
		head++;
	memcpy(buf, patch.p, head);
	buf[0] = SUIT_CODEC_HEATSHRINK;
	if (patch.n == head) { /* an empty image has no rest */
		free(work);
		return head;
	}
	enum suit_rc rc = suit_heatshrink_encode(
		(struct suit_bytes){ patch.p + head, patch.n - head }, window_bits, ahead_bits,
		work, buf + head, size - head, &n);
	free(work);
	return rc == SUIT_OK ? head + n : 0;
}

/* --- dice ----------------------------------------------------------------------------------
 */

static uint64_t delta_dice = 1;

static inline size_t delta_below(size_t n)
{
	delta_dice ^= delta_dice << 13;
	delta_dice ^= delta_dice >> 7;
	delta_dice ^= delta_dice << 17;
	return n ? (size_t)(delta_dice % n) : 0;
}

static inline void delta_random(uint8_t *p, size_t n, unsigned values)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)delta_below(values);
}

/* The old image in pieces that moved, were repeated, changed, left out or put in. */
static inline size_t delta_mutate(struct suit_bytes old, uint8_t *buf, size_t size)
{
	size_t n = 0;

	for (size_t pieces = delta_below(12); pieces > 0; pieces--) {
		size_t at = delta_below(old.n + 1), part = delta_below(old.n - at + 1);
		if (delta_below(5) == 0)
			part = delta_below(100);
		if (part > size - n)
			break;
		if (delta_below(5) == 0 || part > old.n - at)
			delta_random(buf + n, part, 256);
		else
			memcpy(buf + n, old.p + at, part);
		for (size_t i = n; delta_below(2) && i < n + part; i += 1 + delta_below(40))
			buf[i] = (uint8_t)(buf[i] + delta_below(5));
		n += part;
	}
	return n;
}

/* Feeds a compressed image in pieces of one size; out gets what comes, at most size bytes. */
static inline enum suit_rc delta_inflate(struct suit_stream_io io, enum suit_codec codec,
					 struct suit_bytes in, size_t size, size_t piece)
{
	struct suit_inflate i;
	enum suit_rc rc = suit_inflate_open(&i, &io, codec, (uint32_t)size);

	while (rc == SUIT_OK && in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;
		rc = suit_inflate_feed(&i, &io, (struct suit_bytes){ in.p, n });
		in.p += n;
		in.n -= n;
	}
	return rc == SUIT_OK ? suit_inflate_finish(&i, &io) : rc;
}
