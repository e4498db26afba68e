/* What the agent makes of envelopes: each single bit of one that it would take, and each way to
 * sign one wrongly. */

#include "agent/verify.h"

#include "suit/build.h"
#include "suit/cose.h"
#include "suit/ids.h"
#include "tests/tap.h"
#include "tests/unit/suit_certs.h"
#include "tests/unit/suit_data.h"

#include <openssl/pem.h>
#include <time.h>
#include <unistd.h>

#define C        (&suit_crypto_openssl)
#define SEQUENCE 7

static struct verify verify;

static size_t make(const struct suit_key *key, uint8_t *buf, size_t size)
{
	static const char uri[] =
		"img/0000000000000000000000000000000000000000000000000000000000000000";
	struct suit_build in = { .sequence = SEQUENCE,
				 .vendor_id = verify.can.vendor_id,
				 .class_id = verify.can.class_id,
				 .image_count = 1,
				 .text_version = suit_text("2.0") };
	uint8_t plain[2048], kid[SUIT_KID_SIZE];
	struct suit_envelope e;
	size_t n = 0;

	in.component.segment[0] = suit_text("main");
	in.component.count = 1;
	in.image[0] = (struct suit_build_image){ .size = 1000, .uri = suit_text(uri) };
	if (!key && suit_build(C, &in, buf, size, &n) == SUIT_OK)
		return n; /* not signed yet */
	if (suit_build(C, &in, plain, sizeof(plain), &n) != SUIT_OK ||
	    suit_envelope_decode(C, (struct suit_bytes){ plain, n }, &e) != SUIT_OK ||
	    suit_key_kid(key, kid) != SUIT_OK ||
	    suit_envelope_sign(C, key, suit_key_alg(key),
			       (struct suit_bytes){ kid, sizeof(kid) }, &e, buf, size,
			       &n) != SUIT_OK)
		abort();
	return n;
}

static enum proto_cause judge(const uint8_t *p, size_t n)
{
	struct facts facts = { .sequence = SEQUENCE - 1, .version = "1.0", .count = 1 };
	struct update update = { 0 };
	struct platform_result result;

	facts.part[0] = (struct part){ .name = "main", .slot = 1, .has = true };
	return verify_envelope(&verify, (struct suit_bytes){ p, n }, &facts, &update,
			       &result) == SUIT_OK
		       ? PROTO_CAUSE_NONE
		       : result.cause;
}

static void test_A01_agent_refuses_every_flipped_bit(const struct suit_key *key,
						     const char *kind)
{
	uint8_t buf[4096];
	size_t n = make(key, buf, sizeof(buf)), taken = 0;

	is_int(judge(buf, n), PROTO_CAUSE_NONE, "whole, it is taken");
	for (size_t bit = 0; bit < 8 * n; bit++) {
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (judge(buf, n) == PROTO_CAUSE_NONE)
			printf("# bit %zu of byte %zu\n", bit % 8, bit / 8), taken++;
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	ok(taken == 0, "%s: %zu flips, %zu taken", kind, 8 * n, taken);
	for (size_t cut = 0; cut < n; cut++)
		taken += judge(buf, cut) == PROTO_CAUSE_NONE;
	ok(taken == 0, "%s: %zu truncations, %zu taken", kind, n, taken);
}

static void test_A01_agent_trusts_its_anchors_alone(const struct suit_key *anchor)
{
	struct suit_key *stranger = NULL;
	uint8_t buf[4096];

	if (suit_key_generate(SUIT_KEY_P256, &stranger) != SUIT_OK)
		abort();
	size_t n = make(stranger, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "a stranger's signature");
	suit_key_free(stranger);
	n = make(anchor, buf, sizeof(buf));
	verify.author.key_count = 0;
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "without anchors nothing is taken");
	verify.author.key_count = 1;
}

static enum platform_signer nobody(const void *arg, const struct suit_envelope *e)
{
	(void)arg;
	(void)e;
	return PLATFORM_NOBODY;
}

/* The platform asks again who signed before it works: a certificate may have ended since the
 * envelope was looked at, and nobody's manifest is no author's. */
static void test_A01_agent_asks_again_who_signed(const struct suit_key *anchor)
{
	struct facts facts = { .sequence = SEQUENCE - 1, .version = "1.0", .count = 1 };
	struct ability ability = verify.can;
	struct platform_result result;
	struct update update = { 0 };
	struct suit_envelope e;
	uint8_t buf[4096];

	facts.part[0] = (struct part){ .name = "main", .slot = 1, .has = true };
	size_t n = make(anchor, buf, sizeof(buf));
	if (suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &e) != SUIT_OK)
		abort();
	is_int(platform_look(&ability, &facts, &e, &update, &result), SUIT_OK, "as it is");
	ability.signer = nobody;
	is_int(platform_look(&ability, &facts, &e, &update, &result), SUIT_SIGNATURE,
	       "by nobody any more");
	is_int(result.cause, PROTO_CAUSE_SIGNATURE, "and that is told");
}

/* Another author's signature neither helps nor harms; a broken one of an anchor does harm, even
 * beside a good one. */
static void test_A01_agent_and_several_signatures(const struct suit_key *anchor)
{
	struct suit_key *stranger = NULL;
	uint8_t one[4096], two[4096], kid[SUIT_KID_SIZE];
	struct suit_envelope e;

	if (suit_key_generate(SUIT_KEY_P256, &stranger) != SUIT_OK ||
	    suit_key_kid(anchor, kid) != SUIT_OK)
		abort();
	size_t n = make(stranger, one, sizeof(one));
	if (suit_envelope_decode(C, (struct suit_bytes){ one, n }, &e) != SUIT_OK ||
	    suit_envelope_sign(C, anchor, suit_key_alg(anchor),
			       (struct suit_bytes){ kid, sizeof(kid) }, &e, two, sizeof(two),
			       &n) != SUIT_OK)
		abort();
	is_int(judge(two, n), PROTO_CAUSE_NONE, "a stranger's beside an anchor's");
	if (suit_envelope_decode(C, (struct suit_bytes){ two, n }, &e) != SUIT_OK ||
	    suit_envelope_sign(C, stranger, suit_key_alg(stranger),
			       (struct suit_bytes){ kid, sizeof(kid) }, &e, one, sizeof(one),
			       &n) != SUIT_OK)
		abort();
	is_int(judge(one, n), PROTO_CAUSE_SIGNATURE,
	       "a third that only claims to be the anchor's");
	suit_key_free(stranger);
}

static size_t sign_unnamed(const struct suit_key *key, uint8_t *buf, size_t size)
{
	uint8_t plain[4096];
	struct suit_envelope e;
	struct suit_bytes bare = { plain, make(NULL, plain, sizeof(plain)) }, no_kid = { 0 };
	size_t n = 0;

	if (suit_envelope_decode(C, bare, &e) != SUIT_OK ||
	    suit_envelope_sign(C, key, suit_key_alg(key), no_kid, &e, buf, size, &n) != SUIT_OK)
		abort();
	return n;
}

/* A signature that names no key is an author's or nobody's: a device that knows a delegate
 * takes it as one that knows none does. */
static void test_A01_agent_and_signatures_without_a_name(const struct suit_key *anchor)
{
	struct suit_key *delegate = NULL;
	uint8_t buf[4096];

	if (suit_key_generate(SUIT_KEY_P256, &delegate) != SUIT_OK)
		abort();
	size_t n = sign_unnamed(anchor, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_NONE, "an author's that names no key");
	verify.delegate.key[0] = delegate;
	verify.delegate.key_count = 1;
	is_int(judge(buf, n), PROTO_CAUSE_NONE, "also where there is a delegate");
	n = sign_unnamed(delegate, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "a delegate's is nobody's");
	verify.delegate.key_count = 0;
	suit_key_free(delegate);
}

/* --- authors by certificate --------------------------------------------------------------- */

static struct suit_key *private_key(EVP_PKEY *pkey)
{
	BIO *pem = BIO_new(BIO_s_mem());
	struct suit_key *key = NULL;
	uint8_t *p = NULL;

	if (PEM_write_bio_PKCS8PrivateKey(pem, pkey, NULL, NULL, 0, NULL, NULL) != 1)
		abort();
	size_t n = (size_t)BIO_get_mem_data(pem, &p);
	if (suit_key_from_private_pem((struct suit_bytes){ p, n }, NULL, &key) != SUIT_OK)
		abort();
	BIO_free(pem);
	return key;
}

static void pem_file(const char *path, X509 *x)
{
	FILE *f = fopen(path, "we");

	if (!f || PEM_write_X509(f, x) != 1 || fclose(f) != 0)
		abort();
}

/* The agent asks its own clock, so the certificates are valid around now. */
static EVP_PKEY *certify(struct made *m, struct made *by, const char *name, int64_t until)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

	certificate_make(m, by, pkey,
			 &(struct wish){ name, by ? "critical,digitalSignature" : "keyCertSign",
					 by == NULL, EVP_sha256(), until });
	return pkey;
}

static size_t certified(const struct made *author, struct suit_bytes kid, uint8_t *buf,
			size_t size)
{
	struct suit_key *key = private_key(author->pkey);
	struct suit_signer by = { .key = key,
				  .alg = SUIT_ALG_ESP256,
				  .kid = kid,
				  .certificates = &author->bytes,
				  .certificate_count = 1 };
	uint8_t signed_[4096];
	struct suit_envelope e;
	struct suit_bytes plain = { signed_, make(NULL, signed_, sizeof(signed_)) };
	size_t n = 0;

	if (suit_envelope_decode(C, plain, &e) != SUIT_OK ||
	    suit_envelope_cosign(C, &by, 1, &e, buf, size, &n) != SUIT_OK)
		abort();
	suit_key_free(key);
	return n;
}

static void test_A01_agent_and_certificates(void)
{
	static char path[1][256] = { "/tmp/test_agent_verify.XXXXXX" };
	struct made root, other, author, expired, foreign;
	struct suit_bytes no_kid = { 0 }, some_kid = suit_text("somebody");
	int64_t now = time(NULL);
	uint8_t buf[4096];
	size_t bad = 0, taken = 0;
	int fd = mkstemp(path[0]);

	certify(&root, NULL, "root", now + 10 * DAY);
	certify(&other, NULL, "other root", now + 10 * DAY);
	certify(&author, &root, "author", now + DAY);
	certify(&expired, &root, "expired author", now - 10);
	certify(&foreign, &other, "foreign", now + DAY);
	pem_file(path[0], root.x);
	ok(fd >= 0 && verify_anchors(&verify.author, (const char(*)[256])path, 1, &bad),
	   "an authority as anchor");
	ok(verify.author.authority_count == 1 && verify.author.key_count == 0, "is no key");
	size_t n = certified(&author, no_kid, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_NONE, "an author it answers for");
	for (size_t bit = 0; bit < 8 * n; bit++) {
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
		taken += judge(buf, n) == PROTO_CAUSE_NONE;
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	ok(taken == 0, "%zu flips, %zu taken", 8 * n, taken);
	n = certified(&author, some_kid, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "under another's key id");
	n = certified(&expired, no_kid, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "an expired certificate");
	n = certified(&foreign, no_kid, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "of another authority");
	verify_finish(&verify);
	n = certified(&author, no_kid, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "without the authority");

	/* A device that knows the key itself needs no authority. */
	uint8_t kid[SUIT_KID_SIZE];
	verify.author.key[0] = private_key(author.pkey);
	verify.author.key_count = 1;
	if (suit_key_kid(verify.author.key[0], kid) != SUIT_OK)
		abort();
	n = certified(&author, (struct suit_bytes){ kid, sizeof(kid) }, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_NONE, "a certificate beside the id of a known key");
	n = certified(&foreign, no_kid, buf, sizeof(buf));
	struct suit_envelope e;
	uint8_t both[8192];
	if (suit_envelope_decode(C, (struct suit_bytes){ buf, n }, &e) != SUIT_OK ||
	    suit_envelope_sign(C, verify.author.key[0], SUIT_ALG_ESP256,
			       (struct suit_bytes){ kid, sizeof(kid) }, &e, both, sizeof(both),
			       &n) != SUIT_OK)
		abort();
	is_int(judge(both, n), PROTO_CAUSE_NONE, "a foreign certificate is by nobody known");
	verify_finish(&verify);
	certificate_finish(&root);
	certificate_finish(&other);
	certificate_finish(&author);
	certificate_finish(&expired);
	certificate_finish(&foreign);
	close(fd);
	unlink(path[0]);
}

/* --- MACs --------------------------------------------------------------------------------- */

static void hold_mac_key(uint8_t fill, const char *id)
{
	verify.mac = (struct shared_key){ .n = 32, .id_n = strlen(id) };
	memset(verify.mac.b, fill, verify.mac.n);
	memcpy(verify.mac.id, id, verify.mac.id_n);
}

/* One MAC more, by the key that is held now. */
static size_t mac(struct suit_bytes envelope, uint8_t *buf, size_t size)
{
	struct suit_bytes key = { verify.mac.b, verify.mac.n },
			  id = { verify.mac.id, verify.mac.id_n };
	struct suit_envelope e;
	size_t n = 0;

	if (suit_envelope_decode(C, envelope, &e) != SUIT_OK ||
	    suit_envelope_mac(C, key, id, &e, buf, size, &n) != SUIT_OK)
		abort();
	return n;
}

static size_t flips_taken(uint8_t *buf, size_t n)
{
	size_t taken = 0;

	for (size_t bit = 0; bit < 8 * n; bit++) {
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
		taken += judge(buf, n) == PROTO_CAUSE_NONE;
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	return taken;
}

static void test_A01_agent_believes_macs(void)
{
	uint8_t plain[4096], buf[4096];
	struct suit_bytes unsigned_ = { plain, make(NULL, plain, sizeof(plain)) };

	hold_mac_key(1, "class-1");
	is_int(judge(plain, unsigned_.n), PROTO_CAUSE_SIGNATURE, "neither MAC nor signature");
	size_t n = mac(unsigned_, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_NONE, "a MAC by the key that is held");
	size_t taken = flips_taken(buf, n);
	ok(taken == 0, "MAC: %zu flips, %zu taken", 8 * n, taken);
	hold_mac_key(2, "class-1");
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "by another key of this name");
	hold_mac_key(1, "class-2");
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "by the key of another name");
	hold_mac_key(1, "");
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "named, and the device knows no name");
	n = mac(unsigned_, buf, sizeof(buf));
	is_int(judge(buf, n), PROTO_CAUSE_NONE, "without a name");
	hold_mac_key(1, "class-1");
	is_int(judge(buf, n), PROTO_CAUSE_NONE, "without a name, and the device knows one");
	verify_finish(&verify);
	is_int(judge(buf, n), PROTO_CAUSE_SIGNATURE, "without the key");
}

static void test_A01_agent_wants_signatures_beside_macs(void)
{
	uint8_t one[4096], both[4096];
	struct suit_key *anchor = NULL;

	if (suit_key_generate(SUIT_KEY_P256, &anchor) != SUIT_OK)
		abort();
	hold_mac_key(1, "class-1");
	verify.author.key[0] = anchor;
	verify.author.key_count = 1;
	struct suit_bytes alone = { one, make(NULL, one, sizeof(one)) };
	size_t n = mac(alone, both, sizeof(both));
	is_int(judge(both, n), PROTO_CAUSE_SIGNATURE, "a MAC alone, where there is an anchor");
	struct suit_bytes signed_ = { one, make(anchor, one, sizeof(one)) };
	n = mac(signed_, both, sizeof(both));
	is_int(judge(both, n), PROTO_CAUSE_NONE, "a MAC beside a signature");
	hold_mac_key(2, "class-1");
	is_int(judge(both, n), PROTO_CAUSE_SIGNATURE, "a wrong MAC beside a good signature");
	hold_mac_key(2, "class-2");
	is_int(judge(both, n), PROTO_CAUSE_NONE, "another's MAC beside a good signature");
	hold_mac_key(1, "class-1");
	verify.author.key_count = 0;
	is_int(judge(both, n), PROTO_CAUSE_NONE,
	       "no anchor: the MAC, and a stranger's signature");
	suit_key_free(anchor);
	verify_finish(&verify);
}

int main(void)
{
	static const enum suit_key_type types[] = { SUIT_KEY_P256, SUIT_KEY_ED25519,
						    SUIT_KEY_P384, SUIT_KEY_RSA };

	verify = (struct verify){ .can = { .crypto = C, .image_max = 4096 } };
	if (suit_vendor_id(C, "example.com", &verify.can.vendor_id) != SUIT_OK ||
	    suit_class_id(C, &verify.can.vendor_id, "lamp", &verify.can.class_id) != SUIT_OK)
		abort();
	for (int i = 0; i < 4; i++) {
		struct suit_key *key = NULL;
		if (suit_key_generate(types[i], &key) != SUIT_OK)
			abort();
		verify.author.key[0] = key;
		verify.author.key_count = 1;
		test_A01_agent_refuses_every_flipped_bit(key, suit_key_type_text(types[i]));
		test_A01_agent_trusts_its_anchors_alone(key);
		test_A01_agent_asks_again_who_signed(key);
		test_A01_agent_and_several_signatures(key);
		test_A01_agent_and_signatures_without_a_name(key);
		suit_key_free(key);
	}
	verify.author.key_count = 0;
	test_A01_agent_and_certificates();
	test_A01_agent_believes_macs();
	test_A01_agent_wants_signatures_beside_macs();
	return tap_done();
}
