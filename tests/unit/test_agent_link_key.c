/* A key that is kept elsewhere, under OpenSSL's TLS. */
#include "agent/link_key.h"

#include "tests/tap.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>

/* Keeps a key in this program, and counts. */
struct shelf {
	EVP_PKEY *pkey;
	size_t half;
	int asked;
	size_t of_n;
	bool fails;
};

static enum suit_rc shelf_sign(void *arg, enum suit_key_type type, struct suit_bytes of,
			       uint8_t ret[SUIT_SIGNATURE_MAX], size_t *ret_n)
{
	struct shelf *s = arg;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(s->pkey, NULL);
	uint8_t der[256];
	const uint8_t *at = der;
	size_t n = sizeof(der);
	(void)type;
	s->asked++;
	s->of_n = of.n;
	bool signs = !s->fails && EVP_PKEY_sign_init(ctx) == 1 &&
		     EVP_PKEY_sign(ctx, der, &n, of.p, of.n) == 1;
	EVP_PKEY_CTX_free(ctx);
	ECDSA_SIG *sig = signs ? d2i_ECDSA_SIG(NULL, &at, (long)n) : NULL;
	if (!sig)
		return SUIT_CRYPTO;
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, (int)s->half);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + s->half, (int)s->half);
	ECDSA_SIG_free(sig);
	*ret_n = 2 * s->half;
	return SUIT_OK;
}

static const struct suit_key_keeper keeper = { .sign = shelf_sign };

/* The public half of what the shelf has. */
static struct suit_key *public_key(struct shelf *s)
{
	uint8_t *der = NULL;
	int n = i2d_PUBKEY(s->pkey, &der);
	struct suit_key *key = NULL;
	ok(n > 0 && suit_key_from_spki((struct suit_bytes){ der, (size_t)n }, &key) == SUIT_OK,
	   "its public half");
	OPENSSL_free(der);
	return key;
}

static void test_curve(const char *curve, size_t half, const EVP_MD *md, size_t of_n)
{
	static const uint8_t text[] = "what a handshake has come to";
	struct shelf s = { .pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve), .half = half };
	struct suit_key *key = public_key(&s);
	uint8_t sig[256];
	size_t n = sizeof(sig);
	ok(!link_key_of(key), "%s: a public key signs nothing", curve);
	suit_key_keep(key, &keeper, &s);
	EVP_PKEY *kept = link_key_of(key);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ok(kept && EVP_PKEY_eq(kept, s.pkey) == 1, "the same key as far as anybody sees");
	ok(EVP_DigestSignInit(ctx, NULL, md, NULL, kept) == 1 &&
		   EVP_DigestSign(ctx, sig, &n, text, sizeof(text)) == 1,
	   "it signs");
	ok(s.asked == 1 && s.of_n == of_n, "by its keeper, %zu bytes", s.of_n);
	EVP_MD_CTX_reset(ctx);
	ok(EVP_DigestVerifyInit(ctx, NULL, md, NULL, s.pkey) == 1 &&
		   EVP_DigestVerify(ctx, sig, n, text, sizeof(text)) == 1,
	   "which is the key's own signature");
	s.fails = true;
	n = sizeof(sig);
	EVP_MD_CTX_reset(ctx);
	ok(EVP_DigestSignInit(ctx, NULL, md, NULL, kept) == 1 &&
		   EVP_DigestSign(ctx, sig, &n, text, sizeof(text)) != 1 && ERR_get_error(),
	   "without its keeper it does not, and says so");
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(kept);
	suit_key_free(key);
	EVP_PKEY_free(s.pkey);
}

static void test_other_kinds(void)
{
	struct shelf s = { .pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };
	struct suit_key *key = public_key(&s);
	suit_key_keep(key, &keeper, &s);
	ok(!link_key_of(key), "Ed25519 is not for this");
	suit_key_free(key);
	EVP_PKEY_free(s.pkey);
}

int main(void)
{
	test_curve("P-256", 32, EVP_sha256(), 32);
	test_curve("P-256", 32, EVP_sha384(), 32); /* a server may choose this hash */
	test_curve("P-384", 48, EVP_sha384(), 48);
	test_curve("P-384", 48, EVP_sha256(), 32);
	test_other_kinds();
	return tap_done();
}
