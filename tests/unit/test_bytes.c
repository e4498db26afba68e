/* Bytes, ids, digests, numbers, base64, UTF-8. */

#include "base/bytes.h"
#include "base/clean.h"
#include "tests/tap.h"

static struct bytes view(const char *text, size_t n)
{
	return (struct bytes){ (const uint8_t *)text, n };
}

static void test_equal(void)
{
	ok(bytes_equal(bytes_of("abc"), bytes_of("abc")), "equal");
	ok(!bytes_equal(bytes_of("abc"), bytes_of("abd")), "not equal");
	ok(!bytes_equal(bytes_of("abc"), bytes_of("abcd")), "a prefix is not equal");
	ok(bytes_equal(bytes_of(""), (struct bytes){ NULL, 0 }), "empty is empty");
	ok(bytes_equal_secret(bytes_of("abc"), bytes_of("abc")), "secrets: equal");
	ok(!bytes_equal_secret(bytes_of("ab"), bytes_of("abc")), "secrets: shorter");
	ok(!bytes_equal_secret(bytes_of("abcd"), bytes_of("abc")), "secrets: longer");
	ok(!bytes_equal_secret(bytes_of("abx"), bytes_of("abc")), "secrets: differ");
}

static void test_uuid(void)
{
	static const char *const bad[] = { "",
					   "0",
					   "00112233-4455-6677-8899-aabbccddeef",
					   "00112233-4455-6677-8899-aabbccddeeff0",
					   "0011223344556677-8899-aabbccddeeff",
					   "00112233_4455-6677-8899-aabbccddeeff",
					   "0011223g-4455-6677-8899-aabbccddeeff" };
	char text[UUID_TEXT_SIZE];
	struct uuid id = { { 0 } }, other;

	ok(uuid_parse("00112233-4455-6677-8899-AABBccddeeff", &id) == RC_OK, "uuid parses");
	is_str(uuid_format(&id, text), "00112233-4455-6677-8899-aabbccddeeff", "and formats");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(uuid_parse(bad[i], &other) == RC_INVALID, "refused: '%s'", bad[i]);
	uuid_random(&id);
	uuid_random(&other);
	ok(!uuid_equal(&id, &other) && !uuid_is_zero(&id), "random ids differ");
	ok((id.b[6] & 0xf0) == 0x40 && (id.b[8] & 0xc0) == 0x80, "RFC 9562 version 4");
}

static void test_digest(void)
{
	static const char hex[] =
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	char text[DIGEST_TEXT_SIZE];
	struct digest d = { { 0 } };

	ok(digest_parse(hex, &d) == RC_OK && d.b[0] == 0xba && d.b[31] == 0xad,
	   "digest parses");
	is_str(digest_format(&d, text), hex, "and formats");
	ok(digest_parse("ba78", &d) == RC_INVALID, "too short");
	ok(digest_parse("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
			&d) == RC_INVALID,
	   "too long");
}

/* RFC 4648 section 10. */
static void test_base64(struct arena *mem)
{
	static const char *const pairs[][2] = { { "", "" },
						{ "f", "Zg==" },
						{ "fo", "Zm8=" },
						{ "foo", "Zm9v" },
						{ "foob", "Zm9vYg==" },
						{ "fooba", "Zm9vYmE=" },
						{ "foobar", "Zm9vYmFy" } };
	static const char *const bad[] = { "Z",    "Zg",       "Zg=",   "Zg===",
					   "Zh==", "Zm9=",     "Zm 9v", "Zm9v\n",
					   "=Zg=", "Zg==Zg==", "Z-==" };
	struct bytes b;

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		is_str(base64_encode(mem, bytes_of(pairs[i][0])), pairs[i][1],
		       "base64 encodes");
		ok(base64_decode(mem, bytes_of(pairs[i][1]), &b) == RC_OK &&
			   bytes_equal_text(b, pairs[i][0]),
		   "base64 decodes '%s'", pairs[i][1]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(base64_decode(mem, bytes_of(bad[i]), &b) == RC_INVALID, "refused: '%s'",
		   bad[i]);
	is_str(base64url_encode(mem, view("\xfb\xff", 2)), "-_8", "base64url has no padding");
	ok(base64url_decode(mem, bytes_of("-_8"), &b) == RC_OK && b.n == 2 && b.p[0] == 0xfb,
	   "base64url decodes");
	ok(base64url_decode(mem, bytes_of("-_8="), &b) == RC_INVALID, "and refuses padding");
	ok(base64url_decode(mem, bytes_of("+/8"), &b) == RC_INVALID, "and the other alphabet");
}

static void test_hex(struct arena *mem)
{
	struct bytes b;

	is_str(hex_encode(mem, view("\x00\xfe", 2)), "00fe", "hex encodes");
	ok(hex_decode(mem, bytes_of("00Fe"), &b) == RC_OK && b.n == 2 && b.p[1] == 0xfe,
	   "decodes");
	ok(hex_decode(mem, bytes_of("0"), &b) == RC_INVALID, "odd");
	ok(hex_decode(mem, bytes_of("0x"), &b) == RC_INVALID, "not hex");
	is_str(bytes_text(mem, view("ab\0cd", 5)), "ab", "text is cut at a NUL");
}

static void test_numbers(void)
{
	static const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "--1"
	};
	uint64_t u = 0;
	int64_t i = 0;

	ok(parse_u64(bytes_of("18446744073709551615"), UINT64_MAX, &u) == RC_OK &&
		   u == UINT64_MAX,
	   "largest u64");
	ok(parse_u64(bytes_of("18446744073709551616"), UINT64_MAX, &u) == RC_INVALID,
	   "one more");
	ok(parse_u64(bytes_of("-1"), UINT64_MAX, &u) == RC_INVALID, "u64 has no sign");
	ok(parse_u64(bytes_of("11"), 10, &u) == RC_INVALID, "over the caller's limit");
	ok(parse_i64(bytes_of("-9223372036854775808"), INT64_MIN, INT64_MAX, &i) == RC_OK &&
		   i == INT64_MIN,
	   "smallest i64");
	ok(parse_i64(bytes_of("9223372036854775807"), INT64_MIN, INT64_MAX, &i) == RC_OK &&
		   i == INT64_MAX,
	   "largest i64");
	ok(parse_i64(bytes_of("9223372036854775808"), INT64_MIN, INT64_MAX, &i) == RC_INVALID,
	   "one more");
	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		ok(parse_i64(bytes_of(bad[k]), INT64_MIN, INT64_MAX, &i) == RC_INVALID,
		   "not a number: '%s'", bad[k]);
}

static void test_clean_text(void)
{
	static const char *const bad[] = { "a\nb",
					   "\x7f",
					   "\x01",
					   "\xc0\xaf",
					   "\xe0\x80\xaf",
					   "\xed\xa0\x80",
					   "\xf4\x90\x80\x80",
					   "\xff",
					   "\xc3",
					   "\xe2\x82",
					   "\x80",
					   "\xf8\x88\x80\x80\x80" };

	ok(text_is_clean(bytes_of("")), "empty is clean");
	ok(text_is_clean(bytes_of("plain ~ text")), "ASCII is clean");
	ok(text_is_clean(bytes_of("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), "UTF-8 is clean");
	ok(!text_is_clean(view("a\0b", 3)), "NUL is not");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ok(!text_is_clean(bytes_of(bad[i])), "not clean: row %zu", i);
}

int main(void)
{
	CLEAN(arena) struct arena *mem = arena_create();

	test_equal();
	test_uuid();
	test_digest();
	test_base64(mem);
	test_hex(mem);
	test_numbers();
	test_clean_text();
	return tap_done();
}
