/* Patches: detools' own are applied, ours are applied, in any pieces; kept and gone on with at
 * every byte; nothing outside the old image is read and nothing beyond the new one written, no
 * matter what comes (tests/unit/suit_delta.h aborts where that happens). */

#include "suit/diff_path.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_delta.h"

/* A device for heatshrink's usual window: all of it that is kept. */
_Static_assert(sizeof(struct suit_patch) + SUIT_HEATSHRINK_STATE(8) + 2 * SUIT_INFLATE_PIECE <
		       512,
	       "heatshrink, w 8");
_Static_assert(sizeof(struct suit_patch) + SUIT_LZMA_STATE(0, 4096) + 2 * SUIT_INFLATE_PIECE <
		       10000,
	       "LZMA as we write it");

static struct delta_images images;
static uint64_t *state;

static void start(struct suit_bytes old, size_t max)
{
	images.old = old;
	images.max = max;
	images.n = 0;
}

static bool is_new(struct suit_bytes fresh)
{
	return images.n == fresh.n && memcmp(images.fresh, fresh.p, fresh.n) == 0;
}

static const char *const of_detools[] = {
	"delta/detools-none.patch",
	"delta/detools-heatshrink.patch",
	"delta/detools-heatshrink-10-8.patch",
	"delta/detools-lzma.patch",
};

static void test_of_detools(struct suit_bytes old, struct suit_bytes fresh)
{
	struct suit_stream_io io = delta_io(&images, state, DELTA_STATE);

	for (size_t i = 0; i < 4; i++) {
		struct suit_bytes patch = suit_data(of_detools[i]);
		for (size_t piece = 1; piece < 1000; piece = piece * 5 + 2) {
			start(old, fresh.n);
			ok(delta_apply(&io, patch, piece) == SUIT_OK && is_new(fresh),
			   "%s, %zu bytes at a time", of_detools[i], piece);
		}
	}
}

static void test_cut(struct suit_bytes old, struct suit_bytes fresh)
{
	struct suit_stream_io io = delta_io(&images, state, DELTA_STATE);

	for (size_t i = 0; i < 4; i++) {
		struct suit_bytes patch = suit_data(of_detools[i]);
		size_t taken = 0;
		uint8_t more[4096];
		for (size_t n = 0; n < patch.n; n++) {
			start(old, fresh.n);
			taken += delta_apply(&io, (struct suit_bytes){ patch.p, n }, 64) !=
				 SUIT_MISSING;
		}
		ok(taken == 0, "%s: cut anywhere, its end is missing", of_detools[i]);
		memcpy(more, patch.p, patch.n);
		more[patch.n] = 0x80;
		start(old, fresh.n);
		ok(delta_apply(&io, (struct suit_bytes){ more, patch.n + 1 }, 64) != SUIT_OK,
		   "%s: a byte more", of_detools[i]);
	}
}

/* What a device keeps is copied away, what was there is destroyed, and it goes on elsewhere. */
static bool goes_on(struct suit_bytes patch, size_t at, size_t state_n)
{
	static uint64_t *kept;
	struct suit_stream_io io = delta_io(&images, state, state_n), later = io;
	struct suit_patch p, p_kept;

	if (!kept)
		kept = malloc(DELTA_STATE);
	later.state.p = kept;
	bool good = suit_patch_open(&p, images.old.n, images.max) == SUIT_OK &&
		    suit_patch_feed(&p, &io, (struct suit_bytes){ patch.p, at }) == SUIT_OK;
	memcpy(kept, state, state_n);
	p_kept = p;
	memset(state, 0xa5, state_n);
	memset(&p, 0xa5, sizeof(p));
	return good &&
	       suit_patch_feed(&p_kept, &later,
			       (struct suit_bytes){ patch.p + at, patch.n - at }) == SUIT_OK &&
	       suit_patch_finish(&p_kept, &later) == SUIT_OK;
}

static void test_kept(struct suit_bytes old, struct suit_bytes fresh)
{
	static const size_t state_n[] = { 1, SUIT_HEATSHRINK_STATE(8),
					  SUIT_HEATSHRINK_STATE(10) };

	for (size_t i = 0; i < 3; i++) {
		struct suit_bytes patch = suit_data(of_detools[i]);
		size_t bad = 0;
		for (size_t at = 0; at <= patch.n; at++) {
			start(old, fresh.n);
			bad += !goes_on(patch, at, state_n[i]) || !is_new(fresh);
		}
		ok(bad == 0, "%s: kept and gone on with at every byte", of_detools[i]);
	}
}

static const struct suit_diff_costs usual = { 144, 128, 576 };

/* Whatever the estimate, the patch is right. */
static struct suit_diff_costs random_costs(void)
{
	return (struct suit_diff_costs){ (uint16_t)delta_below(400), (uint16_t)delta_below(400),
					 (uint16_t)delta_below(2000) };
}

static bool make_and_apply(struct suit_bytes old, struct suit_bytes fresh)
{
	static uint8_t plain[DELTA_MAX * 2], shrunk[DELTA_MAX * 2];
	struct suit_stream_io io = delta_io(&images, state, DELTA_STATE);
	unsigned window = 4 + (unsigned)delta_below(8);
	unsigned ahead = 3 + (unsigned)delta_below(window - 3);
	size_t n = delta_make(old, fresh, random_costs(), plain, sizeof(plain));
	size_t m = n ? delta_shrink((struct suit_bytes){ plain, n }, window, ahead, shrunk,
				    sizeof(shrunk))
		     : 0;

	start(old, fresh.n);
	if (m == 0 ||
	    delta_apply(&io, (struct suit_bytes){ plain, n }, 1 + delta_below(n)) != SUIT_OK ||
	    !is_new(fresh))
		return false;
	start(old, fresh.n);
	return delta_apply(&io, (struct suit_bytes){ shrunk, m }, 1 + delta_below(m)) ==
		       SUIT_OK &&
	       is_new(fresh);
}

static void test_ours(void)
{
	static uint8_t old[4000], fresh[8000];
	size_t bad = 0, rounds = 400;

	for (size_t i = 0; i < rounds; i++) {
		size_t old_n = delta_below(i % 4 ? 300 : sizeof(old));
		delta_random(old, old_n, i % 3 ? 256 : 2);
		struct suit_bytes o = { old, old_n };
		size_t n = delta_mutate(o, fresh, sizeof(fresh));
		bad += !make_and_apply(o, (struct suit_bytes){ fresh, n });
	}
	is_int((int64_t)bad, 0, "400 pairs of images, there and back");
	ok(make_and_apply((struct suit_bytes){ old, 0 }, (struct suit_bytes){ fresh, 100 }),
	   "from nothing");
	ok(make_and_apply((struct suit_bytes){ old, 100 }, (struct suit_bytes){ fresh, 0 }),
	   "to nothing");
	memset(old, 0, sizeof(old));
	ok(make_and_apply((struct suit_bytes){ old, 999 }, (struct suit_bytes){ old, 1999 }),
	   "from zeros to more zeros");
}

/* Ours is no longer than what detools made of the same images, give or take some bytes. */
static void test_short(struct suit_bytes old, struct suit_bytes fresh)
{
	static uint8_t plain[8192], shrunk[8192];
	size_t n = delta_make(old, fresh, usual, plain, sizeof(plain));
	size_t m = delta_shrink((struct suit_bytes){ plain, n }, 8, 7, shrunk, sizeof(shrunk));
	size_t theirs = suit_data(of_detools[1]).n;

	ok(m > 0 && m <= theirs + 8, "%zu bytes, detools has %zu", m, theirs);
}

/* Of bytes that are one of two, nearly everything is worth a look: the work is bounded, and
 * twice the image is about twice the work. */
static void test_work(void)
{
	enum { SIZE = 1 << 17 };
	uint8_t *old = malloc(SIZE), *fresh = malloc(SIZE);
	struct suit_diff_step *step = malloc(SUIT_DIFF_STEPS(SIZE) * sizeof(*step));

	delta_random(old, SIZE, 2);
	delta_random(fresh, SIZE, 2);
	int32_t *order = delta_order((struct suit_bytes){ old, SIZE });
	struct suit_diff d = { .old = { old, SIZE },
			       .order = order,
			       .costs = usual,
			       .step = step,
			       .step_count = SUIT_DIFF_STEPS(SIZE) };
	for (d.fresh = (struct suit_bytes){ fresh, SIZE / 4 }; d.fresh.n <= SIZE;
	     d.fresh.n *= 2) {
		uint64_t work = 0;
		suit_diff_path(&d, &work);
		ok(work < SUIT_DIFF_WORK_FIRST + 3 * SUIT_DIFF_WORK_BYTE * d.fresh.n / 2,
		   "random bits, %zu bytes: %llu steps", d.fresh.n, (unsigned long long)work);
	}
	free(order);
	free(step);
	free(fresh);
	free(old);
}

/* A wrong old image is for the digest to find; here it must only do no harm. */
static void test_wrong_base(struct suit_bytes old, struct suit_bytes fresh)
{
	static uint8_t other[8192];
	struct suit_stream_io io = delta_io(&images, state, DELTA_STATE);

	for (size_t i = 0; i < 4; i++) {
		struct suit_bytes patch = suit_data(of_detools[i]);
		delta_random(other, sizeof(other), 256);
		start((struct suit_bytes){ other, old.n }, fresh.n);
		ok(delta_apply(&io, patch, 64) != SUIT_OK || !is_new(fresh),
		   "%s: other bytes of the same size", of_detools[i]);
		start((struct suit_bytes){ old.p, old.n / 2 }, fresh.n);
		ok(delta_apply(&io, patch, 64) == SUIT_MALFORMED, "%s: half of it",
		   of_detools[i]);
		start((struct suit_bytes){ old.p, 0 }, fresh.n);
		ok(delta_apply(&io, patch, 64) == SUIT_MALFORMED, "%s: nothing", of_detools[i]);
		start(old, fresh.n - 1);
		ok(delta_apply(&io, patch, 64) == SUIT_TOO_LARGE, "%s: room for a byte less",
		   of_detools[i]);
		is_int((int64_t)images.n, 0, "nothing was written");
	}
}

static void test_flips(struct suit_bytes old, struct suit_bytes fresh)
{
	struct suit_stream_io io = delta_io(&images, state, DELTA_STATE);
	uint8_t buf[4096];

	for (size_t i = 0; i < 4; i++) {
		struct suit_bytes patch = suit_data(of_detools[i]);
		size_t unseen = 0;
		for (size_t bit = 0; bit < patch.n * 8; bit += i == 0 ? 5 : 1) {
			memcpy(buf, patch.p, patch.n);
			buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
			start(old, fresh.n + 100);
			unseen += delta_apply(&io, (struct suit_bytes){ buf, patch.n }, 64) ==
					  SUIT_OK &&
				  is_new(fresh);
		}
		/* A zero's sign, a dictionary's size, another zero that is as good. */
		ok(unseen < patch.n * 8 / 10, "%s: %zu flipped bits change nothing",
		   of_detools[i], unseen);
	}
}

/* Head, then records. */
static const struct {
	enum suit_rc rc;
	const char *name;
	uint8_t n, p[40];
} by_hand[] = {
	{ SUIT_OK, "a record", 8, { 0, 3, 0, 2, 1, 1, 1, 9 } },
	{ SUIT_OK, "with its move", 9, { 0, 3, 0, 2, 1, 1, 1, 9, 0 } },
	{ SUIT_UNSUPPORTED, "an in-place patch", 2, { 0x10, 3 } },
	{ SUIT_UNSUPPORTED, "a compression that we do not have", 2, { 0x02, 3 } },
	{ SUIT_UNSUPPORTED, "a data format", 3, { 0, 3, 1 } },
	{ SUIT_MALFORMED, "a new size below nothing", 2, { 0, 0x43 } },
	{ SUIT_TOO_LARGE,
	  "a new size beyond 31 bits",
	  7,
	  { 0, 0xbf, 0xff, 0xff, 0xff, 0x1f, 0 } },
	{ SUIT_TOO_LARGE, "a number of 32 bits", 7, { 0, 0x80, 0x80, 0x80, 0x80, 0x20, 0 } },
	{ SUIT_TOO_LARGE,
	  "a number that never ends",
	  8,
	  { 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80 } },
	{ SUIT_TOO_LARGE,
	  "a number of six bytes",
	  7,
	  { 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 } },
	{ SUIT_TOO_LARGE, "a diff of 2 GiB", 8, { 0, 3, 0, 0x80, 0x80, 0x80, 0x80, 0x10 } },
	{ SUIT_TOO_LARGE, "a new size beyond the room", 2, { 0, 0x3f } },
	{ SUIT_MALFORMED, "a diff below nothing", 4, { 0, 3, 0, 0x41 } },
	{ SUIT_MALFORMED, "a diff beyond the new image", 4, { 0, 3, 0, 4 } },
	{ SUIT_MALFORMED, "a diff beyond the old image", 4, { 0, 10, 0, 9 } },
	{ SUIT_MALFORMED, "an extra below nothing", 5, { 0, 3, 0, 0, 0x41 } },
	{ SUIT_MALFORMED, "an extra beyond the new image", 5, { 0, 3, 0, 0, 4 } },
	{ SUIT_MALFORMED, "a move before the old image", 6, { 0, 3, 0, 0, 0, 0x41 } },
	{ SUIT_MALFORMED, "a move behind the old image", 6, { 0, 3, 0, 0, 0, 9 } },
	{ SUIT_OK, "a move to its end", 9, { 0, 3, 0, 0, 0, 8, 0, 3, 1 } },
	{ SUIT_MALFORMED, "and a diff there", 7, { 0, 3, 0, 0, 0, 8, 1 } },
	{ SUIT_MALFORMED, "something behind the end", 10, { 0, 3, 0, 2, 1, 1, 1, 9, 0, 0 } },
	{ SUIT_MALFORMED, "something behind an empty image", 3, { 0, 0, 0 } },
	{ SUIT_OK, "eight records that write nothing", 27, { 0, 3 } },
	{ SUIT_MALFORMED, "and a ninth", 30, { 0, 3 } },
};

static void test_refused(void)
{
	static const uint8_t old[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct suit_stream_io io = delta_io(&images, state, DELTA_STATE);

	for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++) {
		struct suit_patch p;
		struct suit_bytes patch = { by_hand[i].p, by_hand[i].n };
		start((struct suit_bytes){ old, sizeof(old) }, 20);
		enum suit_rc rc = suit_patch_open(&p, sizeof(old), 20);
		if (rc == SUIT_OK)
			rc = suit_patch_feed(&p, &io, patch);
		is_int(rc, by_hand[i].rc, by_hand[i].name);
		if (rc != SUIT_OK)
			ok(suit_patch_feed(&p, &io, patch) == rc &&
				   suit_patch_finish(&p, &io) == rc,
			   "and stays refused");
	}
}

static void test_open(void)
{
	static const uint8_t old[8] = { 0 };
	struct suit_stream_io io = delta_io(&images, state, DELTA_STATE);
	struct suit_patch p;

	is_int(suit_patch_open(&p, (uint64_t)INT32_MAX + 1, 1), SUIT_TOO_LARGE,
	       "an old image of 2 GiB");
	/* Room for more than there may be: what is left of it in 32 bits would be none. */
	start((struct suit_bytes){ old, sizeof(old) }, 20);
	ok(suit_patch_open(&p, sizeof(old), (uint64_t)1 << 32) == SUIT_OK &&
		   suit_patch_feed(&p, &io, (struct suit_bytes){ by_hand[0].p, 8 }) == SUIT_OK,
	   "room for 4 GiB");
}

static enum suit_rc no_read(void *ctx, uint32_t at, uint8_t *p, size_t n)
{
	(void)ctx;
	(void)at;
	memset(p, 0, n);
	return SUIT_MISSING;
}

static enum suit_rc no_write(void *ctx, struct suit_bytes bytes)
{
	(void)ctx;
	(void)bytes;
	return SUIT_NO_SPACE;
}

static void test_io_fails(struct suit_bytes old, struct suit_bytes fresh)
{
	struct suit_bytes patch = suit_data(of_detools[1]);
	struct suit_stream_io io = delta_io(&images, state, DELTA_STATE), bad = io;

	start(old, fresh.n);
	bad.read_old = no_read;
	is_int(delta_apply(&bad, patch, 64), SUIT_MISSING, "the old image cannot be read");
	is_int((int64_t)images.n, 0, "nothing was written");
	bad = io;
	bad.write_new = no_write;
	is_int(delta_apply(&bad, patch, 64), SUIT_NO_SPACE, "the new one cannot be written");
	bad = io;
	bad.state.n = SUIT_HEATSHRINK_STATE(8) - 1;
	is_int(delta_apply(&bad, patch, 64), SUIT_NO_SPACE, "a window too small");
	static const struct suit_inflater *const few[] = { &suit_inflater_none, NULL };
	bad = io;
	bad.inflaters = few;
	is_int(delta_apply(&bad, patch, 64), SUIT_UNSUPPORTED, "a device without heatshrink");
}

int main(void)
{
	struct suit_bytes old = suit_data("delta/old.bin"), fresh = suit_data("delta/new.bin");
	static uint8_t old_copy[4096], fresh_copy[4096];

	if (!ok(old.n > 0 && fresh.n > 0, "the vectors are there"))
		return tap_done();
	/* suit_data's buffers are used again. */
	memcpy(old_copy, old.p, old.n);
	memcpy(fresh_copy, fresh.p, fresh.n);
	old.p = old_copy;
	fresh.p = fresh_copy;
	state = malloc(DELTA_STATE);
	test_of_detools(old, fresh);
	test_cut(old, fresh);
	test_kept(old, fresh);
	test_ours();
	test_short(old, fresh);
	test_work();
	test_wrong_base(old, fresh);
	test_flips(old, fresh);
	test_refused();
	test_open();
	test_io_fails(old, fresh);
	free(state);
	return tap_done();
}
