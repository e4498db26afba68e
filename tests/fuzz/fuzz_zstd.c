/* zstd frames with an old image as their prefix: never more than the image that was announced,
 * what zstd makes of the same bytes at once, and the same in any pieces. */

#include "suit/codec_zstd.h"
#include "tests/fuzz/old_image.h"

#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_getFrameHeader */
#include <zstd.h>

#define OUT_MAX (1u << 17)

struct image {
	uint8_t p[OUT_MAX];
	size_t n, max;
};

static enum suit_rc write_new(void *ctx, struct suit_bytes bytes)
{
	struct image *i = ctx;

	check(bytes.n > 0 && bytes.n <= i->max - i->n);
	memcpy(i->p + i->n, bytes.p, bytes.n);
	i->n += bytes.n;
	return SUIT_OK;
}

/* Pieces as long as the frame's own bytes say, for `mixed`; else of one size. */
static size_t next_piece(struct suit_bytes in, size_t piece, bool mixed)
{
	size_t n = mixed ? 1 + (in.p[in.n / 2] ^ in.n) % 61 : piece;

	return n < in.n ? n : in.n;
}

static enum suit_rc run(struct suit_bytes prefix, struct suit_bytes in, size_t piece,
			bool mixed, struct image *image)
{
	struct suit_zstd_io io = { write_new, image };
	struct suit_zstd *z;

	check(suit_zstd_open(prefix, image->max, &z) == SUIT_OK);
	image->n = 0;
	enum suit_rc rc = SUIT_OK;
	while (rc == SUIT_OK && in.n > 0) {
		size_t n = next_piece(in, piece, mixed);
		rc = suit_zstd_feed(z, &io, (struct suit_bytes){ in.p, n });
		in.p += n;
		in.n -= n;
	}
	/* What failed stays so. */
	if (rc != SUIT_OK)
		check(suit_zstd_feed(z, &io, (struct suit_bytes){ old_image, 1 }) == rc &&
		      suit_zstd_finish(z) == rc);
	else
		rc = suit_zstd_finish(z);
	suit_zstd_free(z);
	return rc;
}

/* A compressed block of no bytes, which libzstd takes in a stream alone.  It gives nothing. */
static bool has_empty_block(struct suit_bytes in)
{
	size_t at = ZSTD_frameHeaderSize(in.p, in.n);

	while (at + 3 <= in.n) {
		unsigned block = in.p[at] | in.p[at + 1] << 8 | (unsigned)in.p[at + 2] << 16;
		if (block >> 3 == 0 && (block >> 1 & 3) == 2)
			return true;
		if (block & 1)
			return false;
		at += 3 + ((block >> 1 & 3) == 1 ? 1 : block >> 3);
	}
	return false;
}

/* By another way through the library, and with all of the frame there. */
static bool at_once(struct suit_bytes prefix, struct suit_bytes in, struct image *ret)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();

	check(z && !ZSTD_isError(ZSTD_DCtx_refPrefix(z, prefix.p, prefix.n)));
	size_t n = ZSTD_decompressDCtx(z, ret->p, ret->max, in.p, in.n);
	ZSTD_freeDCtx(z);
	ret->n = ZSTD_isError(n) ? 0 : n;
	return !ZSTD_isError(n);
}

static void check_frame(struct suit_bytes prefix, struct suit_bytes in, size_t max)
{
	ZSTD_frameHeader head;
	uint64_t most = (uint64_t)1 << SUIT_ZSTD_WINDOW_MIN;

	while (most < prefix.n + max)
		most *= 2;
	check(ZSTD_getFrameHeader(&head, in.p, in.n) == 0);
	check(head.frameType == ZSTD_frame && head.windowSize <= most);
	check(ZSTD_findFrameCompressedSize(in.p, in.n) == in.n);
}

/* The first byte says how much of the old image there is, in 16ths, the next three the size
 * of the new one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct image one, other;

	if (size < 4)
		return 0;
	struct suit_bytes in = { data + 4, size - 4 };
	struct suit_bytes prefix = { old_image, old_image_n * (16u - data[0] % 17u) / 16 };
	one.max = other.max = ((size_t)data[1] << 16 | data[2] << 8 | data[3]) % (OUT_MAX + 1);
	enum suit_rc rc = run(prefix, in, SIZE_MAX, false, &one);
	for (int way = 0; way < 2; way++) {
		enum suit_rc again = run(prefix, in, 1, way, &other);
		check((again == SUIT_OK) == (rc == SUIT_OK));
		check(rc != SUIT_OK || one.n == other.n);
		/* What fails may fail some bytes sooner or later. */
		check(memcmp(one.p, other.p, one.n < other.n ? one.n : other.n) == 0);
	}
	if (rc != SUIT_OK)
		return 0;
	check_frame(prefix, in, one.max);
	if (!at_once(prefix, in, &other)) {
		check(has_empty_block(in));
		return 0;
	}
	check(one.n == other.n && memcmp(one.p, other.p, one.n) == 0);
	return 0;
}
