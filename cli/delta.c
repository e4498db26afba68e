/* Patches and compressed images, made.  delta_apply.c undoes them. */

#include "cli/delta.h"

#include "suit/codec_zstd.h"
#include "suit/diff.h"
#include "suit/heatshrink.h"
#include "suit/lzma.h"

#include <divsufsort.h>
#include <string.h>

/* What libzstd takes besides its window, which is as large as the new image; the old one is
 * mapped. */
#define ZSTD_CONTEXT ((uint64_t)256 << 10)
#define TRY_ALL_MAX  ((size_t)4 << 20) /* bytes of both images */

static const struct {
	const char *name;
	size_t image_max;
} formats[] = {
	[DELTA_HEATSHRINK] = { "heatshrink", DELTA_IMAGE_MAX },
	[DELTA_LZMA] = { "lzma", DELTA_IMAGE_MAX },
	[DELTA_ZSTD] = { "zstd", DELTA_ZSTD_IMAGE_MAX },
};

bool delta_format_parse(const char *name, enum delta_format *ret)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i].name, name) == 0) {
			*ret = (enum delta_format)i;
			return true;
		}
	}
	return false;
}

const char *delta_format_name(enum delta_format format)
{
	return formats[format].name;
}

size_t delta_image_max(enum delta_format format)
{
	return formats[format].image_max;
}

/* Both images, what becomes of the new one again, the patch and its records; beside them a
 * suffix array and what the compressor works on. */
uint64_t delta_memory(enum delta_format format, size_t old_size, size_t new_size)
{
	uint64_t images = 2 * ((uint64_t)old_size + 3 * (uint64_t)new_size);
	uint64_t spare = (uint64_t)64 << 20;
	switch (format) {
	case DELTA_HEATSHRINK:
	case DELTA_LZMA:
		return images + sizeof(saidx_t) * (uint64_t)old_size +
		       sizeof(struct suit_diff_step) * SUIT_DIFF_STEPS((uint64_t)new_size) +
		       2 * sizeof(struct suit_heatshrink_work) * (uint64_t)new_size + spare;
	case DELTA_ZSTD:
		return images + 8 * spare;
	}
	return spare;
}

uint64_t delta_device_ram(const struct delta_parameters *p, size_t new_size)
{
	uint64_t always = sizeof(struct suit_patch) + (size_t)2 * SUIT_INFLATE_PIECE;
	switch (p->format) {
	case DELTA_HEATSHRINK:
		return always + SUIT_HEATSHRINK_STATE(p->window_bits);
	case DELTA_LZMA:
		return always + SUIT_LZMA_STATE(DELTA_LZMA_PATCH_LC, DELTA_LZMA_DICT);
	case DELTA_ZSTD:
		return ZSTD_CONTEXT + new_size;
	}
	return 0;
}

static enum suit_rc keep(void *ctx, struct suit_bytes bytes)
{
	return blob_add(ctx, (struct bytes){ bytes.p, bytes.n }) ? SUIT_OK : SUIT_NO_SPACE;
}

/* Suffixes of the old image, sorted. */
static enum exit_code order_make(struct bytes old, saidx_t **ret)
{
	*ret = malloc((old.n + 1) * sizeof(**ret));
	if (!*ret || (old.n > 0 && divsufsort(old.p, *ret, (saidx_t)old.n) != 0))
		return blob_no_memory();
	return EXIT_DONE;
}

/* context_bits: of LZMA's literals. */
static enum exit_code encode(const struct delta_parameters *p, unsigned context_bits,
			     struct bytes in, struct blob *ret)
{
	switch (p->format) {
	case DELTA_HEATSHRINK:
		return delta_encode_heatshrink(p, in, ret);
	case DELTA_LZMA:
		return delta_encode_lzma(context_bits, in, ret);
	case DELTA_ZSTD:
		return delta_encode_zstd((struct bytes){ NULL, 0 }, in, ret);
	}
	return EXIT_FAILED;
}

/* Takes the shorter of both; the other is left in found. */
static void keep_shorter(struct blob *best, struct blob *found)
{
	struct blob other = *best;
	if (best->n > 0 && best->n <= found->n)
		return;
	*best = *found;
	*found = other;
}

/* The best lookahead depends on the image. */
static enum exit_code try_lookaheads(const struct delta_parameters *like, struct bytes image,
				     struct blob *ret)
{
	struct delta_parameters p = *like;
	for (p.ahead_bits = SUIT_HEATSHRINK_AHEAD_MIN; p.ahead_bits < p.window_bits;
	     p.ahead_bits++) {
		CLEAN(blob) struct blob found = { 0 };
		enum exit_code code = delta_encode_heatshrink(&p, image, &found);
		if (code != EXIT_DONE)
			return code;
		keep_shorter(ret, &found);
	}
	return EXIT_DONE;
}

enum exit_code delta_compress(const struct delta_parameters *p, struct bytes image,
			      struct blob *ret)
{
	if (p->format == DELTA_HEATSHRINK && p->ahead_bits == 0)
		return try_lookaheads(p, image, ret);
	return encode(p, DELTA_LZMA_IMAGE_LC, image, ret);
}

static enum exit_code try_one(const struct delta_parameters *p, struct suit_diff *d,
			      struct blob *ret)
{
	CLEAN(blob) struct blob records = { 0 };
	uint8_t head[SUIT_PATCH_HEAD_MAX];
	enum suit_codec codec =
		p->format == DELTA_LZMA ? SUIT_CODEC_LZMA : SUIT_CODEC_HEATSHRINK;
	size_t n = suit_patch_head(codec, (uint32_t)d->fresh.n, head);

	d->put = keep;
	d->ctx = &records;
	enum suit_rc rc = suit_diff_run(d);
	d->ctx = NULL;
	if (rc != SUIT_OK || !blob_add(ret, (struct bytes){ head, n }))
		return blob_no_memory();
	if (d->fresh.n == 0)
		return EXIT_DONE;
	return encode(p, DELTA_LZMA_PATCH_LC, blob_bytes(&records), ret);
}

/* What pays depends on the images and on the compressor: the shortest patch is kept.  Of large
 * images fewer are tried, or it would take too long. */
static enum exit_code try_all(const struct delta_parameters *p, struct suit_diff *d,
			      struct blob *ret)
{
	static const struct suit_diff_costs costs[] = {
		{ 144, 128, 384 },
		{ 192, 112, 768 },
		{ 192, 128, 384 },
		{ 96, 96, 384 },
	};
	size_t size = d->old.n + d->fresh.n;
	size_t n = size <= TRY_ALL_MAX ? ARRAY_LEN(costs) : size <= 4 * TRY_ALL_MAX ? 2 : 1;
	for (size_t i = 0; i < n; i++) {
		CLEAN(blob) struct blob patch = { 0 };
		d->costs = costs[i];
		enum exit_code code = try_one(p, d, &patch);
		if (code != EXIT_DONE)
			return code;
		keep_shorter(ret, &patch);
	}
	return EXIT_DONE;
}

enum exit_code delta_make(const struct delta_parameters *like, struct bytes old,
			  struct bytes fresh, struct blob *ret)
{
	CLEAN(mem) saidx_t *order = NULL;
	CLEAN(mem) struct suit_diff_step *step = NULL;
	struct delta_parameters p = *like;
	size_t n = SUIT_DIFF_STEPS(fresh.n);
	/* Long runs of zeros want a long lookahead. */
	if (p.ahead_bits == 0)
		p.ahead_bits = p.window_bits - 1;
	if (p.format == DELTA_ZSTD)
		return delta_encode_zstd(old, fresh, ret);
	enum exit_code code = order_make(old, &order);
	if (code != EXIT_DONE)
		return code;
	step = malloc(n * sizeof(*step));
	if (!step)
		return blob_no_memory();
	struct suit_diff d = { .old = { old.p, old.n },
			       .fresh = { fresh.p, fresh.n },
			       .order = order,
			       .step = step,
			       .step_count = n };
	return try_all(&p, &d, ret);
}

enum exit_code delta_make_proven(const struct delta_parameters *p, struct bytes old,
				 struct bytes fresh, struct blob *ret)
{
	CLEAN(blob) struct blob again = { 0 };
	enum exit_code code = delta_make(p, old, fresh, ret);
	if (code == EXIT_DONE)
		code = delta_apply(old, blob_bytes(ret), fresh.n, &again);
	if (code != EXIT_DONE)
		return code;
	if (!bytes_equal(blob_bytes(&again), fresh))
		return cli_fail(EXIT_FAILED, "the patch just made gives another image");
	return EXIT_DONE;
}
