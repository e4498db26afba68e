/* Text in several languages: found by language, component and key; refused when out of form. */

#include "suit/cbor.h"
#include "suit/text.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_wrap.h"

#define C (&suit_crypto_openssl)

static uint8_t buf[8192];

/* A manifest of two components, ['a'] and ['b', 'c'], and a dependency with prefix ['d'], with
 * this text inside. */
static enum suit_rc with_text(const void *text, size_t n, struct suit_envelope *e)
{
	static const char common[] = "\xa2\x01\xa1\x02\xa1\x01\x81\x41"
				     "d\x02\x82\x81\x41"
				     "a\x82\x41"
				     "b\x41"
				     "c";
	uint8_t manifest[4096];
	struct scbor_out o;

	scbor_out_init(&o, manifest, sizeof(manifest));
	scbor_put_map(&o, 4);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, 2);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, 3);
	scbor_put_bytes(&o, (struct suit_bytes){ (const uint8_t *)common, sizeof(common) - 1 });
	scbor_put_int(&o, 23);
	scbor_put_bytes(&o, (struct suit_bytes){ text, n });
	return suit_envelope_decode(C, suit_wrap(scbor_out_bytes(&o), buf, sizeof(buf)), e);
}

#define A                                                                                      \
	"\x81\x41"                                                                             \
	"a"
#define BC                                                                                     \
	"\x82\x41"                                                                             \
	"b\x41"                                                                                \
	"c"
#define D                                                                                      \
	"\x81\x41"                                                                             \
	"d"

/* { "de": { 1: "M", ['a']: {6: "1.0"} },
 *   "en-GB": { 1: "m", 2: "u", 3: "j", 4: "y", ['a']: {1: "v"}, ['d']: {8: "9"},
 *              ['b','c']: {1..8: "1".."8"} } } */
static const char good[] =
	"\xa2\x62"
	"de\xa2\x01\x61M" A "\xa1\x06\x63"
	"1.0"
	"\x65"
	"en-GB\xa7\x01\x61m\x02\x61u\x03\x61j\x04\x61y" A "\xa1\x01\x61v" D "\xa1\x08\x61"
	"9" BC "\xa8\x01\x61"
	"1\x02\x61"
	"2\x03\x61"
	"3\x04\x61"
	"4\x05\x61"
	"5\x06\x61"
	"6\x07\x61"
	"7\x08\x61"
	"8";

static void found(const struct suit_envelope *e, const char *language,
		  const struct suit_component_id *id, int64_t key, const char *want)
{
	struct suit_bytes got = suit_text_get(e, suit_text(language), id, key);

	is_bytes(got.p, got.n, want, strlen(want), want);
}

static void test_get(void)
{
	struct suit_component_id d = { .segment = { suit_text("d") }, .count = 1 };
	struct suit_envelope e;

	is_int(with_text(good, sizeof(good) - 1, &e), SUIT_OK, "two languages");
	found(&e, "de", NULL, SUIT_TEXT_MANIFEST, "M");
	found(&e, "en-GB", NULL, SUIT_TEXT_MANIFEST, "m");
	found(&e, "", NULL, SUIT_TEXT_MANIFEST, "M");
	found(&e, "", NULL, SUIT_TEXT_UPDATE, "u");
	found(&e, "de", NULL, SUIT_TEXT_UPDATE, "");
	found(&e, "fr", NULL, SUIT_TEXT_MANIFEST, "");
	found(&e, "en-GB", NULL, SUIT_TEXT_JSON_SOURCE, "j");
	found(&e, "en-GB", NULL, SUIT_TEXT_YAML_SOURCE, "y");
	found(&e, "en-GB", NULL, 5, "");
	found(&e, "", &e.component[0], SUIT_TEXT_VERSION, "1.0");
	found(&e, "en-GB", &e.component[0], SUIT_TEXT_VERSION, "");
	found(&e, "", &e.component[0], SUIT_TEXT_VENDOR_NAME, "v");
	found(&e, "", &d, SUIT_TEXT_CURRENT_VERSION, "9");
	for (int64_t key = 1; key <= 8; key++) {
		char want[2] = { (char)('0' + key), 0 };
		found(&e, "", &e.component[1], key, want);
	}
	struct suit_bytes version = suit_text_version(&e, &e.component[1]);
	is_bytes(version.p, version.n, "6", 1, "the version");
	struct suit_bytes language = suit_text_language(&e, 1);
	is_bytes(language.p, language.n, "en-GB", 5, "the second language");
	is_int((int64_t)suit_text_language(&e, 2).n, 0, "there is no third");
	is_int(suit_envelope_decode(C, suit_data("worked/ab-minimal.suit"), &e), SUIT_OK,
	       "without text");
	found(&e, "", NULL, SUIT_TEXT_MANIFEST, "");
	is_int((int64_t)suit_text_language(&e, 0).n, 0, "no language");
}

/* The draft's own example 2 has all of it. */
static void test_draft(void)
{
	struct suit_envelope e;

	is_int(suit_envelope_decode(C, suit_data("manifest-draft37-es256/example2.signed.cbor"),
				    &e),
	       SUIT_OK, "example 2");
	found(&e, "en-US", &e.component[0], SUIT_TEXT_VENDOR_DOMAIN, "arm.com");
}

static void test_forms(void)
{
	static const struct form {
		const char *bytes;
		size_t n;
		enum suit_rc want;
		const char *name;
	} forms[] = {
#define FORM(bytes, want, name) { bytes, sizeof(bytes) - 1, want, name }
		FORM("\xa1\x62"
		     "en\xa0",
		     SUIT_OK, "a language that says nothing"),
		FORM("\xa1\x62"
		     "en\xa1\x20\x61x",
		     SUIT_OK, "a private key"),
		FORM("\xa1\x62"
		     "en\xa1" A "\xa1\x20\x61x",
		     SUIT_OK, "one of a component"),
		FORM("\xa0", SUIT_MALFORMED, "no language"),
		FORM("\x80", SUIT_MALFORMED, "a list"),
		FORM("\xa1\x62"
		     "en\xa0\x00",
		     SUIT_MALFORMED, "something behind"),
		FORM("\xa1\x01\x61x", SUIT_MALFORMED, "without the layer of languages"),
		FORM("\xa1\x62"
		     "en\xa1\x05\x61x",
		     SUIT_UNKNOWN, "key 5"),
		FORM("\xa1\x62"
		     "en\xa1\x00\x61x",
		     SUIT_UNKNOWN, "key 0"),
		FORM("\xa1\x62"
		     "en\xa1\x01\x01",
		     SUIT_MALFORMED, "a number as text"),
		FORM("\xa1\x62"
		     "en\xa1\x01\x61\xff",
		     SUIT_MALFORMED, "no UTF-8"),
		FORM("\xa1\x62"
		     "en\xa1" A "\xa1\x09\x61x",
		     SUIT_UNKNOWN, "a component's key 9"),
		FORM("\xa1\x62"
		     "en\xa1" A "\x01",
		     SUIT_MALFORMED, "a component's number"),
		FORM("\xa1\x62"
		     "en\xa1\x81\x41"
		     "e\xa0",
		     SUIT_MALFORMED, "a component that is not there"),
		FORM("\xa1\x62"
		     "en\xa2" A "\xa0" A "\xa0",
		     SUIT_MALFORMED, "one twice"),
		FORM("\xa1\x62"
		     "en\xa2\x02\x61x\x01\x61x",
		     SUIT_MALFORMED, "not in order"),
		FORM("\xa2\x62"
		     "en\xa0\x62"
		     "de\xa0",
		     SUIT_MALFORMED, "languages not in order"),
		FORM("\xa1\x68"
		     "abcdefgh\xa0",
		     SUIT_OK, "a part of eight"),
		FORM("\xa1\x69"
		     "abcdefghi\xa0",
		     SUIT_MALFORMED, "a part of nine"),
		FORM("\xa1\x60\xa0", SUIT_MALFORMED, "a language without a name"),
		FORM("\xa1\x63"
		     "en-\xa0",
		     SUIT_MALFORMED, "with a hyphen at its end"),
		FORM("\xa1\x63"
		     "-en\xa0",
		     SUIT_MALFORMED, "or at its beginning"),
		FORM("\xa1\x65"
		     "zh-86\xa0",
		     SUIT_OK, "digits behind"),
		FORM("\xa1\x62"
		     "2n\xa0",
		     SUIT_MALFORMED, "digits in front"),
		FORM("\xa1\x62"
		     "e_\xa0",
		     SUIT_MALFORMED, "another sign"),
	};
	struct suit_envelope e;
	size_t wrong = 0;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		is_int(with_text(forms[i].bytes, forms[i].n, &e), forms[i].want, forms[i].name);
	for (size_t cut = 0; cut < sizeof(good) - 1; cut++)
		wrong += with_text(good, cut, &e) == SUIT_OK;
	is_int((int64_t)wrong, 0, "no truncation is taken");
}

int main(void)
{
	test_get();
	test_draft();
	test_forms();
	return tap_done();
}
