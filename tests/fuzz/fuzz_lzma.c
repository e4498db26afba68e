/* LZMA: our decoder and liblzma's agree about every stream and its bytes, and ours gives the
 * same in one piece and byte by byte. */

#include "tests/fuzz/target.h"
#include "tests/unit/suit_delta.h"

#include <lzma.h>

#define OUT_MAX  (1u << 17)
#define DICT_MAX (1u << 16)

static uint8_t ours[OUT_MAX], again[OUT_MAX], theirs[OUT_MAX];
static uint64_t memory[SUIT_LZMA_STATE(SUIT_LZMA_LCLP_MAX, DICT_MAX) / 8 + 1];

struct end {
	enum suit_rc rc;
	size_t n;
	bool ended;
};

/* Stops at OUT_MAX. */
static struct end run_ours(struct suit_bytes in, size_t piece, uint8_t *p)
{
	struct suit_memory state = { memory, SUIT_LZMA_STATE(SUIT_LZMA_LCLP_MAX, DICT_MAX) };
	struct suit_buffer out = { p, OUT_MAX, 0 };
	enum suit_rc rc = suit_inflater_lzma.open(state);

	while (rc == SUIT_OK && in.n > 0 && out.n < out.size) {
		struct suit_bytes part = { in.p, in.n < piece ? in.n : piece };
		size_t n = part.n;
		rc = suit_inflater_lzma.step(state, &part, &out);
		check(rc != SUIT_OK || part.n == 0 || out.n == out.size);
		in.p += n - part.n;
		in.n -= n - part.n;
	}
	check(out.n <= OUT_MAX);
	return (struct end){ rc, out.n, rc == SUIT_OK && suit_inflater_lzma.ended(state) };
}

static lzma_ret run_theirs(struct suit_bytes in, size_t *ret_n, bool *ret_rest)
{
	lzma_stream stream = LZMA_STREAM_INIT;

	if (lzma_alone_decoder(&stream, (uint64_t)64 << 20) != LZMA_OK)
		abort();
	stream.next_in = in.p;
	stream.avail_in = in.n;
	stream.next_out = theirs;
	stream.avail_out = OUT_MAX;
	lzma_ret rc = lzma_code(&stream, LZMA_RUN);
	*ret_n = OUT_MAX - stream.avail_out;
	*ret_rest = stream.avail_in > 0;
	lzma_end(&stream);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suit_bytes in = { data, size };
	struct end a = run_ours(in, SIZE_MAX, ours), b = run_ours(in, 1, again);
	size_t n;
	bool rest;

	check(a.rc == b.rc && a.n == b.n && a.ended == b.ended);
	check(memcmp(ours, again, a.n) == 0);
	lzma_ret rc = run_theirs(in, &n, &rest);
	/* It takes fewer dictionary sizes than there are, and the window that it keeps is never
	 * below 4 KiB. */
	if (rc == LZMA_FORMAT_ERROR || rc == LZMA_MEMLIMIT_ERROR || a.rc == SUIT_UNSUPPORTED ||
	    a.rc == SUIT_NO_SPACE)
		return 0;
	check(memcmp(ours, theirs, a.n < n ? a.n : n) == 0);
	if (a.ended)
		check(rc == LZMA_STREAM_END && n == a.n && !rest);
	else if (rc == LZMA_STREAM_END && !rest && n < OUT_MAX)
		check(size > 4 && (data[1] | data[2] << 8 | data[3] << 16) < 4096);
	return 0;
}
