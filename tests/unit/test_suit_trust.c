/* The rule about an envelope as a whole: who is known must hold, and somebody known must be
 * there. */

#include "tests/tap.h"
#include "tests/unit/suit_ring.h"

#define C (&suit_crypto_openssl)

static struct ring authors, strangers;
static struct suit_bytes plain;

static void judge(const char *what, struct ring *r, struct suit_bytes bytes, bool pass_unknown,
		  enum suit_rc want, struct suit_verdict want_verdict)
{
	struct suit_envelope e;
	struct suit_verdict v;

	is_int(suit_envelope_decode(C, bytes, &e), SUIT_OK, what);
	enum suit_rc rc = ring_verify(r, &e, pass_unknown, &v);
	tap_ok(rc == want, "%s: %s", what, suit_rc_text(rc));
	is_bytes(&v, sizeof(v), &want_verdict, sizeof(want_verdict), "and this was found");
}

static void test_policy(void)
{
	static uint8_t a[2048], b[4096], m[4096];
	struct ring nobody = { 0 };
	struct suit_bytes none = plain;
	struct suit_bytes one = { a, ring_sign(&authors, 0, 1, plain, a, sizeof(a)) };
	struct suit_bytes two = { b, ring_sign(&strangers, 0, 1, one, b, sizeof(b)) };
	struct suit_bytes mac = { m, ring_mac(&strangers, one, m, sizeof(m)) };

	judge("unsigned", &authors, none, true, SUIT_MISSING, (struct suit_verdict){ 0 });
	judge("an author's", &authors, one, false, SUIT_OK,
	      (struct suit_verdict){ .signatures = 1, .failed = 1 });
	judge("a stranger's", &strangers, one, false, SUIT_UNKNOWN,
	      (struct suit_verdict){ .unknown = 1 });
	judge("passed over, but nobody is left", &strangers, one, true, SUIT_MISSING,
	      (struct suit_verdict){ .unknown = 1, .failed = 1 });
	judge("without keys", &nobody, one, true, SUIT_MISSING,
	      (struct suit_verdict){ .unknown = 1, .failed = 1 });
	judge("an author's and a stranger's", &authors, two, false, SUIT_UNKNOWN,
	      (struct suit_verdict){ .signatures = 1, .unknown = 1, .failed = 1 });
	judge("the stranger's passed over", &authors, two, true, SUIT_OK,
	      (struct suit_verdict){ .signatures = 1, .unknown = 1, .failed = 2 });
	judge("a MAC, which no key is held for", &authors, mac, false, SUIT_OK,
	      (struct suit_verdict){ .signatures = 1, .macs_unread = 1, .failed = 2 });
	judge("a MAC alone suffices who holds its key", &strangers, mac, true, SUIT_OK,
	      (struct suit_verdict){ .macs = 1, .unknown = 1, .failed = 2 });
	struct ring both = authors;
	both.mac_key = strangers.mac_key;
	both.mac_kid = strangers.mac_kid;
	judge("signature and MAC", &both, mac, false, SUIT_OK,
	      (struct suit_verdict){ .signatures = 1, .macs = 1, .failed = 2 });
	both.mac_key = suit_text("another key of 16 bytes");
	judge("a MAC that does not hold", &both, mac, true, SUIT_SIGNATURE,
	      (struct suit_verdict){ .signatures = 1, .failed = 1 });
	both.mac_kid = suit_text("another class");
	judge("a MAC of another class", &both, mac, false, SUIT_UNKNOWN,
	      (struct suit_verdict){ .signatures = 1, .unknown = 1, .failed = 1 });
}

/* One bad signature of a known key spoils the rest, wherever it stands. */
static void test_every_known_must_hold(void)
{
	uint8_t buf[4096];
	struct suit_envelope e;
	struct suit_verdict v;
	size_t n = ring_sign(&authors, 0, 2, plain, buf, sizeof(buf));

	for (size_t i = 0; i < 2; i++) {
		is_int(suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &e), SUIT_OK,
		       "two authors");
		uint8_t *last = (uint8_t *)e.block[i].signature.p + e.block[i].signature.n - 1;
		*last ^= 1;
		is_int(ring_verify(&authors, &e, true, &v), SUIT_SIGNATURE, "one is wrong");
		is_int((int64_t)v.failed, (int64_t)i, "this one");
		is_int((int64_t)v.signatures, (int64_t)i, "after those that hold");
		*last ^= 1;
	}
	is_int(ring_verify(&authors, &e, false, &v), SUIT_OK, "both hold");
}

/* Two keys may have one id: it is a short hash. */
static const struct suit_key *any_of_two(void *arg, const struct suit_block *block, size_t nth)
{
	const struct ring *r = arg;

	(void)block;
	return nth < 2 ? r->own[nth].key : NULL;
}

static void test_several_candidates(void)
{
	struct suit_trust trust = { .key = any_of_two, .arg = &authors };
	uint8_t buf[2048];
	struct suit_envelope e;
	struct suit_verdict v;

	for (size_t i = 0; i < 2; i++) {
		size_t n = ring_sign(&authors, i, 1, plain, buf, sizeof(buf));
		is_int(suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &e), SUIT_OK,
		       "signed");
		is_int(suit_envelope_verify(C, &e, &trust, &v), SUIT_OK, "by either");
	}
	size_t n = ring_sign(&strangers, 0, 1, plain, buf, sizeof(buf));
	is_int(suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &e), SUIT_OK, "signed");
	is_int(suit_envelope_verify(C, &e, &trust, &v), SUIT_SIGNATURE, "by neither");
}

int main(void)
{
	strangers.mac_key = suit_text("a key of a class");
	strangers.mac_kid = suit_text("class");
	ring_make(&authors, SUIT_KEY_P256);
	ring_make(&authors, SUIT_KEY_P256);
	ring_make(&strangers, SUIT_KEY_P256);
	plain = ring_plain();
	test_policy();
	test_every_known_must_hold();
	test_several_candidates();
	ring_finish(&authors);
	ring_finish(&strangers);
	return tap_done();
}
