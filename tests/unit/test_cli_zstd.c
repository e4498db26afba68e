/* zstd patches: read in any pieces; never more than there is room for, one frame and no second,
 * and a wrong old image is no old image. */

#include "cli/delta.h"
#include "suit/codec_zstd.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"

static uint8_t image[1 << 17];
static size_t written, room;

/* Aborts where a decoder leaves its bounds. */
static enum suit_rc write_new(void *ctx, struct suit_bytes bytes)
{
	(void)ctx;
	if (bytes.n == 0 || bytes.n > room - written)
		abort();
	memcpy(image + written, bytes.p, bytes.n);
	written += bytes.n;
	return SUIT_OK;
}

static enum suit_rc no_write(void *ctx, struct suit_bytes bytes)
{
	(void)ctx;
	(void)bytes;
	return SUIT_CRYPTO;
}

static enum suit_rc run(struct bytes old, struct bytes in, size_t max, size_t piece,
			enum suit_rc (*write)(void *ctx, struct suit_bytes bytes))
{
	struct suit_zstd_io io = { write, NULL };
	struct suit_zstd *z = NULL;
	enum suit_rc rc = suit_zstd_open((struct suit_bytes){ old.p, old.n }, max, &z);

	written = 0;
	room = max;
	while (rc == SUIT_OK && in.n > 0) {
		size_t n = in.n < piece ? in.n : piece;
		rc = suit_zstd_feed(z, &io, (struct suit_bytes){ in.p, n });
		in.p += n;
		in.n -= n;
	}
	if (rc == SUIT_OK)
		rc = suit_zstd_finish(z);
	suit_zstd_free(z);
	return rc;
}

static void test_there(struct bytes old, struct bytes fresh, struct bytes patch)
{
	for (size_t piece = 1; piece < 1000; piece = piece * 30 + 1) {
		is_int(run(old, patch, fresh.n, piece, write_new), SUIT_OK, "is read");
		is_bytes(image, written, fresh.p, fresh.n, "and is the new image");
	}
	is_int(run(old, patch, fresh.n - 1, 64, write_new), SUIT_TOO_LARGE, "room for less");
	is_int(run(old, patch, 0, 64, write_new), SUIT_TOO_LARGE, "room for nothing");
	is_int(run(old, patch, fresh.n, 64, no_write), SUIT_CRYPTO, "it cannot be written");
	is_int(run(old, patch, fresh.n, 64, write_new), SUIT_OK, "and again");
}

static void test_refused(struct bytes old, struct bytes fresh, struct bytes patch)
{
	CLEAN(blob) struct blob twice = { 0 };
	struct bytes none = { NULL, 0 };
	size_t taken = 0;

	for (size_t n = 0; n < patch.n; n++)
		taken += run(old, (struct bytes){ patch.p, n }, fresh.n, 64, write_new) ==
			 SUIT_OK;
	is_int((int64_t)taken, 0, "cut anywhere it is not taken");
	ok(blob_add(&twice, patch) && delta_encode_zstd(none, fresh, &twice) == EXIT_DONE,
	   "two frames");
	is_int(run(old, blob_bytes(&twice), 2 * fresh.n, SIZE_MAX, write_new), SUIT_MALFORMED,
	       "in one piece");
	is_int(run(old, blob_bytes(&twice), 2 * fresh.n, patch.n, write_new), SUIT_MALFORMED,
	       "in two");
	ok(run(none, patch, fresh.n, 64, write_new) != SUIT_OK, "without the old image");
	ok(run(fresh, patch, fresh.n, 64, write_new) != SUIT_OK, "with another");
	twice.p[3] ^= 1;
	is_int(run(old, blob_bytes(&twice), fresh.n, 64, write_new), SUIT_MALFORMED,
	       "no frame at all");
}

/* Larger than what is decompressed at a time. */
static void test_large(void)
{
	CLEAN(blob) struct blob in = { 0 };
	static uint8_t zeros[100000];
	struct bytes none = { NULL, 0 };

	is_int(delta_encode_zstd(none, (struct bytes){ zeros, sizeof(zeros) }, &in), EXIT_DONE,
	       "a full image");
	is_int(run(none, blob_bytes(&in), sizeof(zeros), SIZE_MAX, write_new), SUIT_OK,
	       "in one piece");
	is_bytes(image, written, zeros, sizeof(zeros), "to its end");
	/* Without a checksum behind it, what is left over comes when all has been read. */
	static const uint8_t run_of_a[] = { 0x28,
					    0xb5,
					    0x2f,
					    0xfd,
					    0,
					    7 << 3,
					    (100000 << 3 | 3) & 0xff,
					    100000 >> 5 & 0xff,
					    100000 >> 13,
					    'a' };
	is_int(run(none, (struct bytes){ run_of_a, sizeof(run_of_a) }, 100000, SIZE_MAX,
		   write_new),
	       SUIT_OK, "without a checksum");
	is_int((int64_t)written, 100000, "to its end");
	/* A frame without its size, whose descriptor says a window of 2^24 bytes. */
	static const uint8_t wide[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 14 << 3, 0x0b, 0, 0, 'a' };
	struct bytes frame = { wide, sizeof(wide) };
	is_int(run(none, frame, 1000, 64, write_new), SUIT_TOO_LARGE, "a window for nothing");
	is_int(run(none, frame, 1 << 24, 64, write_new), SUIT_OK, "and with a use");
}

/* libzstd reads more than is written today: a frame of zstd 0.7 with a window of 128 MiB, which
 * it would allocate whatever the bound, and a frame that is skipped. */
static void test_other_frames(void)
{
	static const uint8_t old[] = { 0x27, 0xb5, 0x2f, 0xfd, 0, 17 << 3, 0xc0, 0, 0 };
	static const uint8_t skipped[] = { 0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'a' };
	/* Two bytes are announced, none is there. */
	static const uint8_t less[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 2, 1, 0, 0 };
	struct bytes none = { NULL, 0 };

	for (size_t piece = 1; piece < 10; piece += 8) {
		is_int(run(none, (struct bytes){ less, sizeof(less) }, 1000, piece, write_new),
		       SUIT_MALFORMED, "less than it says");
		is_int(run(none, (struct bytes){ old, sizeof(old) }, 1000, piece, write_new),
		       SUIT_MALFORMED, "a frame of zstd 0.7");
		is_int(run(none, (struct bytes){ skipped, sizeof(skipped) }, 1000, piece,
			   write_new),
		       SUIT_MALFORMED, "a frame to be skipped");
	}
}

/* Where a dictionary's number should be a whole frame begins, which goes on to the end.  The
 * dictionary is not there, wherever the first of two pieces ends. */
static void test_frame_in_header(void)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x23, 0x28, 0xb5, 0x2f,
					 0xfd, 32,   32,   0x03, 1,    0,    'a' };
	struct suit_zstd_io io = { write_new, NULL };
	struct bytes none = { NULL, 0 };
	size_t refused = 0;

	is_int(run(none, (struct bytes){ frame + 5, sizeof(frame) - 5 }, 32, 64, write_new),
	       SUIT_OK, "a frame");
	for (size_t n = 0; n < sizeof(frame); n++) {
		struct suit_bytes rest = { frame + n, sizeof(frame) - n };
		struct suit_zstd *z = NULL;
		written = 0;
		refused +=
			suit_zstd_open((struct suit_bytes){ 0 }, room, &z) == SUIT_OK &&
			(suit_zstd_feed(z, &io, (struct suit_bytes){ frame, n }) != SUIT_OK ||
			 suit_zstd_feed(z, &io, rest) == SUIT_MALFORMED);
		suit_zstd_free(z);
	}
	is_int((int64_t)refused, sizeof(frame), "none within another's header");
}

int main(void)
{
	struct suit_bytes o = suit_data("delta/old.bin"), f = suit_data("delta/new.bin");
	struct bytes old = { o.p, o.n }, fresh = { f.p, f.n };
	CLEAN(blob) struct blob patch = { 0 };

	if (!ok(o.n > 0 && f.n > 0, "the vectors are there") ||
	    !ok(delta_encode_zstd(old, fresh, &patch) == EXIT_DONE, "a patch"))
		return tap_done();
	ok(patch.n < fresh.n / 5, "%zu bytes for %zu", patch.n, fresh.n);
	test_there(old, fresh, blob_bytes(&patch));
	test_refused(old, fresh, blob_bytes(&patch));
	test_large();
	test_other_frames();
	test_frame_in_header();
	return tap_done();
}
