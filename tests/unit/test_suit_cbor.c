/* The cursor takes deterministic CBOR and nothing else. */

#include "suit/cbor.h"
#include "tests/tap.h"

static bool any_ok(const char *hex)
{
	uint8_t b[256];
	size_t n = 0;
	struct scbor c;

	for (; hex[0] && hex[1]; hex += 2, n++) {
		unsigned v;
		if (sscanf(hex, "%2x", &v) != 1)
			return false;
		b[n] = (uint8_t)v;
	}
	scbor_init(&c, (struct suit_bytes){ b, n });
	scbor_any(&c);
	return scbor_done(&c);
}

static void test_accepted(void)
{
	static const char *const good[] = {
		"00",
		"17",
		"1818",
		"18ff",
		"190100",
		"1a00010000",
		"1b0000000100000000",
		"20",
		"3818",
		"40",
		"4100",
		"60",
		"6161",
		"62c3bc",
		"80",
		"8100",
		"a0",
		"a10000",
		"a200010203",
		"f4",
		"f5",
		"f6",
		"c100",
		"8181818181818100",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)

		ok(any_ok(good[i]), "%s is taken", good[i]);
}

static void test_refused(void)
{
	static const struct {
		const char *hex, *why;
	} bad[] = {
		{ "", "nothing" },
		{ "1800", "longer head than needed" },
		{ "1817", "23 in two bytes" },
		{ "1900ff", "255 in three bytes" },
		{ "1a0000ffff", "65535 in five bytes" },
		{ "1b00000000ffffffff", "2^32-1 in nine bytes" },
		{ "1c", "reserved" },
		{ "1f", "indefinite number" },
		{ "5f4100ff", "indefinite byte string" },
		{ "7f6161ff", "indefinite text" },
		{ "9f00ff", "indefinite array" },
		{ "bf0000ff", "indefinite map" },
		{ "41", "cut byte string" },
		{ "5b7fffffffffffffff", "endless byte string" },
		{ "9b7fffffffffffffff", "test_B13: endless array" },
		{ "bb7fffffffffffffff", "test_B13: endless map" },
		{ "818181818181818100", "test_B13: nine deep" },
		{ "a2020001", "cut map" },
		{ "a202000100", "unsorted keys" },
		{ "a201000100", "the same key twice" },
		{ "a2616100416100", "text before bytes" },
		{ "61ff", "not UTF-8" },
		{ "62c080", "overlong UTF-8" },
		{ "63eda080", "a surrogate" },
		{ "64f4908080", "above U+10FFFF" },
		{ "f7", "undefined" },
		{ "f97e00", "a float" },
		{ "f820", "a simple value" },
		{ "ff", "a stray break" },
		{ "0000", "two items" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!any_ok(bad[i].hex), "%s (%s) is refused", bad[i].why, bad[i].hex);
}

static void test_errors_stick(void)
{
	static const uint8_t b[] = { 0x01, 0x61, 'a', 0x02 };
	struct scbor c;

	scbor_init(&c, (struct suit_bytes){ b, sizeof(b) });
	is_int((int64_t)scbor_uint(&c), 1, "a number");
	is_int((int64_t)scbor_bytes(&c).n, 0, "text is not bytes");
	ok(!scbor_ok(&c), "and that is an error");
	is_int((int64_t)scbor_uint(&c), 0, "which sticks");
	ok(!scbor_done(&c), "to the end");
	is_int(scbor_peek(&c), SCBOR_END, "nothing is to be seen");
}

static void test_integers(void)
{
	static const int64_t values[] = { 0,      23,       24,         255,        256,
					  65535,  65536,    4294967295, 4294967296, INT64_MAX,
					  -1,     -24,      -25,        -256,       -257,
					  -65537, INT64_MIN };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		uint8_t b[16];
		struct scbor_out o;
		struct scbor c;
		scbor_out_init(&o, b, sizeof(b));
		scbor_put_int(&o, values[i]);
		scbor_init(&c, scbor_out_bytes(&o));
		is_int(scbor_int(&c), values[i], "there and back");
		ok(scbor_done(&c), "in whole");
	}
}

static void test_writer_is_bounded(void)
{
	uint8_t b[4] = { 9, 9, 9, 9 };
	struct scbor_out o;

	scbor_out_init(&o, b, 3);
	scbor_put_bytes(&o, (struct suit_bytes){ (const uint8_t *)"abcd", 4 });
	ok(!scbor_out_fits(&o), "does not fit");
	is_int((int64_t)o.n, 5, "says what it needs");
	is_int(b[3], 9, "wrote nothing beyond");
	is_int((int64_t)scbor_out_bytes(&o).n, 0, "gives nothing out");
}

/* Skipping goes as far as reading, over whatever was read before; over the rest it stays
 * inside. */
static void test_skip(void)
{
	static const uint8_t item[] = { 0xa3,
					0x01,
					0x82,
					0x41,
					0xff,
					0x61,
					'a',
					0x02,
					0xd8,
					0x6b,
					0xa1,
					0x81,
					0x20,
					0xf6,
					0x19,
					0x01,
					0x00,
					0x80,
					/* behind it */ 0x07 };
	struct scbor any, skip;

	scbor_init(&any, (struct suit_bytes){ item, sizeof(item) });
	skip = any;
	struct suit_bytes a = scbor_any(&any), b = scbor_skip(&skip);
	ok(a.n == sizeof(item) - 1 && a.n == b.n && any.p == skip.p, "the same item");
	is_int((int64_t)scbor_uint(&skip), 7, "and what is behind it");
	for (size_t n = 0; n < sizeof(item) - 1; n++) {
		scbor_init(&skip, (struct suit_bytes){ item, n });
		b = scbor_skip(&skip);
		if (scbor_ok(&skip) || b.n != 0)
			ok(false, "%zu bytes are skipped", n);
	}
	static const uint8_t huge[] = { 0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	scbor_init(&skip, (struct suit_bytes){ huge, sizeof(huge) });
	scbor_skip(&skip);
	ok(!scbor_ok(&skip), "a map of 2^64 entries");
}

int main(void)
{
	test_skip();
	test_accepted();
	test_refused();
	test_errors_stick();
	test_integers();
	test_writer_is_bounded();
	return tap_done();
}
