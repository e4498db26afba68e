/* COSE messages of the wrapper: every form that we make is read and verified, and what is out
 * of form is refused. */

#include "suit/cbor.h"
#include "tests/tap.h"
#include "tests/unit/suit_ring.h"

#define C (&suit_crypto_openssl)

static struct ring ring; /* P-256, Ed25519, P-384, RSA, and a MAC key */
static struct suit_bytes plain;

static void decode(struct suit_bytes bytes, struct suit_envelope *e)
{
	is_int(suit_envelope_decode(C, bytes, e), SUIT_OK, "decodes");
}

static void test_each_alone(void)
{
	static const size_t sizes[] = { 64, 64, 96, 256 };
	uint8_t buf[2048];
	struct suit_envelope e;

	for (size_t i = 0; i < ring.count; i++) {
		size_t n = ring_sign(&ring, i, 1, plain, buf, sizeof(buf)), held = 0;
		decode((struct suit_bytes){ buf, n }, &e);
		ok(e.block_count == 1 && e.message_count == 1 &&
			   e.block[0].kind == SUIT_BLOCK_SIGN1,
		   "one COSE_Sign1");
		is_int(e.block[0].alg, suit_key_alg(ring.own[i].key), "its algorithm");
		is_int((int64_t)e.block[0].signature.n, (int64_t)sizes[i], "its length");
		for (size_t k = 0; k < ring.count; k++) {
			enum suit_rc rc =
				suit_block_verify(C, &e, &e.block[0], ring.own[k].key);
			held += (rc == SUIT_OK) == (k == i) && (k == i || rc == SUIT_KEY);
		}
		is_int((int64_t)held, (int64_t)ring.count, "verified by its own key only");
		is_int(suit_block_mac(C, &e, &e.block[0], ring.mac_key), SUIT_UNSUPPORTED,
		       "it is no MAC");
		struct suit_block other = e.block[0];
		other.alg = SUIT_ALG_HMAC256;
		is_int(suit_block_verify(C, &e, &other, ring.own[i].key), SUIT_UNSUPPORTED,
		       "nor is that an algorithm to sign with");
	}
}

static void test_one_message_of_several(void)
{
	uint8_t buf[4096];
	struct suit_envelope e;
	size_t n = ring_sign(&ring, 0, 4, plain, buf, sizeof(buf));

	decode((struct suit_bytes){ buf, n }, &e);
	is_int((int64_t)e.message_count, 1, "one message");
	is_int((int64_t)e.block_count, 4, "four signatures");
	for (size_t i = 0; i < 4; i++) {
		is_int(e.block[i].kind, SUIT_BLOCK_SIGN, "of a COSE_Sign");
		is_int(suit_block_verify(C, &e, &e.block[i], ring.own[i].key), SUIT_OK,
		       "which holds");
		struct suit_block alone = e.block[i];
		alone.kind = SUIT_BLOCK_SIGN1;
		is_int(suit_block_verify(C, &e, &alone, ring.own[i].key), SUIT_SIGNATURE,
		       "but not as a COSE_Sign1");
	}
	uint8_t more[8192];
	struct suit_verdict v;
	n = ring_sign(&ring, 0, 4, (struct suit_bytes){ buf, n }, more, sizeof(more));
	decode((struct suit_bytes){ more, n }, &e);
	is_int((int64_t)e.message_count, 2, "a second message");
	is_int(ring_verify(&ring, &e, false, &v), SUIT_OK, "all hold");
	is_int((int64_t)v.signatures, 8, "eight of them");
	struct suit_signer one = { .key = ring.own[0].key, .alg = SUIT_ALG_ESP256 };
	is_int(suit_envelope_cosign(C, &one, 1, &e, buf, sizeof(buf), &n), SUIT_TOO_LARGE,
	       "a ninth is too many");
	is_int(suit_envelope_cosign(C, &one, 0, &e, buf, sizeof(buf), &n), SUIT_MISSING,
	       "nobody signs");
}

static void test_mac(void)
{
	uint8_t buf[2048], two[2048];
	struct suit_envelope e;
	size_t n = ring_mac(&ring, plain, buf, sizeof(buf));

	decode((struct suit_bytes){ buf, n }, &e);
	ok(suit_block_is_mac(&e.block[0]) && e.block[0].alg == SUIT_ALG_HMAC256, "a MAC");
	is_int(suit_block_mac(C, &e, &e.block[0], ring.mac_key), SUIT_OK, "which holds");
	is_int(suit_block_mac(C, &e, &e.block[0], suit_text("another key of sixteen")),
	       SUIT_SIGNATURE, "not by another key");
	is_int(suit_block_mac(C, &e, &e.block[0], suit_text("fifteen bytes..")), SUIT_KEY,
	       "a short key");
	is_int(suit_block_mac(C, &e, &e.block[0], (struct suit_bytes){ 0 }), SUIT_KEY,
	       "no key at all");
	is_int(suit_block_verify(C, &e, &e.block[0], ring.own[0].key), SUIT_UNSUPPORTED,
	       "it is no signature");
	size_t held = 0;
	for (size_t i = 0; i < e.block[0].signature.n; i++) {
		uint8_t *p = (uint8_t *)e.block[0].signature.p + i;
		*p ^= 1;
		held += suit_block_mac(C, &e, &e.block[0], ring.mac_key) != SUIT_SIGNATURE;
		*p ^= 1;
	}
	is_int((int64_t)held, 0, "no byte of it may differ");
	struct suit_block cut = e.block[0];
	cut.signature.n = 16;
	is_int(suit_block_mac(C, &e, &cut, ring.mac_key), SUIT_SIGNATURE, "a short tag");
	is_int(suit_envelope_mac(C, suit_text("short"), ring.mac_kid, &e, two, sizeof(two), &n),
	       SUIT_KEY, "nothing is made with a short key");
}

static void test_certificates(void)
{
	static const uint8_t one[] = { 1, 2, 3 }, two[] = { 4 };
	struct suit_bytes chain[] = { { one, 3 }, { two, 1 } };
	struct suit_signer by = { .key = ring.own[0].key,
				  .alg = SUIT_ALG_ESP256,
				  .certificates = chain };
	uint8_t buf[2048];
	struct suit_envelope e;
	size_t n = 0;

	decode(plain, &e);
	for (by.certificate_count = 1; by.certificate_count <= 2; by.certificate_count++) {
		struct suit_envelope with;
		is_int(suit_envelope_cosign(C, &by, 1, &e, buf, sizeof(buf), &n), SUIT_OK,
		       "with certificates");
		decode((struct suit_bytes){ buf, n }, &with);
		struct suit_bytes got = suit_block_certificate(&with.block[0], 0);
		is_bytes(got.p, got.n, one, 3, "the first");
		got = suit_block_certificate(&with.block[0], 1);
		is_bytes(got.p, got.n, two, by.certificate_count - 1, "the second, if any");
		is_int((int64_t)suit_block_certificate(&with.block[0], 2).n, 0, "no third");
		is_int((int64_t)suit_block_x5t(&with.block[0]).n, 0, "no hash");
		is_int(suit_block_verify(C, &with, &with.block[0], by.key), SUIT_OK, "holds");
	}
	decode((struct suit_bytes){ buf, ring_sign(&ring, 0, 1, plain, buf, sizeof(buf)) }, &e);
	is_int((int64_t)suit_block_certificate(&e.block[0], 0).n, 0, "without certificates");
}

/* An envelope whose wrapper holds this message. */
static enum suit_rc with_message(const void *message, size_t n)
{
	struct suit_bytes m = { message, n };
	uint8_t buf[8192], inside[6144];
	struct suit_envelope e, ret;
	struct scbor_out o, w;

	if (suit_envelope_decode(C, plain, &e) != SUIT_OK)
		abort();
	scbor_out_init(&w, inside, sizeof(inside));
	scbor_put_array(&w, 2);
	scbor_put_bytes(&w, e.digest_encoded);
	scbor_put_bytes(&w, m);
	scbor_out_init(&o, buf, sizeof(buf));
	scbor_put_tag(&o, 107);
	scbor_put_map(&o, 2);
	scbor_put_int(&o, 2);
	scbor_put_bytes(&o, scbor_out_bytes(&w));
	scbor_put_int(&o, 3);
	scbor_put_bytes(&o, e.manifest);
	if (!scbor_out_fits(&o))
		abort();
	return suit_envelope_decode(C, scbor_out_bytes(&o), &ret);
}

#define X8  "12345678"
#define X32 X8 X8 X8 X8
#define X64 X32 X32
#define SIG "\x58\x40" X64

static void test_forms(void)
{
	static const struct form {
		const char *bytes;
		size_t n;
		enum suit_rc want;
		const char *name;
	} forms[] = {
#define FORM(bytes, want, name) { bytes, sizeof(bytes) - 1, want, name }
		FORM("\xd2\x84\x43\xa1\x01\x28\xa0\xf6" SIG, SUIT_OK, "a COSE_Sign1"),
		FORM("\xd2\x84\x43\xa1\x01\x28\xa1\x04\x41k\xf6" SIG, SUIT_OK, "with a kid"),
		FORM("\xd2\x84\x46\xa2\x01\x28\x04\x41k\xa0\xf6" SIG, SUIT_OK,
		     "the kid protected"),
		FORM("\xd2\x84\x46\xa2\x01\x28\x04\x41k\xa1\x04\x41k\xf6" SIG, SUIT_MALFORMED,
		     "a kid twice"),
		FORM("\xd2\x84\x43\xa1\x01\x28\xa1\x04\x40\xf6" SIG, SUIT_MALFORMED,
		     "an empty kid"),
		FORM("\xd2\x84\x43\xa1\x01\x28\xa1\x04\x58\x41" X64 "1\xf6" SIG, SUIT_TOO_LARGE,
		     "a long kid"),
		FORM("\xd2\x84\x40\xa1\x01\x28\xf6" SIG, SUIT_MALFORMED, "nothing protected"),
		FORM("\xd2\x84\x41\xa0\xa1\x01\x28\xf6" SIG, SUIT_UNKNOWN,
		     "the algorithm unprotected"),
		FORM("\xd2\x84\x41\xa0\xa0\xf6" SIG, SUIT_MALFORMED, "no algorithm"),
		FORM("\xd2\x84\x46\xa2\x01\x28\x02\x81\x01\xa0\xf6" SIG, SUIT_UNKNOWN,
		     "critical headers"),
		FORM("\xd2\x84\x46\xa2\x01\x28\x20\x41k\xa0\xf6" SIG, SUIT_UNKNOWN,
		     "a negative label"),
		FORM("\xd2\x84\x45\xa2\x01\x28\x01\x28\xa0\xf6" SIG, SUIT_MALFORMED,
		     "the algorithm twice"),
		FORM("\xd2\x84\x44\xa1\x01\x28\x00\xa0\xf6" SIG, SUIT_MALFORMED,
		     "more behind the header"),
		FORM("\xd2\x84\x43\xa1\x01\x28\xa0\x40" SIG, SUIT_MALFORMED,
		     "a payload, though empty"),
		FORM("\xd2\x83\x43\xa1\x01\x28\xa0\xf6", SUIT_MALFORMED, "no signature"),
		FORM("\xd2\x84\x43\xa1\x01\x28\xa0\xf6" SIG "\x00", SUIT_MALFORMED,
		     "a byte more"),
		FORM("\x84\x43\xa1\x01\x28\xa0\xf6" SIG, SUIT_MALFORMED, "no tag"),
		FORM("\xd3\x84\x43\xa1\x01\x28\xa0\xf6" SIG, SUIT_MALFORMED, "another tag"),
		FORM("\xd1\x84\x43\xa1\x01\x05\xa0\xf6\x58\x20" X32, SUIT_OK, "a COSE_Mac0"),
		FORM("\xd8\x61\x85\x43\xa1\x01\x05\xa0\xf6\x58\x20" X32 "\x80",
		     SUIT_UNSUPPORTED, "a COSE_Mac"),
		FORM("\xd8\x62\x84\x40\xa0\xf6\x81\x83\x43\xa1\x01\x28\xa0" SIG, SUIT_OK,
		     "a COSE_Sign"),
		FORM("\xd8\x62\x84\x40\xa0\xf6\x80", SUIT_MALFORMED, "one without signatures"),
		FORM("\xd8\x62\x84\x41\xa0\xa0\xf6\x81\x83\x43\xa1\x01\x28\xa0" SIG,
		     SUIT_MALFORMED, "an empty header that is not left out"),
		FORM("\xd8\x62\x84\x43\xa1\x01\x28\xa0\xf6\x81\x83\x43\xa1\x01\x28\xa0" SIG,
		     SUIT_MALFORMED, "an algorithm of the body"),
		FORM("\xd8\x62\x84\x40\xa1\x04\x41k\xf6\x81\x83\x43\xa1\x01\x28\xa0" SIG,
		     SUIT_MALFORMED, "a kid of the body"),
		FORM("\xd8\x62\x84\x40\xa0\xf6\x81\x84\x43\xa1\x01\x28\xa0\xf6" SIG,
		     SUIT_MALFORMED, "a signature of four parts"),
#define CHAIN(value) "\xd2\x84\x43\xa1\x01\x28\xa1\x18\x21" value "\xf6" SIG
		FORM(CHAIN("\x41x"), SUIT_OK, "one certificate"),
		FORM(CHAIN("\x82\x41x\x41y"), SUIT_OK, "two certificates"),
		FORM(CHAIN("\x81\x41x"), SUIT_MALFORMED, "an array of one"),
		FORM(CHAIN("\x80"), SUIT_MALFORMED, "an array of none"),
		FORM(CHAIN("\x40"), SUIT_MALFORMED, "an empty certificate"),
		FORM(CHAIN("\x82\x41x\x40"), SUIT_MALFORMED, "an empty one behind"),
		FORM(CHAIN("\x85\x41x\x41x\x41x\x41x\x41x"), SUIT_MALFORMED,
		     "five certificates"),
		FORM(CHAIN("\x82\x41x\x61y"), SUIT_MALFORMED, "text as a certificate"),
#define X5T(value) "\xd2\x84\x43\xa1\x01\x28\xa1\x18\x22" value "\xf6" SIG
		FORM(X5T("\x82\x2f\x58\x20" X32), SUIT_OK, "a certificate's hash"),
		FORM(X5T("\x82\x2f\x48" X8), SUIT_MALFORMED, "a short one"),
		FORM(X5T("\x82\x2f\x40"), SUIT_MALFORMED, "an empty one"),
		FORM(X5T("\x82\x2e\x48" X8), SUIT_UNSUPPORTED, "of another algorithm"),
		FORM(X5T("\x81\x2f"), SUIT_MALFORMED, "none"),
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		is_int(with_message(forms[i].bytes, forms[i].n), forms[i].want, forms[i].name);
}

/* A message that starts with `head` and ends with a string of n bytes. */
static enum suit_rc with_string(const char *head, size_t head_n, size_t n, const char *tail,
				size_t tail_n)
{
	static const uint8_t zeros[5000];
	uint8_t buf[6000];
	struct scbor_out o;

	scbor_out_init(&o, buf, sizeof(buf));
	scbor_put_raw(&o, (struct suit_bytes){ (const uint8_t *)head, head_n });
	scbor_put_bytes(&o, (struct suit_bytes){ zeros, n });
	scbor_put_raw(&o, (struct suit_bytes){ (const uint8_t *)tail, tail_n });
	return with_message(buf, o.n);
}

static void test_limits(void)
{
	static const char sign[] = "\xd2\x84\x43\xa1\x01\x28\xa0\xf6";
	static const char chain[] = "\xd2\x84\x43\xa1\x01\x28\xa1\x18\x21";
	static const char tail[] = "\xf6\x41x";

	is_int(with_string(sign, sizeof(sign) - 1, SUIT_SIGNATURE_MAX, NULL, 0), SUIT_OK,
	       "the longest signature");
	is_int(with_string(sign, sizeof(sign) - 1, SUIT_SIGNATURE_MAX + 1, NULL, 0),
	       SUIT_TOO_LARGE, "one longer");
	is_int(with_string(chain, sizeof(chain) - 1, SUIT_CERT_MAX, tail, 3), SUIT_OK,
	       "the longest certificate");
	is_int(with_string(chain, sizeof(chain) - 1, SUIT_CERT_MAX + 1, tail, 3),
	       SUIT_TOO_LARGE, "one longer");
}

/* A signature can be added to TEEP's form too, and it stays what it is. */
static void test_untagged(void)
{
	struct suit_envelope e, again;
	struct suit_verdict v;
	uint8_t buf[2048];
	size_t n = 0;

	is_int(suit_envelope_decode_untagged(C, suit_data("libcsuit/suit_manifest_expU.suit"),
					     &e),
	       SUIT_OK, "TEEP's");
	is_int(suit_envelope_sign(C, ring.own[0].key, SUIT_ALG_ESP256, ring_kid(&ring, 0), &e,
				  buf, sizeof(buf), &n),
	       SUIT_OK, "signed");
	is_int(suit_envelope_decode_untagged(C, (struct suit_bytes){ buf, n }, &again), SUIT_OK,
	       "still without its tag");
	is_int(suit_block_verify(C, &again, &again.block[1], ring.own[0].key), SUIT_OK,
	       "holds");
	is_int(ring_verify(&ring, &again, true, &v), SUIT_SIGNATURE,
	       "the other names nobody, and is by none of ours");
}

/* SHA-256 of "abc" (FIPS 180-2), as the hash of a certificate. */
static void test_names(void)
{
	static const uint8_t header[] = { 0xa1, 0x18, 0x22, 0x82, 0x2f, 0x58, 0x20, 0xba,
					  0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41,
					  0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0,
					  0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4,
					  0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
	static const uint8_t alg[] = { 0xa1, 0x01, 0x28 };
	struct suit_block block = { .protected_ = { alg, sizeof(alg) },
				    .unprotected = { header, sizeof(header) } };

	ok(suit_block_names(C, &block, suit_text("abc")), "the certificate it names");
	ok(!suit_block_names(C, &block, suit_text("abd")), "another one");
	block.unprotected = (struct suit_bytes){ (const uint8_t *)"\xa0", 1 };
	ok(!suit_block_names(C, &block, suit_text("abc")), "it names none");
}

/* A COSE_Sign1 with its payload inside, by each kind of key: every bit of it counts. */
static void test_attached(void)
{
	struct suit_bytes payload = suit_text("what a device says"), got = { 0 };
	uint8_t buf[1024];
	size_t n = 0, taken = 0;
	struct suit_block block;

	for (size_t i = 0; i < ring.count; i++) {
		struct suit_signer by = { .key = ring.own[i].key,
					  .alg = suit_key_alg(ring.own[i].key) };
		ok(suit_sign1(C, &by, payload, buf, sizeof(buf), &n) == SUIT_OK, "signed");
		is_int(suit_block_attached((struct suit_bytes){ buf, n }, &block, &got),
		       SUIT_OK, "and read");
		ok(suit_bytes_equal(got, payload) && block.kid.n == 0, "as it was");
		is_int(suit_signature_verify(C, &block, got, by.key), SUIT_OK, "it holds");
		const struct suit_key *other = ring.own[(i + 1) % ring.count].key;
		is_int(suit_signature_verify(C, &block, got, other), SUIT_KEY, "by this key");
		taken = 0;
		for (size_t bit = 0; bit < 8 * n; bit++) {
			buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
			taken += suit_block_attached((struct suit_bytes){ buf, n }, &block,
						     &got) == SUIT_OK &&
				 suit_signature_verify(C, &block, got, by.key) == SUIT_OK;
			buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		ok(taken == 0, "%zu flips, %zu taken", 8 * n, taken);
		for (size_t cut = 0; cut < n; cut++)
			taken += suit_block_attached((struct suit_bytes){ buf, cut }, &block,
						     &got) == SUIT_OK;
		ok(taken == 0, "%zu truncations, %zu taken", n, taken);
		is_int(suit_sign1(C, &by, payload, buf, n - 1, &n), SUIT_NO_SPACE, "no room");
	}
	struct suit_signer by = { .key = ring.own[0].key,
				  .alg = suit_key_alg(ring.own[0].key),
				  .kid = ring_kid(&ring, 0) };
	ok(suit_sign1(C, &by, payload, buf, sizeof(buf), &n) == SUIT_OK &&
		   suit_block_attached((struct suit_bytes){ buf, n }, &block, &got) ==
			   SUIT_OK &&
		   suit_bytes_equal(block.kid, by.kid),
	   "with a key id");
}

int main(void)
{
	ring.mac_key = suit_text("a key of a class");
	ring.mac_kid = suit_text("class");
	ring_make(&ring, SUIT_KEY_P256);
	ring_make(&ring, SUIT_KEY_ED25519);
	ring_make(&ring, SUIT_KEY_P384);
	ring_make(&ring, SUIT_KEY_RSA);
	plain = ring_plain();
	test_each_alone();
	test_one_message_of_several();
	test_mac();
	test_certificates();
	test_forms();
	test_limits();
	test_untagged();
	test_names();
	test_attached();
	ring_finish(&ring);
	return tap_done();
}
