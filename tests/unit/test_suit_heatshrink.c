/* heatshrink's format: what others made is read, what we make is read back, in any pieces and
 * with any window; nothing is written beyond the image. */

#include "tests/tap.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_delta.h"

static struct delta_images images;
static uint8_t state[SUIT_HEATSHRINK_STATE(SUIT_HEATSHRINK_WINDOW_MAX)];

static enum suit_rc inflate(struct suit_bytes in, size_t size, size_t piece, size_t state_n)
{
	images.n = 0;
	images.max = size;
	return delta_inflate(delta_io(&images, state, state_n), SUIT_CODEC_HEATSHRINK, in, size,
			     piece);
}

/* Made by the heatshrink2 package. */
static void test_of_others(void)
{
	struct suit_bytes in = suit_data("delta/heatshrink2.image");
	struct suit_bytes image = suit_data("delta/new.bin");

	ok(in.n > 0 && image.n > 0, "the vectors are there");
	for (size_t piece = 1; piece < 5; piece += 3) {
		is_int(inflate(in, image.n, piece, sizeof(state)), SUIT_OK, "is read");
		is_bytes(images.fresh, images.n, image.p, image.n, "and is the image");
	}
	is_int(inflate(in, image.n, 64, SUIT_HEATSHRINK_STATE(8)), SUIT_OK,
	       "the smallest state that fits");
	is_int(inflate(in, image.n, 64, SUIT_HEATSHRINK_STATE(8) - 1), SUIT_NO_SPACE,
	       "a byte less does not");
	is_int(inflate(in, image.n - 1, 64, sizeof(state)), SUIT_MALFORMED,
	       "an image that should be shorter");
	ok(images.n < image.n, "no byte more was written");
	is_int(inflate(in, image.n + 1, 64, sizeof(state)), SUIT_MISSING,
	       "an image that should be longer");
}

static bool there_and_back(struct suit_bytes image, unsigned window, unsigned ahead)
{
	static struct suit_heatshrink_work work[DELTA_MAX + 1];
	static uint8_t buf[DELTA_MAX * 2];
	size_t n = 0, needed = 0;

	if (suit_heatshrink_encode(image, window, ahead, work, buf, sizeof(buf), &n) !=
		    SUIT_OK ||
	    inflate((struct suit_bytes){ buf, n }, image.n, 1 + delta_below(n),
		    sizeof(state)) != SUIT_OK ||
	    images.n != image.n || memcmp(images.fresh, image.p, image.n) != 0)
		return false;
	/* A stream that is cut anywhere is seen. */
	for (size_t cut = delta_below(40) + 1; cut < n && cut < 400; cut += 7)
		if (inflate((struct suit_bytes){ buf, n - cut }, image.n, 64, sizeof(state)) !=
		    SUIT_MISSING)
			return false;
	return suit_heatshrink_encode(image, window, ahead, work, buf, n - 1, &needed) ==
		       SUIT_NO_SPACE &&
	       needed == n;
}

static void test_there_and_back(void)
{
	static uint8_t image[3000];
	unsigned bad = 0, done = 0;

	for (unsigned window = SUIT_HEATSHRINK_WINDOW_MIN; window <= SUIT_HEATSHRINK_WINDOW_MAX;
	     window++) {
		for (unsigned ahead = SUIT_HEATSHRINK_AHEAD_MIN; ahead < window; ahead++) {
			size_t n = delta_below(sizeof(image));
			delta_random(image, n, 1u << (1 + delta_below(8)));
			memset(image, 0, delta_below(n + 1) / 2);
			bad += !there_and_back((struct suit_bytes){ image, n }, window, ahead);
			done++;
		}
	}
	is_int(bad, 0, "every window and lookahead, there and back");
	is_int(done, 36, "all of them");
}

/* As short as it can be: 1 + 2 codes. */
static void test_short(void)
{
	static const uint8_t image[200];
	struct suit_heatshrink_work work[201];
	uint8_t buf[64];
	size_t n = 0;

	is_int(suit_heatshrink_encode((struct suit_bytes){ image, 200 }, 8, 7, work, buf,
				      sizeof(buf), &n),
	       SUIT_OK, "200 zeros");
	is_int((int64_t)n, 1 + 4, "are two matches of 16 bits");
	is_int(inflate((struct suit_bytes){ buf, n }, 200, n, sizeof(state)), SUIT_OK,
	       "they are read back in one piece");
	is_bytes(images.fresh, images.n, image, 200, "to their end");
	is_int(suit_heatshrink_encode((struct suit_bytes){ image, 0 }, 8, 7, work, buf,
				      sizeof(buf), &n),
	       SUIT_OK, "nothing");
	is_int((int64_t)n, 1, "is the byte of parameters");
	is_int(inflate((struct suit_bytes){ buf, n }, 0, 1, sizeof(state)), SUIT_OK,
	       "and is read back");
}

/* Bytes of the shortest stream, the plain way: at every byte every match. */
static size_t shortest(struct suit_bytes in, unsigned window_bits, unsigned ahead_bits)
{
	static size_t cost[4001];
	size_t window = (size_t)1 << window_bits, ahead = (size_t)1 << ahead_bits;

	cost[in.n] = 8;
	for (size_t at = in.n; at-- > 0;) {
		size_t best = 0;
		for (size_t distance = 1; distance <= window; distance++) {
			size_t n = 0;
			while (n < ahead && at + n < in.n &&
			       in.p[at + n] ==
				       (at + n < distance ? 0 : in.p[at + n - distance]))
				n++;
			best = n > best ? n : best;
		}
		cost[at] = 9 + cost[at + 1];
		for (; best > 0; best--) {
			size_t with = 1 + window_bits + ahead_bits + cost[at + best];
			cost[at] = with < cost[at] ? with : cost[at];
		}
	}
	return (cost[0] + 7) / 8;
}

/* What repeats at near and far distances, with bytes that break it; also long runs with
 * something between them. */
static void test_shortest(void)
{
	static uint8_t in[4000], out[8000];
	static struct suit_heatshrink_work work[4001];
	size_t longer = 0;

	for (size_t round = 0; round < 600; round++) {
		size_t n = delta_below(round % 4 ? 600 : sizeof(in)), ret = 0;
		size_t again = 1 + delta_below(round % 2 ? 40 : 600);
		unsigned window = 4 + (unsigned)delta_below(6);
		unsigned ahead = 3 + (unsigned)delta_below(window - 3);
		delta_random(in, n, 3);
		if (round % 3)
			memset(in + n / 200, 1, (again < n ? again : n) / 2);
		for (size_t i = again; i < n; i++)
			if (delta_below(200))
				in[i] = in[i - again];
		struct suit_bytes all = { in, n };
		longer += suit_heatshrink_encode(all, window, ahead, work, out, sizeof(out),
						 &ret) != SUIT_OK ||
			  ret != shortest(all, window, ahead);
	}
	is_int((int64_t)longer, 0, "600 streams, none could be shorter");
}

static void test_refused(void)
{
	static const struct {
		uint8_t byte;
		enum suit_rc rc;
		const char *name;
	} table[] = {
		{ 0x01, SUIT_MALFORMED, "a lookahead as large as the window" },
		{ 0x4f, SUIT_MALFORMED, "a lookahead larger than the window" },
		{ 0x84, SUIT_UNSUPPORTED, "a window of 12 bits" },
		{ 0xf4, SUIT_UNSUPPORTED, "a window of 19 bits" },
	};
	struct suit_heatshrink_work work[2];
	uint8_t buf[8], byte = 0;
	size_t n;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		is_int(inflate((struct suit_bytes){ &table[i].byte, 1 }, 0, 1, sizeof(state)),
		       table[i].rc, table[i].name);
	is_int(inflate((struct suit_bytes){ &byte, 0 }, 0, 1,
		       SUIT_HEATSHRINK_STATE(SUIT_HEATSHRINK_WINDOW_MIN) - 1),
	       SUIT_NO_SPACE, "a state for no window at all");
	is_int(suit_heatshrink_encode((struct suit_bytes){ &byte, 1 }, 12, 7, work, buf,
				      sizeof(buf), &n),
	       SUIT_TOO_LARGE, "a window of 12 bits is not written");
	is_int(suit_heatshrink_encode((struct suit_bytes){ &byte, 1 }, 8, 8, work, buf,
				      sizeof(buf), &n),
	       SUIT_TOO_LARGE, "nor a lookahead like the window");
	is_int(suit_heatshrink_encode((struct suit_bytes){ &byte, 1 }, 8, 2, work, buf,
				      sizeof(buf), &n),
	       SUIT_TOO_LARGE, "nor one of two bits");
}

/* What is behind the last symbol must be zero bits, fewer than eight. */
static void test_padding(void)
{
	uint8_t buf[] = { 0x44, 0x80 | 'a' >> 1, ('a' & 1) << 7, 0 };

	is_int(inflate((struct suit_bytes){ buf, 3 }, 1, 1, sizeof(state)), SUIT_OK,
	       "one literal");
	is_int(images.fresh[0], 'a', "is there");
	is_int(inflate((struct suit_bytes){ buf, 4 }, 1, 1, sizeof(state)), SUIT_MISSING,
	       "a byte of zeros behind it");
	buf[2] |= 1;
	is_int(inflate((struct suit_bytes){ buf, 3 }, 1, 1, sizeof(state)), SUIT_MISSING,
	       "a bit behind it");
}

/* A match as far back as the window reaches; and matches with room for a part of them. */
static void test_edges(void)
{
	static const uint8_t image[] = "abcdefghijklmnopabcdefgh";
	static const uint8_t first[] = { 0x44, 0, 0x01 }, second[] = { 0, 0x01 };
	struct suit_heatshrink_work work[sizeof(image)];
	struct suit_memory memory = { state, sizeof(state) };
	uint8_t buf[64];
	struct suit_buffer out = { buf, 3, 0 };
	struct suit_bytes in = { first, 3 };
	size_t n = 0;

	is_int(suit_heatshrink_encode((struct suit_bytes){ image, 24 }, 4, 3, work, buf,
				      sizeof(buf), &n),
	       SUIT_OK, "a repetition after 16 bytes");
	is_int((int64_t)n, 1 + 16 * 9 / 8 + 1, "is one match");
	is_int(suit_inflater_heatshrink.open(memory), SUIT_OK, "open");
	is_int(suit_inflater_heatshrink.step(memory, &in, &out), SUIT_OK, "two bytes");
	ok(out.n == 2 && suit_inflater_heatshrink.ended(memory), "that come");
	in = (struct suit_bytes){ second, 2 };
	out = (struct suit_buffer){ buf, 1, 0 };
	is_int(suit_inflater_heatshrink.step(memory, &in, &out), SUIT_OK, "room for one");
	ok(out.n == 1 && !suit_inflater_heatshrink.ended(memory), "is not the end");
}

int main(void)
{
	test_of_others();
	test_there_and_back();
	test_short();
	test_shortest();
	test_refused();
	test_padding();
	test_edges();
	return tap_done();
}
