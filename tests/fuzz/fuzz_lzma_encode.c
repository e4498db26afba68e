/* LZMA for patches: whatever it is given, our decoder, byte by byte and in the state of the
 * smallest device, and liblzma's read it back; and nothing is written beyond the buffer. */

#include "suit/lzma_encode.h"
#include "tests/fuzz/liblzma.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_delta.h"

#define IN_MAX 1024

static uint8_t back[IN_MAX + 1];

static void read_ours(struct suit_bytes stream, struct suit_bytes in)
{
	static uint64_t memory[SUIT_LZMA_STATE(0, SUIT_LZMA_ENCODE_DICT) / 8 + 1];
	struct suit_memory state = { memory, SUIT_LZMA_STATE(0, SUIT_LZMA_ENCODE_DICT) };
	struct suit_buffer out = { back, sizeof(back), 0 };
	enum suit_rc rc = suit_inflater_lzma.open(state);

	for (; rc == SUIT_OK && stream.n > 0; stream.p++, stream.n--) {
		struct suit_bytes one = { stream.p, 1 };
		rc = suit_inflater_lzma.step(state, &one, &out);
		check(rc != SUIT_OK || one.n == 0);
	}
	check(rc == SUIT_OK && suit_inflater_lzma.ended(state));
	check(out.n == in.n && memcmp(back, in.p, in.n) == 0);
}

static void read_theirs(struct suit_bytes stream, struct suit_bytes in)
{
	struct liblzma_end end = liblzma_read(stream, back, sizeof(back));

	check(end.rc == LZMA_STREAM_END && !end.rest);
	check(end.n == in.n && memcmp(back, in.p, in.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t memory[1 << 17];
	static uint8_t stream[2 * IN_MAX];
	struct suit_memory work = { memory, sizeof(memory) };
	struct suit_bytes in = { data, size < IN_MAX ? size : IN_MAX };
	size_t n, wanted;

	check(suit_lzma_encode(in, work, stream, sizeof(stream), &n) == SUIT_OK);
	read_ours((struct suit_bytes){ stream, n }, in);
	read_theirs((struct suit_bytes){ stream, n }, in);
	stream[n - 1] = 0xa5;
	check(suit_lzma_encode(in, work, stream, n - 1, &wanted) == SUIT_NO_SPACE);
	check(stream[n - 1] == 0xa5);
	return 0;
}
