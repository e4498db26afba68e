/* All published envelopes: decoded, verified by the key or MAC key that is theirs and by no
 * other, and written again from what was decoded, byte for byte. */

#include "suit/rewrite.h"
#include "tests/tap.h"
#include "tests/unit/suit_reencode.h"
#include "tests/unit/suit_ring.h"

#define C (&suit_crypto_openssl)

enum by { SPEC, ED, DELEGATED, DEVICE, MAC, NOBODY };
static const char *const key_files[] = {
	[SPEC] = "keys/spec-p256-public.pem",
	[ED] = "keys/worked-ed25519-public.pem",
	[DELEGATED] = "keys/libcsuit-delegated_authority_esp256_public.pem",
	[DEVICE] = "keys/libcsuit-device_esp256_public.pem",
};
#define MAC_KEY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct vector {
	const char *file;
	enum by by;
	bool untagged;
} vectors[] = {
#define SPEC37 "manifest-draft37-es256/example"
	{ SPEC37 "0.signed.cbor", SPEC, false },
	{ SPEC37 "0.unsigned.cbor", NOBODY, false },
	{ SPEC37 "1.signed.cbor", SPEC, false },
	{ SPEC37 "1.unsigned.cbor", NOBODY, false },
	{ SPEC37 "2.signed.cbor", SPEC, false },
	{ SPEC37 "2.severed-signed.cbor", SPEC, false },
	{ SPEC37 "2.severed-unsigned.cbor", NOBODY, false },
	{ SPEC37 "3.signed.cbor", SPEC, false },
	{ SPEC37 "3.unsigned.cbor", NOBODY, false },
	{ SPEC37 "4.signed.cbor", SPEC, false },
	{ SPEC37 "4.unsigned.cbor", NOBODY, false },
	{ SPEC37 "5.signed.cbor", SPEC, false },
	{ SPEC37 "5.unsigned.cbor", NOBODY, false },
#define LIBCSUIT "libcsuit/suit_manifest_exp"
	{ LIBCSUIT "0.suit", SPEC, false },
	{ LIBCSUIT "1.suit", SPEC, false },
	{ LIBCSUIT "2A.suit", SPEC, false },
	{ LIBCSUIT "2B.suit", SPEC, false },
	{ LIBCSUIT "3.suit", SPEC, false },
	{ LIBCSUIT "4.suit", SPEC, false },
	{ LIBCSUIT "5.suit", SPEC, false },
	{ LIBCSUIT "U.suit", SPEC, true },
	{ LIBCSUIT "I.suit", SPEC, true },
	{ LIBCSUIT "D.suit", SPEC, true },
	{ LIBCSUIT "AF.suit", MAC, false },
	{ LIBCSUIT "AFS.suit", MAC, false },
	{ LIBCSUIT "AW.suit", MAC, false },
	{ LIBCSUIT "EW.suit", SPEC, false },
	{ LIBCSUIT "ED.suit", SPEC, false },
#define ENCRYPTION "firmware-encryption/suit-manifest-"
	{ ENCRYPTION "aes-kw.cbor", MAC, false },
	{ ENCRYPTION "aes-kw-content.cbor", MAC, false },
	{ ENCRYPTION "aes-kw-slot.cbor", MAC, false },
	{ ENCRYPTION "es-ecdh-content.cbor", SPEC, false },
	{ ENCRYPTION "es-ecdh-dependency.cbor", DELEGATED, false },
	{ "worked/ab-minimal.suit", SPEC, false },
	{ "worked/ab-minimal-ed25519.suit", ED, false },
	{ "worked/ab-minimal-eddsa.suit", ED, false },
	{ "worked/ab-severable.suit", SPEC, false },
	{ "worked/managed.suit", SPEC, false },
	{ "worked/delta-component.suit", SPEC, false },
	{ "worked/delta-custom-directive.suit", SPEC, false },
	{ "worked/encrypted-aeskw-gcm.suit", SPEC, false },
	{ "worked/integrated.suit", SPEC, false },
};

/* What a verifier says that holds one key, or one MAC key. */
static enum suit_rc verdict_by(const struct suit_envelope *e, enum by by)
{
	struct ring ring = { 0 };
	struct suit_verdict v;

	if (by == MAC)
		ring.mac_key = suit_text(MAC_KEY);
	else if (by != NOBODY)
		ring_add(&ring, suit_data_key(key_files[by]));
	enum suit_rc rc = ring_verify(&ring, e, false, &v);
	if (rc == SUIT_OK && v.signatures + v.macs != 1)
		rc = SUIT_CRYPTO; /* never: it counts what it has checked */
	ring_finish(&ring);
	return rc;
}

static void check_keys(const char *name, const struct suit_envelope *e, enum by by)
{
	size_t wrong = 0;

	for (int k = SPEC; k <= NOBODY; k++)
		wrong += (verdict_by(e, (enum by)k) == SUIT_OK) !=
			 (k == (int)by && by != NOBODY);
	tap_ok(wrong == 0, "%s: verified by its own key only", name);
	if (by != MAC)
		return;
	struct ring ring = { .mac_key = suit_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab") };
	struct suit_verdict v;
	is_int(ring_verify(&ring, e, false, &v), SUIT_SIGNATURE, "another MAC key");
}

static void check_again(const char *name, const struct suit_envelope *e)
{
	static uint8_t buf[REENCODE_MAX];
	static const struct suit_change nothing = { 0 };
	size_t n = reencode(e, buf, sizeof(buf));

	tap_ok(n == e->whole.n && memcmp(buf, e->whole.p, n) == 0,
	       "%s: the same bytes from what was decoded", name);
	n = 0;
	memset(buf, 0, sizeof(buf));
	is_int(suit_envelope_rewrite(e, &nothing, buf, sizeof(buf), &n), SUIT_OK, "rewritten");
	is_bytes(buf, n, e->whole.p, e->whole.n, "nothing changed");
}

static enum suit_rc decode(struct suit_bytes bytes, bool untagged, struct suit_envelope *ret)
{
	return untagged ? suit_envelope_decode_untagged(C, bytes, ret)
			: suit_envelope_decode(C, bytes, ret);
}

static void test_vectors(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct suit_bytes bytes = suit_data(v->file);
		struct suit_envelope e;

		enum suit_rc rc = decode(bytes, v->untagged, &e);
		tap_ok(rc == SUIT_OK, "%s: %s", v->file, suit_rc_text(rc));
		if (rc != SUIT_OK)
			continue;
		check_keys(v->file, &e, v->by);
		check_again(v->file, &e);
		is_int(decode(bytes, !v->untagged, &e), SUIT_MALFORMED,
		       "the other door does not open");
	}
}

/* Made by another library: several signatures, P-384, RSA, a MAC beside a signature. */
static void test_other_forms(void)
{
	static const struct {
		const char *file;
		size_t signatures, macs;
	} files[] = { { "cose/sign.suit", 4, 0 },
		      { "cose/p384.suit", 1, 0 },
		      { "cose/rsa.suit", 1, 0 },
		      { "cose/mac-and-sign1.suit", 1, 1 } };
	struct ring ring = { .mac_key = suit_text(MAC_KEY), .mac_kid = suit_text("class") };

	ring_add(&ring, suit_data_key("cose/p256-public.pem"));
	ring_add(&ring, suit_data_key("cose/p384-public.pem"));
	ring_add(&ring, suit_data_key("cose/ed25519-public.pem"));
	ring_add(&ring, suit_data_key("cose/rsa-public.pem"));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct suit_verdict v;
		struct suit_envelope e;
		is_int(suit_envelope_decode(C, suit_data(files[i].file), &e), SUIT_OK,
		       files[i].file);
		is_int(ring_verify(&ring, &e, false, &v), SUIT_OK, "verified");
		ok(v.signatures == files[i].signatures && v.macs == files[i].macs,
		   "every one of them");
		is_int(verdict_by(&e, SPEC), SUIT_UNKNOWN, "by nobody else");
	}
	ring_finish(&ring);
}

/* A dependency inside of an envelope is an envelope with an author of its own. */
static void test_integrated_dependencies(void)
{
	static const char *const outer[] = { LIBCSUIT "ED.suit",
					     ENCRYPTION "es-ecdh-dependency.cbor" };

	for (size_t i = 0; i < 2; i++) {
		struct suit_component_id prefix;
		struct suit_envelope e, inner;

		is_int(suit_envelope_decode(C, suit_data(outer[i]), &e), SUIT_OK, outer[i]);
		is_int((int64_t)e.dependency_count, 1, "one dependency");
		is_int(e.dependency[0].index, 1, "under index 1");
		is_int(suit_component_read(e.dependency[0].prefix, &prefix), SUIT_OK,
		       "with a prefix");
		is_bytes(prefix.segment[0].p, prefix.segment[0].n, "dependency-manifest.suit",
			 24, "its id");
		is_int((int64_t)e.payload_count, 1, "a payload");
		is_int(suit_envelope_decode(C, e.payload[0].content, &inner), SUIT_OK,
		       "which is an envelope");
		is_bytes(inner.own_id.p + 1, 2, "\x58\x18", 2, "its own id, of 24 bytes");
		check_again("the dependency", &inner);
		check_keys("the dependency", &inner, SPEC);
	}
}

/* What is dropped leaves the digest, and so every signature, as it was. */
static void test_sever(void)
{
	static const uint8_t text = 23, both[] = { 20, 23, 16 }, not_severable = 7;
	struct suit_envelope e, less;
	struct suit_element element;
	uint8_t buf[4096];
	size_t n = 0, wanted = 0;

	is_int(suit_envelope_decode(C, suit_data(SPEC37 "2.signed.cbor"), &e), SUIT_OK,
	       "whole");
	is_int(suit_envelope_sever(&e, &text, 1, buf, sizeof(buf), &n), SUIT_OK, "no text");
	is_int(suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &less), SUIT_OK,
	       "decodes");
	ok(!less.text.p && less.section[SUIT_INSTALL].p && !less.severed_away,
	   "only the text is gone");
	is_int(suit_envelope_element(&less, 23, &element), SUIT_OK, "its digest stays");
	ok(element.severed && !element.content.p, "without its content");
	is_int(verdict_by(&less, SPEC), SUIT_OK, "the signature holds");
	is_int(suit_envelope_sever(&e, both, 3, buf, sizeof(buf), &n), SUIT_OK, "nor install");
	struct suit_bytes want = suit_data(SPEC37 "2.severed-signed.cbor");
	struct suit_envelope theirs;
	is_int(suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &less), SUIT_OK,
	       "decodes");
	is_int(suit_envelope_decode(C, want, &theirs), SUIT_OK, "as does the draft's");
	is_int((int64_t)n, (int64_t)want.n, "as long as the draft's");
	is_bytes(less.manifest.p, less.manifest.n, theirs.manifest.p, theirs.manifest.n,
		 "the same manifest");
	ok(less.severed_away, "a section is not there");
	is_int(suit_envelope_sever(&e, &not_severable, 1, buf, sizeof(buf), &n), SUIT_UNKNOWN,
	       "validate cannot be severed");
	is_int(suit_envelope_sever(&e, &text, 1, buf, 10, &wanted), SUIT_NO_SPACE,
	       "too small a buffer");
	is_int((int64_t)wanted, (int64_t)(e.whole.n - e.text.n - 4), "says the size");
}

/* Each in its place, whatever comes first. */
static void test_integrate(void)
{
	static const char *const names[][3] = { { "#a", "img/b", "img/c" },
						{ "img/c", "#a", "img/b" },
						{ "img/b", "img/c", "#a" } };
	struct suit_envelope e, more;
	uint8_t first[4096], buf[2][4096];
	size_t n = 0, wanted = 0;

	for (size_t i = 0; i < 3; i++) {
		is_int(suit_envelope_decode(C, suit_data(SPEC37 "2.signed.cbor"), &e), SUIT_OK,
		       "whole");
		for (size_t k = 0; k < 3; k++) {
			struct suit_bytes name = suit_text(names[i][k]);
			if (suit_envelope_integrate(&e, name, name, buf[k & 1], 4096, &n) ||
			    suit_envelope_decode(C, (struct suit_bytes){ buf[k & 1], n },
						 &more))
				break;
			e = more;
		}
		is_int((int64_t)e.payload_count, 3, "three more, in their order");
		is_int(verdict_by(&e, SPEC), SUIT_OK, "the signature holds");
		if (i == 0)
			memcpy(first, e.whole.p, e.whole.n);
		is_bytes(e.whole.p, e.whole.n, first, e.whole.n, "as ever they came");
	}
	ok(suit_bytes_equal(e.payload[2].content, suit_text("img/c")), "with their contents");
	is_int(suit_envelope_integrate(&e, suit_text("#"), suit_text("x"), buf[0], 10, &wanted),
	       SUIT_NO_SPACE, "too small a buffer");
	is_int((int64_t)wanted, (int64_t)e.whole.n + 4, "says the size");
	is_int(suit_envelope_integrate(&e, suit_text("#a"), suit_text("x"), buf[1], 4096, &n),
	       SUIT_OK, "one that is there");
	ok(suit_envelope_decode(C, (struct suit_bytes){ buf[1], n }, &more) != SUIT_OK,
	   "is not there twice");
}

int main(void)
{
	test_vectors();
	test_other_forms();
	test_integrated_dependencies();
	test_sever();
	test_integrate();
	return tap_done();
}
