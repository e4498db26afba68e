/* LZMA: our decoder and liblzma's agree about every stream and its bytes, and ours gives the
 * same in one piece and byte by byte. */

#include "tests/fuzz/liblzma.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_delta.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suit_bytes in = { data, size };
	struct end a = run_ours(in, SIZE_MAX, ours), b = run_ours(in, 1, again);

	check(a.rc == b.rc && a.n == b.n && a.ended == b.ended);
	check(memcmp(ours, again, a.n) == 0);
	struct liblzma_end end = liblzma_read(in, theirs, OUT_MAX);
	/* It takes fewer dictionary sizes than there are, and the window that it keeps is never
	 * below 4 KiB. */
	if (end.rc == LZMA_FORMAT_ERROR || end.rc == LZMA_MEMLIMIT_ERROR ||
	    a.rc == SUIT_UNSUPPORTED || a.rc == SUIT_NO_SPACE)
		return 0;
	check(memcmp(ours, theirs, a.n < end.n ? a.n : end.n) == 0);
	if (a.ended)
		check(end.rc == LZMA_STREAM_END && end.n == a.n && !end.rest);
	else if (end.rc == LZMA_STREAM_END && !end.rest && end.n < OUT_MAX)
		check(size > 4 && (data[1] | data[2] << 8 | data[3] << 16) < 4096);
	return 0;
}
