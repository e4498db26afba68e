/* test_A01: every single flipped bit and every truncation of a signed envelope is refused, in
 * every form of authentication, when every key that signed is known: by decoding, by the lookup
 * of the key, or by a signature. */

#include "tests/tap.h"
#include "tests/unit/suit_certs.h"
#include "tests/unit/suit_ring.h"

#include <openssl/pem.h>

#define C (&suit_crypto_openssl)

typedef bool judge_fn(struct suit_bytes bytes, void *arg);

/* A verifier that knows a ring of keys by their ids. */
static bool ring_accepts(struct suit_bytes bytes, void *arg)
{
	struct suit_envelope e;
	struct suit_verdict v;

	return suit_envelope_decode(C, bytes, &e) == SUIT_OK &&
	       ring_verify(arg, &e, false, &v) == SUIT_OK;
}

static void flip_all(const char *what, uint8_t *p, size_t n, judge_fn *accepts, void *arg)
{
	size_t wrong = 0;

	tap_ok(accepts((struct suit_bytes){ p, n }, arg), "%s: whole, it is accepted", what);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (accepts((struct suit_bytes){ p, n }, arg))
			printf("# %s: bit %zu of byte %zu\n", what, bit % 8, bit / 8), wrong++;
		p[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	tap_ok(wrong == 0, "%s: %zu flips, %zu accepted", what, 8 * n, wrong);
	wrong = 0;
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut + 1); /* so that a read past the end is seen */
		memcpy(copy, p, cut);
		wrong += accepts((struct suit_bytes){ copy, cut }, arg);
		free(copy);
	}
	tap_ok(wrong == 0, "%s: %zu truncations, %zu accepted", what, n, wrong);
	uint8_t *longer = malloc(n + 1);
	memcpy(longer, p, n);
	longer[n] = 0;
	tap_ok(!accepts((struct suit_bytes){ longer, n + 1 }, arg), "%s: a byte more", what);
	free(longer);
}

/* --- what we sign ------------------------------------------------------------------------- */

static void test_made(void)
{
	static const enum suit_key_type types[] = { SUIT_KEY_P256, SUIT_KEY_ED25519,
						    SUIT_KEY_RSA, SUIT_KEY_P384 };
	struct ring ring = { .mac_key = suit_text("a key of a class"),
			     .mac_kid = suit_text("class") };
	struct suit_bytes plain = ring_plain();
	uint8_t buf[4096], more[4096];

	for (size_t i = 0; i < 4; i++)
		ring_make(&ring, types[i]);
	for (size_t i = 0; i < 4; i++) {
		size_t n = ring_sign(&ring, i, 1, plain, buf, sizeof(buf));
		flip_all(suit_key_type_text(types[i]), buf, n, ring_accepts, &ring);
	}
	size_t n = ring_sign(&ring, 0, 2, plain, buf, sizeof(buf));
	flip_all("two in a COSE_Sign", buf, n, ring_accepts, &ring);
	n = ring_sign(&ring, 2, 2, plain, buf, sizeof(buf));
	flip_all("RSA and P-384 in a COSE_Sign", buf, n, ring_accepts, &ring);
	n = ring_sign(&ring, 0, 1, plain, buf, sizeof(buf));
	n = ring_sign(&ring, 1, 1, (struct suit_bytes){ buf, n }, more, sizeof(more));
	flip_all("two COSE_Sign1", more, n, ring_accepts, &ring);
	n = ring_mac(&ring, plain, buf, sizeof(buf));
	flip_all("a MAC", buf, n, ring_accepts, &ring);
	n = ring_sign(&ring, 0, 1, (struct suit_bytes){ buf, n }, more, sizeof(more));
	flip_all("a MAC and a signature", more, n, ring_accepts, &ring);
	n = ring_sign(&ring, 1, 2, (struct suit_bytes){ more, n }, buf, sizeof(buf));
	flip_all("a MAC, a signature and a COSE_Sign", buf, n, ring_accepts, &ring);
	ring_finish(&ring);
}

/* --- what others signed ------------------------------------------------------------------- */

static void test_published(void)
{
	static const char *const files[] = {
		"worked/ab-severable.suit",
		"worked/managed.suit",
		"manifest-draft37-es256/example2.signed.cbor",
		"libcsuit/suit_manifest_exp4.suit",
		"firmware-encryption/suit-manifest-es-ecdh-content.cbor",
	};
	struct ring spec = { 0 };

	ring_add(&spec, suit_data_key("keys/spec-p256-public.pem"));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct suit_bytes b = suit_data(files[i]);
		flip_all(files[i], (uint8_t *)b.p, b.n, ring_accepts, &spec);
	}
	ring_finish(&spec);
	struct ring mac = { .mac_key = suit_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") };
	struct suit_bytes b = suit_data("libcsuit/suit_manifest_expAF.suit");
	flip_all("expAF", (uint8_t *)b.p, b.n, ring_accepts, &mac);
}

/* --- by a certificate --------------------------------------------------------------------- */

struct authority {
	struct suit_bytes anchor;
	struct suit_key *key; /* of the last block */
};

static const struct suit_key *certified(void *arg, const struct suit_block *block, size_t nth)
{
	struct suit_bytes chain[SUIT_CHAIN_MAX];
	struct suit_certificates c = { .der = chain };
	struct authority *a = arg;

	for (; c.count < SUIT_CHAIN_MAX; c.count++) {
		chain[c.count] = suit_block_certificate(block, c.count);
		if (chain[c.count].n == 0)
			break;
	}
	suit_key_free(a->key);
	a->key = NULL;
	if (nth > 0 || suit_key_from_certificate(c, (struct suit_certificates){ &a->anchor, 1 },
						 NOW, &a->key) != SUIT_OK)
		return NULL;
	return a->key;
}

static bool authority_accepts(struct suit_bytes bytes, void *arg)
{
	struct suit_trust trust = { .key = certified, .arg = arg };
	struct suit_envelope e;
	struct suit_verdict v;

	return suit_envelope_decode(C, bytes, &e) == SUIT_OK &&
	       suit_envelope_verify(C, &e, &trust, &v) == SUIT_OK;
}

static void test_certificate(void)
{
	struct suit_key *key = NULL;
	struct made root, author;
	uint8_t buf[4096], *der = NULL;
	struct suit_envelope e;
	size_t n = 0;

	certificate_make(&root, NULL, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"),
			 &(struct wish){ "root", "critical,keyCertSign", true, EVP_sha256(),
					 NOW + DAY });
	certificate_make(&author, &root, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
			 &(struct wish){ "author", "critical,digitalSignature", false,
					 EVP_sha256(), NOW + DAY });
	BIO *pem = BIO_new(BIO_s_mem());
	if (PEM_write_bio_PKCS8PrivateKey(pem, author.pkey, NULL, NULL, 0, NULL, NULL) != 1)
		abort();
	n = (size_t)BIO_get_mem_data(pem, &der);
	if (suit_key_from_private_pem((struct suit_bytes){ der, n }, NULL, &key) != SUIT_OK)
		abort();
	BIO_free(pem);
	struct suit_signer by = { .key = key,
				  .alg = SUIT_ALG_PS256,
				  .certificates = &author.bytes,
				  .certificate_count = 1 };
	if (suit_envelope_decode(C, ring_plain(), &e) != SUIT_OK ||
	    suit_envelope_cosign(C, &by, 1, &e, buf, sizeof(buf), &n) != SUIT_OK)
		abort();
	struct authority a = { .anchor = root.bytes };
	flip_all("a certificate", buf, n, authority_accepts, &a);
	suit_key_free(a.key);
	suit_key_free(key);
	certificate_finish(&root);
	certificate_finish(&author);
}

int main(void)
{
	test_made();
	test_published();
	test_certificate();
	return tap_done();
}
