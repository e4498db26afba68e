/* LZMA for patches: what we write is read back by a device of the smallest state, and is short
 * where it has to be; nothing is written beyond the buffer.  That liblzma reads it too,
 * tests/fuzz/fuzz_lzma_encode.c and tests/agent/test_delta.py see. */

#include "suit/lzma_encode.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_delta.h"

static struct delta_images images;
static uint64_t state[SUIT_LZMA_STATE(0, SUIT_LZMA_ENCODE_DICT) / 8 + 1];
static uint8_t image[DELTA_MAX], stream[DELTA_MAX * 2];

static enum suit_rc write_image(size_t n, size_t size, size_t *ret_n)
{
	struct suit_memory work = { NULL, suit_lzma_encode_memory(n) };

	work.p = malloc(work.n);
	stream[size] = 0xa5;
	enum suit_rc rc =
		suit_lzma_encode((struct suit_bytes){ image, n }, work, stream, size, ret_n);
	if (stream[size] != 0xa5)
		abort();
	free(work.p);
	return rc;
}

static enum suit_rc inflate(size_t stream_n, size_t n)
{
	struct suit_stream_io io =
		delta_io(&images, state, SUIT_LZMA_STATE(0, SUIT_LZMA_ENCODE_DICT));

	images.n = 0;
	images.max = n;
	return delta_inflate(io, SUIT_CODEC_LZMA, (struct suit_bytes){ stream, stream_n }, n,
			     1 + delta_below(100));
}

/* Returns the stream's size; 0 when it is not the image's. */
static size_t there_and_back(size_t n)
{
	size_t size = 0, wanted = 0;

	if (write_image(n, sizeof(stream) - 1, &size) != SUIT_OK ||
	    inflate(size, n) != SUIT_OK || images.n != n || memcmp(images.fresh, image, n) != 0)
		return 0;
	if (inflate(size - 1, n) != SUIT_MISSING ||
	    write_image(n, size - 1, &wanted) != SUIT_NO_SPACE ||
	    write_image(n, size, &wanted) != SUIT_OK || wanted != size)
		return 0;
	return size;
}

/* Bytes as they come in a patch: mostly zeros, and pieces of what was before, near and far. */
static void fill(size_t n, unsigned values, size_t zeros)
{
	size_t at = 0;

	while (at < n) {
		size_t part = 1 + delta_below(600),
		       back = 1 + delta_below(at < 5000 ? at : 5000);
		if (part > n - at)
			part = n - at;
		memset(image + at, 0, part);
		if (delta_below(100) >= zeros)
			for (size_t i = 0; i < part && (at > 0 || i > 0); i++)
				image[at + i] = image[at + i - (back < at + i ? back : at + i)];
		for (size_t i = delta_below(40); i < part; i += 1 + delta_below(zeros + 1))
			image[at + i] = (uint8_t)delta_below(values);
		at += part;
	}
}

static void test_any(void)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < 40; i++) {
		size_t n = delta_below(i % 10 ? 600 : 12000);
		fill(n, 1u << (1 + delta_below(8)), delta_below(100));
		bad += there_and_back(n) == 0;
	}
	is_int(bad, 0, "40 inputs, there and back");
	for (size_t n = 0; n < 4; n++)
		ok(there_and_back(n) > 13, "%zu bytes", n);
	fill(100000, 256, 95); /* written once, with less care */
	ok(there_and_back(100000) > 0, "a larger one");
}

/* The longest match, and one more; the furthest place, and the one behind it. */
static void test_bounds(void)
{
	size_t size[2];

	memset(image, 0, sizeof(image));
	for (size_t n = 270; n < 280; n++)
		ok(there_and_back(n) > 0, "%zu zeros", n);
	ok(there_and_back(DELTA_MAX) < 100, "128 KiB of zeros: less than 100 bytes");
	delta_random(image, DELTA_MAX, 256);
	size_t alone = there_and_back(SUIT_LZMA_ENCODE_DICT);
	for (size_t i = 0; i < 2; i++) {
		size_t distance = SUIT_LZMA_ENCODE_DICT + i;
		memcpy(image + distance, image, 250);
		size[i] = there_and_back(distance + 250);
	}
	ok(alone > 0 && size[0] < alone + 8 && size[1] > alone + 200,
	   "%zu bytes, %zu with a match at 4096, %zu at 4097", alone, size[0], size[1]);
}

/* A match that goes beyond what is looked at is written whole, wherever it begins. */
static void test_cut_off(void)
{
	size_t size = 0, n = 0;

	for (size_t at = 600; at < 632; at += 2, n++) {
		delta_random(image, at + 60, 256);
		size -= there_and_back(at + 60);
		memmove(image + at + 250, image + at, 60);
		memcpy(image + at, image + 200, 250);
		size += there_and_back(at + 250 + 60);
	}
	ok(size <= 5 * n, "%zu matches of 250 bytes: %zu bytes", n, size);
}

/* What a general writer makes of it: liblzma 5.4, preset 9e, the same parameters. */
#define LIBLZMA 1760

static void test_short(void)
{
	struct suit_bytes fresh = suit_data("delta/new.bin");

	memcpy(image, fresh.p, fresh.n);
	size_t n = there_and_back(fresh.n);
	ok(n > 0 && n + 12 <= LIBLZMA, "%zu bytes of %zu, liblzma has %u", n, fresh.n, LIBLZMA);
}

static void test_no_room(void)
{
	size_t enough = suit_lzma_encode_memory(10), n = 7;
	struct suit_bytes in = { image, 10 }, large = { image, SUIT_LZMA_ENCODE_IN_MAX + 1 };
	struct suit_memory work = { malloc(enough), enough - 1 };

	is_int(suit_lzma_encode(in, work, stream, sizeof(stream), &n), SUIT_NO_SPACE,
	       "a byte too little to work in");
	work.n = enough;
	is_int(suit_lzma_encode(in, work, stream, 13, &n), SUIT_NO_SPACE, "room for the head");
	is_int((int64_t)n, 7, "no size is told of what is not whole");
	is_int(suit_lzma_encode(in, work, stream, sizeof(stream), &n), SUIT_OK, "room for all");
	ok(n > 13, "its size is");
	work.n = SIZE_MAX; /* whoever counted in 32 bits has it */
	is_int(suit_lzma_encode(large, work, stream, sizeof(stream), &n), SUIT_TOO_LARGE,
	       "more than 256 MiB");
	free(work.p);
}

int main(void)
{
	test_any();
	test_bounds();
	test_cut_off();
	test_short();
	test_no_room();
	return tap_done();
}
