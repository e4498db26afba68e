/* Keys in and out, ids, and the check values of the drafts. */

#include "tests/tap.h"
#include "tests/unit/suit_data.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define C (&suit_crypto_openssl)

static void test_ids(void)
{
	struct suit_uuid vendor, class_, parsed;
	char text[SUIT_UUID_TEXT_SIZE];

	is_int(suit_vendor_id(C, "arm.com", &vendor), SUIT_OK, "vendor");
	suit_uuid_format(&vendor, text);
	is_str(text, "fa6b4a53-d5ad-5fdf-be9d-e663e4d41ffe", "arm.com");
	is_int(suit_class_id(C, &vendor, "suit", &class_), SUIT_OK, "class");
	suit_uuid_format(&class_, text);
	is_str(text, "1492af14-2569-5e48-bf42-9b2d51f2ab45", "suit");
	is_int(suit_uuid_parse("1492AF14-2569-5e48-bf42-9b2d51f2ab45", &parsed), SUIT_OK,
	       "either case");
	ok(suit_uuid_equal(&parsed, &class_), "the same");
	static const char *const bad[] = { "",
					   "1492af14",
					   "1492af14-2569-5e48-bf42-9b2d51f2ab4",
					   "1492af14-2569-5e48-bf42-9b2d51f2ab455",
					   "1492af1422569-5e48-bf42-9b2d51f2ab45",
					   "g492af14-2569-5e48-bf42-9b2d51f2ab45" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(suit_uuid_parse(bad[i], &parsed), SUIT_MALFORMED, bad[i]);
}

/* EncryptedPrivateKeyInfo: PBES2, whose key is derived by scrypt with these costs. */
static bool is_scrypt(const char *pem)
{
	static const uint8_t scrypt[] = { 0x06, 0x09, 0x2b, 0x06, 0x01, 0x04,
					  0x01, 0xda, 0x47, 0x04, 0x0b };
	static const uint8_t costs[] = { 0x02, 0x02, 0x40, 0x00, 0x02,
					 0x01, 0x08, 0x02, 0x01, 0x01 };
	BIO *bio = BIO_new_mem_buf(pem, -1);
	char *name = NULL, *header = NULL;
	uint8_t *der = NULL;
	long n = 0;
	bool ret = PEM_read_bio(bio, &name, &header, &der, &n) == 1 &&
		   memmem(der, (size_t)n, scrypt, sizeof(scrypt)) &&
		   memmem(der, (size_t)n, costs, sizeof(costs));

	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	return ret;
}

static void test_key_files(enum suit_key_type type)
{
	struct suit_key *key = NULL, *again = NULL, *public = NULL;
	uint8_t kid[SUIT_KID_SIZE], kid2[SUIT_KID_SIZE], spki[SUIT_SPKI_MAX];
	char pem[SUIT_PEM_MAX], locked[SUIT_PEM_MAX], pub[SUIT_PEM_MAX];
	size_t n = 0;

	is_int(suit_key_generate(type, &key), SUIT_OK, "generate");
	is_int(suit_key_kid(key, kid), SUIT_OK, "kid");
	is_int(suit_key_private_pem(key, NULL, pem, sizeof(pem)), SUIT_OK, "plain");
	ok(strstr(pem, "BEGIN PRIVATE KEY") != NULL, "PKCS#8");
	is_int(suit_key_private_pem(key, "secret", locked, sizeof(locked)), SUIT_OK,
	       "encrypted");
	ok(strstr(locked, "BEGIN ENCRYPTED PRIVATE KEY") != NULL, "says so");
	ok(is_scrypt(locked), "by scrypt, 16384, 8, 1");
	is_int(suit_key_from_private_pem(suit_text(locked), NULL, &again), SUIT_KEY,
	       "no passphrase");
	is_int(suit_key_from_private_pem(suit_text(locked), "Secret", &again), SUIT_KEY,
	       "a wrong one");
	is_int(suit_key_from_private_pem(suit_text(locked), "secret", &again), SUIT_OK,
	       "the right one");
	is_int(suit_key_kid(again, kid2), SUIT_OK, "kid");
	is_bytes(kid, sizeof(kid), kid2, sizeof(kid2), "the same key");
	is_int(suit_key_public_pem(key, pub, sizeof(pub)), SUIT_OK, "public");
	is_int(suit_key_from_public_pem(suit_text(pub), &public), SUIT_OK, "read back");
	ok(!suit_key_is_private(public), "has no secret");
	is_int(suit_key_private_pem(public, NULL, pem, sizeof(pem)), SUIT_KEY,
	       "and gives none");
	is_int(suit_key_spki(public, spki, sizeof(spki), &n), SUIT_OK, "spki");
	suit_key_free(public);
	public = NULL;
	is_int(suit_key_from_spki((struct suit_bytes){ spki, n }, &public), SUIT_OK,
	       "read back");
	is_int(suit_key_from_spki((struct suit_bytes){ spki, n - 1 }, &again), SUIT_KEY, "cut");
	is_int(suit_key_public_pem(key, pub, 20), SUIT_NO_SPACE, "too small a buffer");
	suit_key_free(key);
	suit_key_free(again);
	suit_key_free(public);
}

static const enum suit_key_type types[] = { SUIT_KEY_P256, SUIT_KEY_ED25519, SUIT_KEY_P384,
					    SUIT_KEY_RSA };
static const enum suit_alg algs[] = { SUIT_ALG_ESP256, SUIT_ALG_ES256,  SUIT_ALG_ED25519,
				      SUIT_ALG_EDDSA,  SUIT_ALG_ESP384, SUIT_ALG_ES384,
				      SUIT_ALG_PS256,  SUIT_ALG_SHA256, SUIT_ALG_NONE };
static const size_t sizes[] = { 64, 64, 96, 256 };

static struct suit_key *make(enum suit_key_type type)
{
	struct suit_key *key = NULL;

	is_int(type == SUIT_KEY_RSA ? suit_key_generate_rsa(2048, &key)
				    : suit_key_generate(type, &key),
	       SUIT_OK, suit_key_type_text(type));
	return key;
}

static bool is_own(enum suit_key_type type, enum suit_alg alg)
{
	switch (type) {
	case SUIT_KEY_P256:
		return alg == SUIT_ALG_ESP256 || alg == SUIT_ALG_ES256;
	case SUIT_KEY_ED25519:
		return alg == SUIT_ALG_ED25519 || alg == SUIT_ALG_EDDSA;
	case SUIT_KEY_P384:
		return alg == SUIT_ALG_ESP384 || alg == SUIT_ALG_ES384;
	case SUIT_KEY_RSA:
		return alg == SUIT_ALG_PS256;
	}
	return false;
}

/* test_A01: the algorithm must be the key's own, when it signs and when it verifies. */
static void test_no_confusion(void)
{
	struct suit_message m = { .piece = { suit_text("mess"), suit_text("age") },
				  .count = 2 };
	struct suit_message joined = { .piece = { suit_text("message") }, .count = 1 };
	struct suit_message other = { .piece = { suit_text("massage") }, .count = 1 };
	uint8_t sig[SUIT_SIGNATURE_MAX], again[SUIT_SIGNATURE_MAX];

	for (size_t t = 0; t < 4; t++) {
		struct suit_key *key = make(types[t]);
		const char *name = suit_key_type_text(types[t]);
		size_t n = 0, wrong = 0, k = 0;

		is_int(C->sign(key, suit_key_alg(key), &m, sig, &n), SUIT_OK, "signs");
		is_int((int64_t)n, (int64_t)sizes[t], "as long as it should be");
		struct suit_bytes s = { sig, n };
		for (size_t a = 0; a < sizeof(algs) / sizeof(algs[0]); a++) {
			enum suit_rc want = is_own(types[t], algs[a]) ? SUIT_OK : SUIT_KEY;
			wrong += C->sign(key, algs[a], &m, again, &k) != want;
			wrong += C->verify(key, algs[a], &joined, s) != want;
		}
		tap_ok(wrong == 0, "%s: %zu algorithms taken or refused wrongly", name, wrong);
		is_int(C->verify(key, suit_key_alg(key), &other, s), SUIT_SIGNATURE,
		       "another message");
		is_int(C->verify(key, suit_key_alg(key), &m, (struct suit_bytes){ sig, n - 1 }),
		       SUIT_SIGNATURE, "cut");
		memset(sig, 0, sizeof(sig));
		is_int(C->verify(key, suit_key_alg(key), &m, s), SUIT_SIGNATURE, "zeros");
		suit_key_free(key);
	}
}

static void pem_make(EVP_PKEY *pkey, char *buf, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n = 0;

	if (!pkey || !bio || PEM_write_bio_PUBKEY(bio, pkey) != 1 ||
	    (n = BIO_read(bio, buf, (int)size - 1)) <= 0)
		abort();
	buf[n] = '\0';
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

/* Keys that are too weak, too slow or of no kind of ours. */
static void test_keys_refused(void)
{
	struct suit_key *key = NULL;
	char pem[8192];

	is_int(suit_key_generate_rsa(1024, &key), SUIT_KEY, "RSA of 1024 bits");
	is_int(suit_key_generate_rsa(8192, &key), SUIT_KEY, "RSA of 8192 bits");
	pem_make(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024), pem, sizeof(pem));
	is_int(suit_key_from_public_pem(suit_text(pem), &key), SUIT_KEY, "the same, loaded");
	pem_make(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2047), pem, sizeof(pem));
	is_int(suit_key_from_public_pem(suit_text(pem), &key), SUIT_KEY, "RSA of 2047 bits");
	pem_make(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2052), pem, sizeof(pem));
	is_int(suit_key_from_public_pem(suit_text(pem), &key), SUIT_KEY, "RSA of 2052 bits");
	pem_make(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521"), pem, sizeof(pem));
	is_int(suit_key_from_public_pem(suit_text(pem), &key), SUIT_KEY, "P-521");
	pem_make(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1"), pem, sizeof(pem));
	is_int(suit_key_from_public_pem(suit_text(pem), &key), SUIT_KEY, "secp256k1");
	pem_make(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), pem, sizeof(pem));
	is_int(suit_key_from_public_pem(suit_text(pem), &key), SUIT_KEY, "X25519");
	is_int((int64_t)ERR_peek_error(), 0, "no error is left");
}

/* RFC 4231, test cases 1, 2 and 6 (a key longer than a block). */
static void test_hmac(void)
{
	static const uint8_t ones[20] = { 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
					  0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
					  0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b };
	struct suit_message first = { .piece = { suit_text("Hi "), { 0 }, suit_text("There") },
				      .count = 3 };
	struct suit_message second = { .piece = { suit_text("what do ya want for nothing?") },
				       .count = 1 };
	struct suit_message sixth = { .piece = { suit_text("Test Using Larger Than Block-Size "
							   "Key - Hash Key First") },
				      .count = 1 };
	uint8_t mac[32], key[131];
	char hex[SUIT_HEX_SIZE(32)];

	is_int(C->hmac((struct suit_bytes){ ones, sizeof(ones) }, &first, mac), SUIT_OK,
	       "hmac");
	suit_hex((struct suit_bytes){ mac, sizeof(mac) }, hex);
	is_str(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
	       "case 1");
	is_int(C->hmac(suit_text("Jefe"), &second, mac), SUIT_OK, "hmac");
	suit_hex((struct suit_bytes){ mac, sizeof(mac) }, hex);
	is_str(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
	       "case 2");
	memset(key, 0xaa, sizeof(key));
	is_int(C->hmac((struct suit_bytes){ key, sizeof(key) }, &sixth, mac), SUIT_OK, "hmac");
	suit_hex((struct suit_bytes){ mac, sizeof(mac) }, hex);
	is_str(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
	       "case 6");
}

/* --- a private half that is elsewhere ------------------------------------------------------
 */

struct elsewhere {
	struct suit_key *own;
	size_t of_n, short_by;
	int closed, agreed;
};

/* Ed25519 can be made again from here: what is signed is the message itself. */
static enum suit_rc elsewhere_sign(void *arg, enum suit_key_type type, struct suit_bytes of,
				   uint8_t ret[SUIT_SIGNATURE_MAX], size_t *ret_n)
{
	struct elsewhere *w = arg;
	struct suit_message m = { .piece = { of }, .count = 1 };
	enum suit_rc rc = SUIT_OK;

	w->of_n = of.n;
	*ret_n = 2 * 48;
	memset(ret, 0, *ret_n);
	if (type == SUIT_KEY_ED25519)
		rc = C->sign(w->own, SUIT_ALG_ED25519, &m, ret, ret_n);
	*ret_n -= w->short_by;
	return rc;
}

static void elsewhere_close(void *arg)
{
	struct elsewhere *w = arg;

	w->closed++;
}

static const struct suit_key_keeper keeper = { .sign = elsewhere_sign,
					       .close = elsewhere_close };

static struct suit_key *kept(struct elsewhere *w, enum suit_key_type type)
{
	uint8_t spki[SUIT_SPKI_MAX];
	struct suit_key *key = NULL;
	size_t n = 0;

	is_int(suit_key_generate(type, &w->own), SUIT_OK, "a key");
	is_int(suit_key_spki(w->own, spki, sizeof(spki), &n), SUIT_OK, "its public half");
	is_int(suit_key_from_spki((struct suit_bytes){ spki, n }, &key), SUIT_OK, "alone");
	suit_key_keep(key, &keeper, w);
	return key;
}

static void test_kept_elsewhere(void)
{
	struct elsewhere w = { 0 };
	struct suit_key *key = kept(&w, SUIT_KEY_ED25519);
	struct suit_message m = { .piece = { suit_text("two "), suit_text("pieces") },
				  .count = 2 };
	uint8_t signature[SUIT_SIGNATURE_MAX], secret[32];
	struct suit_point point = { { 0 }, { 0 } };
	char pem[SUIT_PEM_MAX];
	size_t n = 0;

	ok(suit_key_is_private(key), "can sign");
	is_int(C->sign(key, SUIT_ALG_ED25519, &m, signature, &n), SUIT_OK, "signs");
	is_int((int64_t)w.of_n, 10, "the message itself");
	is_int(C->verify(key, SUIT_ALG_ED25519, &m, (struct suit_bytes){ signature, n }),
	       SUIT_OK, "which verifies");
	is_int(C->sign(key, SUIT_ALG_ESP256, &m, signature, &n), SUIT_KEY, "another algorithm");
	w.short_by = 1;
	is_int(C->sign(key, SUIT_ALG_ED25519, &m, signature, &n), SUIT_CRYPTO,
	       "a signature of another size");
	is_int(suit_key_private_pem(key, NULL, pem, sizeof(pem)), SUIT_KEY, "stays there");
	is_int(C->ecdh(key, &point, secret), SUIT_KEY, "agrees with nobody");
	suit_key_free(key);
	is_int(w.closed, 1, "closed once");
	suit_key_free(w.own);

	w = (struct elsewhere){ 0 };
	key = kept(&w, SUIT_KEY_P384);
	is_int(C->sign(key, SUIT_ALG_ESP384, &m, signature, &n), SUIT_OK, "signs");
	is_int((int64_t)w.of_n, 48, "SHA-384 for P-384");
	suit_key_free(key);
	suit_key_free(w.own);
}

static enum suit_rc elsewhere_ecdh(void *arg, const struct suit_point *peer, uint8_t ret[32])
{
	struct elsewhere *w = arg;
	w->agreed++;
	return C->ecdh(w->own, peer, ret);
}

/* Not every token looks; a point of another curve would tell bits of the private key. */
static void test_elsewhere_sees_points_of_the_curve_alone(void)
{
	static const struct suit_key_keeper agrees = { .ecdh = elsewhere_ecdh };
	struct elsewhere w = { 0 };
	struct suit_key *key = kept(&w, SUIT_KEY_P256);
	struct suit_point point;
	uint8_t there[32], here[32];

	suit_key_keep(key, &agrees, &w);
	is_int(C->ecdh_send(key, &point, there), SUIT_OK, "somebody's point");
	is_int(C->ecdh(key, &point, here), SUIT_OK, "agrees");
	ok(memcmp(here, there, 32) == 0 && w.agreed == 1, "on the same");
	point.y[31] ^= 1;
	is_int(C->ecdh(key, &point, here), SUIT_KEY, "no point of the curve");
	is_int(w.agreed, 1, "and the keeper never saw it");
	suit_key_free(key);
	suit_key_free(w.own);
}

int main(void)
{
	test_ids();
	for (size_t t = 0; t < 4; t++)
		test_key_files(types[t]);
	test_no_confusion();
	test_keys_refused();
	test_hmac();
	test_kept_elsewhere();
	test_elsewhere_sees_points_of_the_curve_alone();
	return tap_done();
}
