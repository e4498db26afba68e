/* What a release may be, by tables. */

#include "base/clean.h"
#include "core/release_rules.h"
#include "tests/tap.h"

#define NOW INT64_C(1795000000)
#define TOP UINT64_C(9223372036854775807)

/* A05: a number near the end would leave no room for the releases that follow. */
static void test_A05_sequence(void)
{
	static const struct {
		const char *name;
		uint64_t sequence;
		int64_t last, now_s;
		enum sequence_verdict wanted;
	} table[] = {
		{ "the first may be 0", 0, -1, NOW, SEQUENCE_OK },
		{ "the first may be the clock", NOW, -1, NOW, SEQUENCE_OK },
		{ "but not more", NOW + 1, -1, NOW, SEQUENCE_TOO_FAR },
		{ "one more", 8, 7, NOW, SEQUENCE_OK },
		{ "equal", 7, 7, NOW, SEQUENCE_NOT_HIGHER },
		{ "lower", 6, 7, NOW, SEQUENCE_NOT_HIGHER },
		{ "0 again", 0, 0, NOW, SEQUENCE_NOT_HIGHER },
		{ "a jump over the clock", NOW + 1048576, NOW, NOW, SEQUENCE_OK },
		{ "a jump too far", NOW + 1048577, NOW, NOW, SEQUENCE_TOO_FAR },
		{ "a clock at its start: the jump from 0", 1048576, -1, 0, SEQUENCE_OK },
		{ "a clock at its start: further", 1048577, -1, 0, SEQUENCE_TOO_FAR },
		{ "a clock before its start", 5, 4, -1, SEQUENCE_OK },
		{ "2^63 - 1", TOP, NOW, NOW, SEQUENCE_TOO_FAR },
		{ "2^63", TOP + 1, NOW, NOW, SEQUENCE_TOO_FAR },
		{ "2^64 - 1", UINT64_MAX, NOW, NOW, SEQUENCE_TOO_FAR },
		{ "2^63 - 1 after its neighbour", TOP, INT64_MAX - 1, NOW, SEQUENCE_OK },
		{ "2^63 after the last", TOP + 1, INT64_MAX, NOW, SEQUENCE_TOO_FAR },
		{ "2^63 - 1 again", TOP, INT64_MAX, NOW, SEQUENCE_NOT_HIGHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		is_int(release_sequence_check(table[i].sequence, table[i].last, table[i].now_s),
		       table[i].wanted, table[i].name);
}

/* A13: a URI is the digest and nothing else. */
static bool names(const char *uri, const struct digest *d)
{
	struct digest got;

	return release_uri_digest(bytes_of(uri), &got) == RC_OK && digest_equal(&got, d);
}

static void test_A13_uri(void)
{
#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	static const struct {
		const char *uri;
		bool wanted;
	} table[] = {
		{ "img/" HEX, true },
		{ "/img/" HEX, false },
		{ "IMG/" HEX, false },
		{ "img/" HEX "0", false },
		{ "img/" HEX "?x", false },
		{ "img//" HEX, false },
		{ "coap://evil/img/" HEX, false },
		{ "//evil/img/" HEX, false },
		{ "http://169.254.169.254/", false },
		{ "img/00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff",
		  false },
		{ "img/10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		  false },
		{ "img/", false },
		{ "", false },
		{ "#image", false },
	};
	struct digest d;

	is_int(digest_parse(HEX, &d), RC_OK, "the digest");
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		ok(names(table[i].uri, &d) == table[i].wanted, "\"%s\"", table[i].uri);
}

/* A component that only takes a download is named by what is in it. */
static void test_download_area(void)
{
	static const struct {
		const char *segment[3];
		enum area wanted;
		const char *word;
	} table[] = {
		{ { "dl" }, AREA_YES, "" },
		{ { "dl", "full" }, AREA_YES, "" },
		{ { "dl", "lzma" }, AREA_YES, "lzma" },
		{ { "dl", "patch-heatshrink" }, AREA_YES, "patch-heatshrink" },
		{ { "dl", "a123456789012345678901234567890-" },
		  AREA_YES,
		  "a123456789012345678901234567890-" },
		{ { "dl", "a123456789012345678901234567890-x" }, AREA_INVALID, "" },
		{ { "dl", "LZMA" }, AREA_INVALID, "" },
		{ { "dl", "lz,ma" }, AREA_INVALID, "" },
		{ { "dl", "" }, AREA_INVALID, "" },
		{ { "dl", "key-0123" }, AREA_INVALID, "" }, /* would be a device's own key */
		{ { "dl", "keys" }, AREA_YES, "keys" },
		{ { "dl", "full", "x" }, AREA_INVALID, "" },
		{ { "main" }, AREA_NONE, "" },
		{ { "dlx" }, AREA_NONE, "" },
		{ { "main", "dl" }, AREA_NONE, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct bytes segments[3], word;
		int n = 0;
		for (; n < 3 && table[i].segment[n]; n++)
			segments[n] = bytes_of(table[i].segment[n]);
		is_int(release_download_area(segments, n, &word), table[i].wanted,
		       table[i].segment[n - 1]);
		ok(bytes_equal_text(word, table[i].wanted == AREA_YES ? table[i].word : "") ||
			   table[i].wanted == AREA_INVALID,
		   "its format");
	}
}

/* A12: a key for a component is one for what is below it, and for nothing beside it. */
static void test_A12_scopes(void)
{
	static const struct {
		const char *scope, *component;
		bool wanted;
	} table[] = {
		{ "", "main", true },
		{ "modem", "modem", true },
		{ "modem", "modem/radio", true },
		{ "modem/radio", "modem/radio/a", true },
		{ "modem/radio", "modem", false },
		{ "modem", "modem2", false },
		{ "modem", "mode", false },
		{ "modem", "app", false },
		{ "modem", "app/modem", false },
		{ "modem", "0x6d6f64656d", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		ok(release_scope_covers(table[i].scope, table[i].component) == table[i].wanted,
		   "\"%s\" and %s", table[i].scope, table[i].component);
}

static void test_encrypted(void)
{
	ok(!release_is_encrypted(""), "nothing is needed");
	ok(!release_is_encrypted("aes-kw,lzma"), "no cipher");
	ok(!release_is_encrypted("ctrl,gcmx"), "nor a word that begins like one");
	ok(release_is_encrypted("aes-kw,gcm,lzma"), "a cipher in the middle");
	ok(release_is_encrypted("ctr") && release_is_encrypted("a,chacha20"), "each of them");
}

static void test_version_text(struct arena *mem)
{
	static const struct {
		int64_t n[8];
		size_t count;
		const char *wanted;
	} table[] = {
		{ { 1 }, 1, "1" },
		{ { 1, 2, 3 }, 3, "1.2.3" },
		{ { 1, 2, 3, -1, 4 }, 5, "1.2.3-rc.4" },
		{ { 1, 2, -2 }, 3, "1.2~beta" },
		{ { 1, 0, 0, -3, 1 }, 5, "1.0.0-alpha.1" },
		{ { -1 }, 1, NULL },
		{ { 1, -4 }, 2, NULL },
		{ { 1, -1, -1 }, 3, NULL },
		{ { 1, -1, 2, 3 }, 4, NULL },
		{ { 1 }, 0, NULL },
		{ { INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX }, 4, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *text = NULL;
		enum rc rc = release_version_text(table[i].n, table[i].count, mem, &text);
		ok((rc == RC_OK) == (table[i].wanted != NULL), "row %zu: %s", i,
		   table[i].wanted ? table[i].wanted : "refused");
		if (table[i].wanted)
			is_str(text, table[i].wanted, table[i].wanted);
	}
}

static void test_agree(struct arena *mem)
{
	ok(release_versions_agree("3.7", "v3.7.0", mem), "3.7 is v3.7.0");
	ok(!release_versions_agree("3.7", "3.7.1", mem), "3.7 is not 3.7.1");
	ok(!release_versions_agree("x", "x", mem), "what is no version agrees with nothing");
}

int main(void)
{
	CLEAN(arena) struct arena *mem = arena_create();

	test_A05_sequence();
	test_A13_uri();
	test_download_area();
	test_A12_scopes();
	test_encrypted();
	test_version_text(mem);
	test_agree(mem);
	return tap_done();
}
