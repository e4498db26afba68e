/* LZMA as a stream: what others made is read in any pieces, kept in the middle and gone on
 * with; damage is seen or at least harmless. */

#include "tests/tap.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_delta.h"

static struct delta_images images;
static uint64_t state[SUIT_LZMA_STATE(SUIT_LZMA_LCLP_MAX, 4096) / 8 + 1];

static struct suit_stream_io io_of(size_t state_n)
{
	return delta_io(&images, state, state_n);
}

static enum suit_rc inflate(struct suit_bytes in, size_t size, size_t piece, size_t state_n)
{
	images.n = 0;
	images.max = size;
	return delta_inflate(io_of(state_n), SUIT_CODEC_LZMA, in, size, piece);
}

static bool same(struct suit_bytes image)
{
	return images.n == image.n && memcmp(images.fresh, image.p, image.n) == 0;
}

/* Python's lzma module: lc 2, lp 1, pb 1, dictionary of 4 KiB, with an end marker. */
static void test_of_others(struct suit_bytes in, struct suit_bytes image)
{
	for (size_t piece = 1; piece < 70; piece += 33) {
		is_int(inflate(in, image.n, piece, sizeof(state)), SUIT_OK, "is read");
		ok(same(image), "and is the image");
	}
	is_int(inflate(in, image.n, 9, SUIT_LZMA_STATE(3, 4096)), SUIT_OK,
	       "the smallest state that fits");
	is_int(inflate(in, image.n, 9, SUIT_LZMA_STATE(3, 4096) - 1), SUIT_NO_SPACE,
	       "a byte less does not");
	is_int(inflate(in, image.n - 1, 9, sizeof(state)), SUIT_MALFORMED,
	       "an image that should be shorter");
	is_int(inflate(in, image.n + 1, 9, sizeof(state)), SUIT_MISSING,
	       "an image that should be longer");
	is_int(inflate((struct suit_bytes){ in.p, 0 }, 0, 1, 64), SUIT_NO_SPACE,
	       "a state for no stream at all");
}

static void test_cut(struct suit_bytes in, struct suit_bytes image)
{
	uint8_t buf[4096];
	size_t taken = 0;

	for (size_t n = 0; n < in.n; n++)
		taken += inflate((struct suit_bytes){ in.p, n }, image.n, 512, sizeof(state)) ==
			 SUIT_OK;
	is_int((int64_t)taken, 0, "cut anywhere it is not taken");
	memcpy(buf, in.p, in.n);
	buf[in.n] = 0;
	is_int(inflate((struct suit_bytes){ buf, in.n + 1 }, image.n, 512, sizeof(state)),
	       SUIT_MALFORMED, "nor with a byte more");
}

/* The state is copied away, what was there is destroyed, and it goes on elsewhere. */
static void test_kept(struct suit_bytes in, struct suit_bytes image)
{
	static uint64_t kept[sizeof(state) / 8];
	size_t bad = 0;

	for (size_t at = 0; at <= in.n; at++) {
		struct suit_stream_io io = io_of(sizeof(state)), later = io;
		struct suit_inflate i, i_kept;
		later.state.p = kept;
		images.n = 0;
		images.max = image.n;
		bool good =
			suit_inflate_open(&i, &io, SUIT_CODEC_LZMA, (uint32_t)image.n) ==
				SUIT_OK &&
			suit_inflate_feed(&i, &io, (struct suit_bytes){ in.p, at }) == SUIT_OK;
		memcpy(kept, state, sizeof(state));
		i_kept = i;
		memset(state, 0xa5, sizeof(state));
		memset(&i, 0xa5, sizeof(i));
		good = good &&
		       suit_inflate_feed(&i_kept, &later,
					 (struct suit_bytes){ in.p + at, in.n - at }) ==
			       SUIT_OK &&
		       suit_inflate_finish(&i_kept, &later) == SUIT_OK && same(image);
		bad += !good;
	}
	is_int((int64_t)bad, 0, "kept and gone on with at every byte");
}

/* A header that says the size; with the marker, and (liblzma's own, lc 0, lp 2, pb 2) without.
 */
static void test_sized(struct suit_bytes in, struct suit_bytes image)
{
	uint8_t buf[4096];

	memcpy(buf, in.p, in.n);
	for (size_t i = 0; i < 8; i++)
		buf[5 + i] = (uint8_t)((uint64_t)image.n >> (8 * i));
	is_int(inflate((struct suit_bytes){ buf, in.n }, image.n, 7, sizeof(state)), SUIT_OK,
	       "a size and a marker");
	ok(same(image), "give the image");
	buf[5]--;
	is_int(inflate((struct suit_bytes){ buf, in.n }, image.n, 7, sizeof(state)),
	       SUIT_MALFORMED, "a size that is too small");
	buf[5] += 2;
	is_int(inflate((struct suit_bytes){ buf, in.n }, image.n + 1, 7, sizeof(state)),
	       SUIT_MALFORMED, "a marker before the size");
	struct suit_bytes bare = suit_data("delta/liblzma-sized.image");
	for (size_t piece = 1; piece < 99; piece += 48) {
		is_int(inflate(bare, image.n, piece, sizeof(state)), SUIT_OK,
		       "a size and no marker");
		ok(same(image), "give the image");
	}
	is_int(inflate((struct suit_bytes){ bare.p, bare.n - 1 }, image.n, 7, sizeof(state)),
	       SUIT_MISSING, "a byte less of it");
	memcpy(buf, bare.p, bare.n);
	buf[5]--;
	is_int(inflate((struct suit_bytes){ buf, bare.n }, image.n, 7, sizeof(state)),
	       SUIT_MALFORMED, "a size that is too small for it");
}

static void test_header(struct suit_bytes in, struct suit_bytes image)
{
	uint8_t buf[4096];

	memcpy(buf, in.p, in.n);
	buf[0] = 225;
	is_int(inflate((struct suit_bytes){ buf, 13 }, image.n, 7, sizeof(state)),
	       SUIT_MALFORMED, "properties that do not exist");
	buf[0] = 8;
	is_int(inflate((struct suit_bytes){ buf, 13 }, image.n, 7, sizeof(state)),
	       SUIT_UNSUPPORTED, "eight bits of context");
	memcpy(buf, in.p, in.n);
	buf[4] = 0xff;
	is_int(inflate((struct suit_bytes){ buf, in.n }, image.n, 7, sizeof(state)),
	       SUIT_NO_SPACE, "a dictionary of 4 GiB");
	memcpy(buf, in.p, in.n);
	buf[13] = 1;
	is_int(inflate((struct suit_bytes){ buf, 14 }, image.n, 7, sizeof(state)),
	       SUIT_MALFORMED, "a first byte that is not zero");
	memset(buf + 14, 0xff, 4);
	buf[13] = 0;
	is_int(inflate((struct suit_bytes){ buf, 18 }, image.n, 7, sizeof(state)),
	       SUIT_MALFORMED, "a code that cannot be");
	memcpy(buf, in.p, in.n);
	buf[in.n - 1] ^= 1;
	is_int(inflate((struct suit_bytes){ buf, in.n }, image.n, 7, sizeof(state)),
	       SUIT_MALFORMED, "a last byte that does not fit");
}

/* One byte at the last distance, when nothing was written yet: what the memory held must not
 * come out. */
static void test_before_the_first(void)
{
	uint8_t in[] = { 0,   0,   16,  0,   0, 255,  255, 255, 255,
			 255, 255, 255, 255, 0, 0xc4, 0,   0,   0 };

	is_int(inflate((struct suit_bytes){ in, sizeof(in) }, 1, 7, sizeof(state)),
	       SUIT_MALFORMED, "the byte before the first");
	is_int((int64_t)images.n, 0, "is not written");
}

/* A dictionary of no bytes has one, or what is written would go on behind the state. */
static void test_no_dictionary(struct suit_bytes in, struct suit_bytes image)
{
	uint8_t buf[4096], *behind = (uint8_t *)state + SUIT_LZMA_STATE(3, 1);

	memcpy(buf, in.p, in.n);
	memset(buf + 1, 0, 4);
	memset(behind, 0xa5, 64);
	is_int(inflate((struct suit_bytes){ buf, in.n }, image.n, 7, SUIT_LZMA_STATE(3, 1)),
	       SUIT_MALFORMED, "a match with what is no longer there");
	bool touched = images.n < 2;
	for (size_t i = 0; i < 64; i++)
		touched |= behind[i] != 0xa5;
	ok(!touched, "%zu bytes in a dictionary of none", images.n);
}

/* Three times the dictionary, and every kind of match behind every other. */
static void test_long(void)
{
	struct suit_bytes in = suit_data("delta/python-lzma-mixed.image");
	struct suit_bytes image = suit_data("delta/mixed.bin");

	for (size_t piece = 1; piece < 900; piece += 400) {
		is_int(inflate(in, image.n, piece, SUIT_LZMA_STATE(3, 4096)), SUIT_OK,
		       "a longer image");
		ok(image.n == 11000 && same(image), "is the same");
	}
}

/* What was refused stays so. */
static void test_refused_for_good(struct suit_bytes in)
{
	struct suit_stream_io io = io_of(sizeof(state));
	struct suit_inflate i;

	images.n = 0;
	images.max = 100;
	is_int(suit_inflate_open(&i, &io, SUIT_CODEC_LZMA, 100), SUIT_OK, "open");
	is_int(suit_inflate_feed(&i, &io, in), SUIT_MALFORMED, "too long");
	is_int(suit_inflate_feed(&i, &io, (struct suit_bytes){ in.p, 0 }), SUIT_MALFORMED,
	       "still too long");
	is_int(suit_inflate_finish(&i, &io), SUIT_MALFORMED, "and at the end");
	is_int(suit_inflate_open(&i, &io, (enum suit_codec)3, 100), SUIT_UNSUPPORTED,
	       "a codec that there is none of");
	is_int(suit_inflate_feed(&i, &io, in), SUIT_UNSUPPORTED, "takes nothing");
}

/* suit_delta.h aborts when more than the image is written. */
static void test_flips(struct suit_bytes in, struct suit_bytes image)
{
	uint8_t buf[4096];
	size_t same_count = 0;

	for (size_t bit = 0; bit < in.n * 8; bit += bit < 160 ? 1 : 5) {
		memcpy(buf, in.p, in.n);
		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (inflate((struct suit_bytes){ buf, in.n }, image.n, 64, sizeof(state)) ==
			    SUIT_OK &&
		    same(image))
			same_count++;
	}
	/* A dictionary that is written smaller is still large enough for some. */
	ok(same_count < 40, "%zu of %zu flipped bits change nothing", same_count, in.n * 8);
}

int main(void)
{
	struct suit_bytes in = suit_data("delta/python-lzma.image");
	struct suit_bytes image = suit_data("delta/new.bin");

	if (!ok(in.n > 0 && image.n > 0, "the vectors are there"))
		return tap_done();
	test_of_others(in, image);
	test_cut(in, image);
	test_kept(in, image);
	test_sized(in, image);
	test_header(in, image);
	test_flips(in, image);
	test_before_the_first();
	test_no_dictionary(in, image);
	test_long();
	test_refused_for_good(suit_data("delta/python-lzma.image"));
	return tap_done();
}
