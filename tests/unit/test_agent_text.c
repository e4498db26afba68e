/* The agent's small readers. */
#include "agent/text.h"

#include "tests/tap.h"

static void test_pairs(void)
{
	char text[] = "# a comment\n\n a = 1 \nb=two words\nc =\nnothing\n=x\n";
	char *cursor = text;
	unsigned line = 0;
	struct text_pair p;
	is_int(text_next(&cursor, &line, &p), TEXT_PAIR, "the first pair");
	is_str(p.key, "a", "its key is trimmed");
	is_str(p.value, "1", "its value is trimmed");
	is_int(line, 3, "comments and blank lines are counted");
	is_int(text_next(&cursor, &line, &p), TEXT_PAIR, "the second pair");
	is_str(p.value, "two words", "a value may hold spaces");
	is_int(text_next(&cursor, &line, &p), TEXT_PAIR, "a value may be empty");
	is_str(p.value, "", "and is then empty");
	is_int(text_next(&cursor, &line, &p), TEXT_BAD, "a line without = is bad");
	is_int(text_next(&cursor, &line, &p), TEXT_BAD, "a line without a key is bad");
	is_int(text_next(&cursor, &line, &p), TEXT_END, "the end");
}

static void test_numbers(void)
{
	uint64_t v = 7;
	ok(text_number("18446744073709551615", UINT64_MAX, &v) && v == UINT64_MAX,
	   "the largest");
	ok(!text_number("18446744073709551616", UINT64_MAX, &v), "one more is too large");
	ok(text_number("10", 10, &v) && v == 10, "a limit is within");
	ok(!text_number("11", 10, &v), "one more is not");
	ok(!text_number("5", 3, &v), "one digit over a small limit");
	ok(!text_number("", 10, &v), "nothing is no number");
	ok(!text_number("-1", 10, &v) && !text_number("1 ", 10, &v) &&
		   !text_number("0x1", 10, &v),
	   "signs, spaces and prefixes are not digits");
	is_int((int64_t)v, 10, "a failure writes nothing");
}

static void test_hex(void)
{
	uint8_t b[2] = { 9, 9 };
	ok(text_unhex("0aFf", b, 2) && b[0] == 0x0a && b[1] == 0xff, "both cases");
	ok(!text_unhex("0aF", b, 2) && !text_unhex("0aFf0", b, 2), "another length");
	ok(!text_unhex("0g00", b, 2) && b[0] == 0x0a, "another letter, and nothing is written");
}

static void test_base64(void)
{
	static const struct {
		const char *text, *bytes;
		size_t n;
	} good[] = {
		{ "Zg==", "f", 1 },        { "Zm8=", "fo", 2 },           { "Zm9v", "foo", 3 },
		{ "Zm9vYg==", "foob", 4 }, { "+/+/", "\xfb\xff\xbf", 3 },
	};
	static const char *const bad[] = { "",     "Z",    "Zg=",  "Zg",   "Zg==Zg==",
					   "Z===", "Zm9-", "Zm 9", "====", "Zm9vYmFyYmF6" };
	uint8_t b[8];
	size_t n = 0;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		memset(b, 0, sizeof(b));
		ok(text_unbase64(good[i].text, b, 4, &n) && n == good[i].n &&
			   memcmp(b, good[i].bytes, n) == 0,
		   "base64 %s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!text_unbase64(bad[i], b, 8, &n), "not base64, or too long: \"%s\"", bad[i]);
}

static void test_bool(void)
{
	bool v = false;
	ok(text_bool("yes", &v) && v && text_bool("off", &v) && !v, "yes and off");
	ok(!text_bool("Yes", &v) && !text_bool("", &v) && !text_bool("1", &v), "nothing else");
}

int main(void)
{
	test_pairs();
	test_numbers();
	test_hex();
	test_base64();
	test_bool();
	return tap_done();
}
