/* Author's keys out of certificates: a chain to an anchor, its times, its usage. */

#include "tests/tap.h"
#include "tests/unit/suit_certs.h"
#include "tests/unit/suit_data.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static struct made root, stranger, middle, leaf;

static enum suit_rc take(size_t count, const struct made *anchor, int64_t now)
{
	struct suit_bytes chain[] = { leaf.bytes, middle.bytes, root.bytes };
	struct suit_key *key = NULL;

	enum suit_rc rc = suit_key_from_certificate(
		(struct suit_certificates){ chain, count },
		(struct suit_certificates){ &anchor->bytes, 1 }, now, &key);
	suit_key_free(key);
	return rc;
}

static void test_chain(void)
{
	struct suit_bytes chain[] = { leaf.bytes, middle.bytes };
	struct suit_certificates all = { chain, 2 }, anchors = { &root.bytes, 1 };
	struct suit_key *key = NULL;
	uint8_t spki[SUIT_SPKI_MAX], *der = NULL;
	size_t n = 0;

	is_int(suit_key_from_certificate(all, anchors, NOW, &key), SUIT_OK, "a good chain");
	is_int(suit_key_spki(key, spki, sizeof(spki), &n), SUIT_OK, "a key");
	int wanted = i2d_PUBKEY(leaf.pkey, &der);
	is_bytes(spki, n, der, (size_t)wanted, "the first certificate's");
	ok(!suit_key_is_private(key), "without a secret");
	OPENSSL_free(der);
	suit_key_free(key);
	is_int(take(3, &root, NOW), SUIT_OK, "with the anchor in the chain");
	is_int(take(1, &middle, NOW), SUIT_OK, "an anchor in the middle");
	is_int(take(1, &root, NOW), SUIT_CERTIFICATE, "a link is missing");
	is_int(take(3, &stranger, NOW), SUIT_CERTIFICATE, "its own root is no anchor");
	is_int(take(2, &root, FROM - DAY), SUIT_CERTIFICATE, "too early");
	is_int(take(2, &root, NOW + 10 * DAY), SUIT_CERTIFICATE, "too late");
	is_int(take(0, &root, NOW), SUIT_MISSING, "an empty chain");
	is_int(suit_key_from_certificate(all, (struct suit_certificates){ NULL, 0 }, NOW, &key),
	       SUIT_CERTIFICATE, "without anchors nothing is trusted");
	is_int((int64_t)ERR_peek_error(), 0, "no error is left");
}

/* test_A01: no bit of the author's certificate is without meaning. */
static void test_flips(void)
{
	size_t wrong = 0;

	for (size_t bit = 0; bit < 8 * leaf.bytes.n; bit++) {
		leaf.der[bit / 8] ^= (uint8_t)(1U << bit % 8);
		wrong += take(2, &root, NOW) == SUIT_OK;
		leaf.der[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	tap_ok(wrong == 0, "%zu flips of the certificate, %zu taken", 8 * leaf.bytes.n, wrong);
	for (size_t cut = 0; cut < leaf.bytes.n; cut++) {
		struct suit_bytes whole = leaf.bytes;
		leaf.bytes.n = cut;
		wrong += take(2, &root, NOW) == SUIT_OK;
		leaf.bytes = whole;
	}
	tap_ok(wrong == 0, "%zu truncations, %zu taken", leaf.bytes.n, wrong);
	leaf.bytes.n++;
	is_int(take(2, &root, NOW), SUIT_MALFORMED, "a byte more");
	leaf.bytes.n--;
}

static void test_leaf(const struct wish *wish, struct made *by, EVP_PKEY *pkey,
		      enum suit_rc want)
{
	struct made before = leaf;

	certificate_make(&leaf, by, pkey, wish);
	is_int(take(2, &root, NOW), want, wish->name);
	certificate_finish(&leaf);
	leaf = before;
	leaf.bytes.p = leaf.der;
}

static EVP_PKEY *p256(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

static void test_usage(void)
{
	const EVP_MD *md = EVP_sha256();
	const char *sign = "critical,digitalSignature";

	test_leaf(&(struct wish){ "may sign", sign, false, md, NOW + DAY }, &middle, p256(),
		  SUIT_OK);
	test_leaf(&(struct wish){ "may agree on keys only", "critical,keyAgreement", false, md,
				  NOW + DAY },
		  &middle, p256(), SUIT_CERTIFICATE);
	test_leaf(&(struct wish){ "says nothing of its usage", NULL, false, md, NOW + DAY },
		  &middle, p256(), SUIT_CERTIFICATE);
	test_leaf(&(struct wish){ "expired", sign, false, md, NOW - 10 }, &middle, p256(),
		  SUIT_CERTIFICATE);
	test_leaf(&(struct wish){ "SHA-1", sign, false, EVP_sha1(), NOW + DAY }, &middle,
		  p256(), SUIT_CERTIFICATE);
	test_leaf(&(struct wish){ "RSA of 3072 bits", sign, false, md, NOW + DAY }, &middle,
		  EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)3072), SUIT_OK);
	test_leaf(&(struct wish){ "RSA of 1024 bits", sign, false, md, NOW + DAY }, &middle,
		  EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024), SUIT_CERTIFICATE);
	test_leaf(&(struct wish){ "P-384", sign, false, md, NOW + DAY }, &middle,
		  EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"), SUIT_OK);
	test_leaf(&(struct wish){ "P-521, which we do not do", sign, false, md, NOW + DAY },
		  &middle, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521"), SUIT_KEY);
}

static void test_pem(void)
{
	uint8_t der[SUIT_CERT_MAX];
	BIO *bio = BIO_new(BIO_s_mem());
	uint8_t *p = NULL;
	size_t n = 0;

	if (PEM_write_bio_X509(bio, leaf.x) != 1)
		abort();
	struct suit_bytes pem = { NULL, (size_t)BIO_get_mem_data(bio, &p) };
	pem.p = p;
	is_int(suit_certificate_from_pem(pem, der, &n), SUIT_OK, "from PEM");
	is_bytes(der, n, leaf.der, leaf.bytes.n, "the same bytes");
	pem.n -= 30;
	is_int(suit_certificate_from_pem(pem, der, &n), SUIT_MALFORMED, "cut");
	is_int(suit_certificate_from_pem(suit_text("no PEM"), der, &n), SUIT_MALFORMED,
	       "no PEM");
	is_int((int64_t)ERR_peek_error(), 0, "no error is left");
	BIO_free(bio);
}

/* An author's certificate cannot issue others. */
static void test_no_authority(void)
{
	struct made below;
	struct suit_key *key = NULL;

	certificate_make(&below, &leaf, p256(),
			 &(struct wish){ "below", "critical,digitalSignature", false,
					 EVP_sha256(), NOW + DAY });
	struct suit_bytes chain[] = { below.bytes, leaf.bytes, middle.bytes };
	is_int(suit_key_from_certificate((struct suit_certificates){ chain, 3 },
					 (struct suit_certificates){ &root.bytes, 1 }, NOW,
					 &key),
	       SUIT_CERTIFICATE, "issued by an author");
	certificate_finish(&below);
}

int main(void)
{
	static const char ca_usage[] = "critical,keyCertSign,cRLSign";
	const EVP_MD *md = EVP_sha256();

	certificate_make(&root, NULL, p256(),
			 &(struct wish){ "root", ca_usage, true, md, NOW + 100 * DAY });
	certificate_make(&stranger, NULL, p256(),
			 &(struct wish){ "stranger", ca_usage, true, md, NOW + 100 * DAY });
	certificate_make(&middle, &root, p256(),
			 &(struct wish){ "middle", ca_usage, true, md, NOW + 50 * DAY });
	certificate_make(&leaf, &middle, p256(),
			 &(struct wish){ "author", "critical,digitalSignature", false, md,
					 NOW + 5 * DAY });
	test_chain();
	test_flips();
	test_usage();
	test_no_authority();
	test_pem();
	certificate_finish(&root);
	certificate_finish(&stranger);
	certificate_finish(&middle);
	certificate_finish(&leaf);
	return tap_done();
}
