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
/* Bytes of both images: up to which all is tried, and of all further tries together. */
#define TRY_ALL_MAX      ((size_t)4 << 20)
#define TRY_AROUND_BYTES ((size_t)2 << 20)
#define TRY_AROUND_MAX   32
#define TRY_COST_MAX     4000
/* Bytes of records that are worth another writing: by LZMA, by heatshrink. */
#define CLOSELY_MAX    ((size_t)2 << 20)
#define LOOKAHEADS_MAX ((size_t)256 << 10)

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

static void swap(struct blob *a, struct blob *b)
{
	struct blob other = *a;
	*a = *b;
	*b = other;
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
		if (ret->n == 0 || found.n < ret->n)
			swap(ret, &found);
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

/* --- the way of fewest bits --------------------------------------------------------------- */

/* What pays depends on the images and on the compressor: the shortest patch is kept. */
struct search {
	const struct delta_parameters *p;
	struct suit_diff *d;
	bool any_ahead; /* heatshrink's lookahead is not given */
	size_t tries;   /* that are left */
	/* Of the shortest so far: */
	struct blob patch, records;
	struct suit_diff_costs costs;
	uint32_t count[256];
};

static void clean_search(struct search *s)
{
	clean_blob(&s->patch);
	clean_blob(&s->records);
}

static enum suit_codec codec_of(const struct delta_parameters *p)
{
	return p->format == DELTA_LZMA ? SUIT_CODEC_LZMA : SUIT_CODEC_HEATSHRINK;
}

static enum exit_code patch_make(struct search *s, uint32_t count[256], struct blob *records,
				 struct blob *ret)
{
	uint8_t head[SUIT_PATCH_HEAD_MAX];
	size_t n = suit_patch_head(codec_of(s->p), (uint32_t)s->d->fresh.n, head);
	s->d->put = keep;
	s->d->ctx = records;
	s->d->count = count;
	enum suit_rc rc = suit_diff_run(s->d);
	s->d->ctx = NULL;
	s->d->count = NULL;
	if (rc != SUIT_OK || !blob_add(ret, (struct bytes){ head, n }))
		return blob_no_memory();
	if (s->d->fresh.n == 0)
		return EXIT_DONE;
	return encode(s->p, DELTA_LZMA_PATCH_LC, blob_bytes(records), ret);
}

/* value: what bytes cost each, or NULL.  ret_better: the patch is the shortest by now. */
static enum exit_code try_one(struct search *s, struct suit_diff_costs costs,
			      const int16_t *value, bool *ret_better)
{
	CLEAN(blob) struct blob patch = { 0 };
	CLEAN(blob) struct blob records = { 0 };
	uint32_t count[256] = { 0 };
	s->d->costs = costs;
	s->d->value = value;
	enum exit_code code = patch_make(s, count, &records, &patch);
	s->d->value = NULL;
	if (code != EXIT_DONE)
		return code;
	*ret_better = s->patch.n == 0 || patch.n < s->patch.n;
	if (!*ret_better)
		return EXIT_DONE;
	swap(&s->patch, &patch);
	swap(&s->records, &records);
	s->costs = costs;
	memcpy(s->count, count, sizeof(count));
	return EXIT_DONE;
}

/* Some estimates that are far apart; of large images fewer, or it would take too long. */
static enum exit_code try_usual(struct search *s)
{
	static const struct suit_diff_costs costs[] = {
		{ 144, 128, 384 }, { 192, 112, 768 }, { 192, 128, 384 },
		{ 96, 96, 384 },   { 400, 16, 2000 }, /* the old image is of little use */
	};
	size_t size = s->d->old.n + s->d->fresh.n;
	size_t n = size <= TRY_ALL_MAX ? ARRAY_LEN(costs) : size <= 4 * TRY_ALL_MAX ? 2 : 1;
	enum exit_code code = EXIT_DONE;
	bool better;
	for (size_t i = 0; i < n && code == EXIT_DONE; i++)
		code = try_one(s, costs[i], NULL, &better);
	return code;
}

/* The best estimate, with one of the three costs changed by some percent, and with bytes
 * counted as they came in the best patch. */
static enum exit_code try_changed(struct search *s, unsigned which, unsigned percent,
				  bool *ret_better)
{
	*ret_better = false;
	if (s->tries == 0)
		return EXIT_DONE;
	s->tries--;
	struct suit_diff_costs costs = s->costs;
	uint16_t *cost = which == 0   ? &costs.differing
			 : which == 1 ? &costs.extra
				      : &costs.record;
	int16_t value[256];
	unsigned changed = *cost * percent / 100;
	*cost = (uint16_t)(changed < TRY_COST_MAX ? changed : TRY_COST_MAX);
	suit_diff_values(s->count, value);
	return try_one(s, costs, value, ret_better);
}

/* Every cost up and down, at first by much. */
static enum exit_code try_around(struct search *s)
{
	static const unsigned percent[][2] = { { 125, 80 }, { 112, 89 }, { 106, 94 } };
	enum exit_code code = EXIT_DONE;
	bool better = true;
	for (unsigned i = 0; i < 2 && better && code == EXIT_DONE; i++)
		code = try_changed(s, 0, 100, &better);
	for (size_t i = 0; i < ARRAY_LEN(percent) && code == EXIT_DONE;) {
		bool moved = false;
		for (unsigned j = 0; j < 6 && code == EXIT_DONE; j++) {
			code = try_changed(s, j / 2, percent[i][j % 2], &better);
			moved |= better;
			j += better && j % 2 == 0; /* not back again */
		}
		i += !moved || s->tries == 0;
	}
	return code;
}

/* The best records once more, by writers that take their time.  The head stays. */
static enum exit_code shorten(struct search *s)
{
	CLEAN(blob) struct blob found = { 0 };
	uint8_t unused[SUIT_PATCH_HEAD_MAX];
	size_t head = suit_patch_head(codec_of(s->p), (uint32_t)s->d->fresh.n, unused);
	struct bytes records = blob_bytes(&s->records);
	enum exit_code code = EXIT_DONE;
	if (s->p->format == DELTA_LZMA && records.n > 0 && records.n <= CLOSELY_MAX)
		code = delta_encode_lzma_closely(records, s->patch.n - head, &found);
	else if (s->any_ahead && records.n > 0 && records.n <= LOOKAHEADS_MAX)
		code = try_lookaheads(s->p, records, &found);
	if (code != EXIT_DONE || found.n == 0 || found.n >= s->patch.n - head)
		return code;
	s->patch.n = head;
	return blob_add(&s->patch, blob_bytes(&found)) ? EXIT_DONE : blob_no_memory();
}

static enum exit_code search(const struct delta_parameters *like, struct suit_diff *d,
			     struct blob *ret)
{
	struct delta_parameters p = *like;
	CLEAN(search) struct search s = { .p = &p, .d = d, .any_ahead = p.ahead_bits == 0 };
	/* Long runs of zeros want a long lookahead. */
	if (s.any_ahead)
		p.ahead_bits = p.window_bits - 1;
	s.tries = TRY_AROUND_BYTES / (d->old.n + d->fresh.n + 1);
	if (s.tries > TRY_AROUND_MAX)
		s.tries = TRY_AROUND_MAX;
	enum exit_code code = try_usual(&s);
	if (code == EXIT_DONE)
		code = try_around(&s);
	if (code == EXIT_DONE)
		code = shorten(&s);
	if (code == EXIT_DONE)
		swap(ret, &s.patch);
	return code;
}

enum exit_code delta_make(const struct delta_parameters *p, struct bytes old,
			  struct bytes fresh, struct blob *ret)
{
	CLEAN(mem) saidx_t *order = NULL;
	CLEAN(mem) struct suit_diff_step *step = NULL;
	size_t n = SUIT_DIFF_STEPS(fresh.n);
	if (p->format == DELTA_ZSTD)
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
	return search(p, &d, ret);
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
