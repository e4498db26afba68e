/* What a manifest holds besides its sequences: dependencies and the indexes they make, its own
 * id, a CoSWID tag, elements by key. */

#include "suit/cbor.h"
#include "tests/tap.h"
#include "tests/unit/suit_data.h"
#include "tests/unit/suit_wrap.h"

#define C (&suit_crypto_openssl)

static uint8_t buf[8192];

struct parts {
	const char *common;
	size_t common_n;
	const char *tail; /* entries behind common */
	size_t tail_n, tail_count;
};
#define COMMON(bytes)      .common = bytes, .common_n = sizeof(bytes) - 1
#define TAIL(count, bytes) .tail = bytes, .tail_n = sizeof(bytes) - 1, .tail_count = count

static enum suit_rc decode(const struct parts *p, struct suit_envelope *e)
{
	uint8_t manifest[4096];
	struct scbor_out o;

	scbor_out_init(&o, manifest, sizeof(manifest));
	scbor_put_map(&o, 3 + p->tail_count);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, 2);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, 3);
	scbor_put_bytes(&o, (struct suit_bytes){ (const uint8_t *)p->common, p->common_n });
	scbor_put_raw(&o, (struct suit_bytes){ (const uint8_t *)p->tail, p->tail_n });
	return suit_envelope_decode(C, suit_wrap(scbor_out_bytes(&o), buf, sizeof(buf)), e);
}

#define ONE                                                                                    \
	"\x02\x81\x81\x41"                                                                     \
	"a" /* components [['a']] */
#define TWO                                                                                    \
	"\x02\x82\x81\x41"                                                                     \
	"a\x81\x41"                                                                            \
	"b" /* [['a'], ['b']] */
#define DEP2                                                                                   \
	"\x01\xa1\x02\xa1\x01\x81\x41"                                                         \
	"d" /* dependencies { 2: { 1: ['d'] } } */

static void test_dependencies(void)
{
	struct parts p = { COMMON("\xa2\x01\xa2\x01\xa0\x03\xa1\x01\x82\x41"
				  "d\x41"
				  "e" ONE) };
	struct suit_component_id id;
	struct suit_envelope e;

	is_int(decode(&p, &e), SUIT_OK, "two dependencies");
	is_int((int64_t)e.dependency_count, 2, "both are kept");
	is_int(e.dependency[0].index, 1, "the first");
	is_int((int64_t)e.dependency[0].prefix.n, 0, "without a prefix");
	is_int(e.dependency[1].index, 3, "the second");
	is_int(suit_component_read(e.dependency[1].prefix, &id), SUIT_OK, "with one");
	ok(id.count == 2 && suit_bytes_equal(id.segment[1], suit_text("e")), "of two segments");
	struct suit_bytes cut = { e.dependency[1].prefix.p, e.dependency[1].prefix.n - 1 };
	is_int(suit_component_read(cut, &id), SUIT_MALFORMED, "cut, it is none");
	cut.n += 2;
	is_int(suit_component_read(cut, &id), SUIT_MALFORMED, "nor with a byte more");
}

static void test_own_id_and_coswid(void)
{
	struct parts p = { COMMON("\xa1" ONE), TAIL(2, "\x05\x82\x41"
						       "m\x40\x0e\x43\xa1\x00\x01") };
	struct suit_element element;
	struct suit_envelope e;

	is_int(decode(&p, &e), SUIT_OK, "its own id, and a CoSWID");
	is_bytes(e.own_id.p, e.own_id.n, "\x82\x41m\x40", 4, "the id is kept");
	is_bytes(e.coswid.p, e.coswid.n, "\xa1\x00\x01", 3, "and the tag");
	is_int(suit_envelope_element(&e, 14, &element), SUIT_OK, "by its key");
	ok(!element.severed && suit_bytes_equal(element.content, e.coswid), "it is the same");
	is_int(suit_envelope_element(&e, 20, &element), SUIT_MISSING, "no install");
	is_int(suit_envelope_element(&e, 5, &element), SUIT_MISSING, "5 is no element");
	p = (struct parts){ COMMON("\xa1" ONE), TAIL(1, "\x0e\x41\x80") };
	is_int(decode(&p, &e), SUIT_MALFORMED, "a CoSWID is a map");
	p = (struct parts){ COMMON("\xa1" ONE), TAIL(1, "\x0e\x45\xa2\x01\x00\x00\x01") };
	is_int(decode(&p, &e), SUIT_OK, "its keys may stand in any order");
	p = (struct parts){ COMMON("\xa1" ONE), TAIL(1, "\x0e\x4c\xa1\x00\x81\x81\x81\x81"
							"\x81\x81\x81\x81\x81\x80") };
	is_int(decode(&p, &e), SUIT_OK, "and it may be as deep as it wants");
	p = (struct parts){ COMMON("\xa1" ONE), TAIL(1, "\x0e\x43\xa1\x00\x81") };
	is_int(decode(&p, &e), SUIT_MALFORMED, "but it is whole");
	p = (struct parts){ COMMON("\xa1" ONE), TAIL(1, "\x0e\x44\xa1\x00\x01\x02") };
	is_int(decode(&p, &e), SUIT_MALFORMED, "and alone");
}

static void test_indexes(void)
{
	static const struct form {
		struct parts p;
		enum suit_rc want;
		const char *name;
	} forms[] = {
#define FORM(common, install, want, name)                                                      \
	{ { COMMON(common), TAIL(1, "\x14" install) }, want, name }
		FORM("\xa1" ONE, "\x43\x82\x03\x0f", SUIT_OK, "one component, not named"),
		FORM("\xa1" TWO, "\x43\x82\x03\x0f", SUIT_MISSING, "two, not named"),
		FORM("\xa1" TWO, "\x45\x84\x0c\x01\x03\x0f", SUIT_OK, "the second"),
		FORM("\xa1" TWO, "\x45\x84\x0c\x02\x03\x0f", SUIT_UNKNOWN, "a third"),
		FORM("\xa1" TWO, "\x45\x84\x0c\xf5\x03\x0f", SUIT_OK, "all"),
		FORM("\xa1" TWO, "\x47\x84\x0c\x82\x00\x01\x03\x0f", SUIT_OK, "both"),
		FORM("\xa1" TWO, "\x47\x84\x0c\x82\x00\x03\x03\x0f", SUIT_UNKNOWN,
		     "one that is not there"),
		FORM("\xa1" TWO, "\x45\x84\x0c\x18\x20\x03\x0f", SUIT_MALFORMED, "cut"),
		FORM("\xa1" TWO, "\x46\x84\x0c\x18\x20\x03\x0f", SUIT_UNKNOWN, "index 32"),
		FORM("\xa1" TWO, "\x4e\x84\x18\x22\xa2\x00\xa1\x0e\x05\x01\xa1\x0e\x05\x03\x0f",
		     SUIT_OK, "both, by override-multiple"),
		FORM("\xa1" TWO, "\x46\x84\x18\x22\xa0\x03\x0f", SUIT_MISSING,
		     "none, by override-multiple"),
		FORM("\xa2" DEP2 ONE, "\x45\x84\x0c\x02\x03\x0f", SUIT_OK, "a dependency"),
		FORM("\xa2" DEP2 ONE, "\x45\x84\x0c\x01\x03\x0f", SUIT_UNKNOWN,
		     "between component and dependency nothing is"),
		FORM("\xa2" DEP2 ONE, "\x43\x82\x03\x0f", SUIT_MISSING,
		     "with a dependency it must be named"),
		FORM("\xa1\x01\xa1\x00\xa0", "\x43\x82\x03\x0f", SUIT_OK,
		     "one dependency as index 0"),
		FORM("\xa1\x01\xa1\x10\xa0", "\x43\x82\x03\x0f", SUIT_TOO_LARGE,
		     "a dependency as index 16"),
		FORM("\xa2\x01\xa1\x01\xa1\x02\x80" ONE, "\x45\x84\x0c\x01\x03\x0f",
		     SUIT_UNKNOWN, "a dependency's key 2"),
		FORM("\xa2\x01\xa2\x02\xa0\x01\xa0" ONE, "\x45\x84\x0c\x01\x03\x0f",
		     SUIT_MALFORMED, "dependencies not in order"),
	};
	struct suit_envelope e;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		is_int(decode(&forms[i].p, &e), forms[i].want, forms[i].name);
}

/* Whoever forgets to look at the result finds nothing. */
static void test_nothing_on_failure(void)
{
	static const struct suit_envelope zeros;
	struct suit_bytes whole = suit_data("worked/ab-severable.suit");
	struct suit_envelope e;
	size_t wrong = 0;

	for (size_t n = 0; n < whole.n; n++) {
		memset(&e, 0xa5, sizeof(e));
		if (suit_envelope_decode(C, (struct suit_bytes){ whole.p, n }, &e) != SUIT_OK)
			wrong += memcmp(&e, &zeros, sizeof(e)) != 0;
	}
	is_int((int64_t)wrong, 0, "nothing is left of an envelope that was refused");
}

int main(void)
{
	test_dependencies();
	test_own_id_and_coswid();
	test_indexes();
	test_nothing_on_failure();
	return tap_done();
}
