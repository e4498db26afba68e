/* Cryptography by OpenSSL 3.  ECDSA signatures go over the wire as r||s, OpenSSL speaks DER. */

#include "suit/crypto_openssl.h"

#include "suit/crypto_openssl_cipher.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

struct suit_key {
	EVP_PKEY *pkey;
	enum suit_key_type type;
	bool is_private;
	const struct suit_key_keeper *keeper; /* of the private half; NULL: pkey has it */
	void *keeper_arg;
};

static const struct kind {
	enum suit_alg alg, also; /* what we sign with; the number of old for the same */
	const EVP_MD *(*md)(void);
	size_t number; /* bytes of r and of s; 0: not ECDSA */
	const char *name, *group;
} kinds[] = {
	[SUIT_KEY_P256] = { SUIT_ALG_ESP256, SUIT_ALG_ES256, EVP_sha256, 32, "p256",
			    "prime256v1" },
	[SUIT_KEY_ED25519] = { SUIT_ALG_ED25519, SUIT_ALG_EDDSA, NULL, 0, "ed25519", NULL },
	[SUIT_KEY_P384] = { SUIT_ALG_ESP384, SUIT_ALG_ES384, EVP_sha384, 48, "p384",
			    "secp384r1" },
	[SUIT_KEY_RSA] = { SUIT_ALG_PS256, SUIT_ALG_PS256, EVP_sha256, 0, "rsa", NULL },
};
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096

/* 16 MiB and some 50 ms for each guess; what OpenSSL takes by itself when it reads. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1

static void free_md(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}
static void free_bio(BIO **p)
{
	BIO_free(*p);
}
static void free_sig(ECDSA_SIG **p)
{
	ECDSA_SIG_free(*p);
}
static void free_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}
static void free_bytes(uint8_t **p)
{
	OPENSSL_free(*p);
}
static void free_der(uint8_t **p)
{
	OPENSSL_free(*p);
}
static void free_pkcs8(PKCS8_PRIV_KEY_INFO **p)
{
	PKCS8_PRIV_KEY_INFO_free(*p);
}
static void free_algorithm(X509_ALGOR **p)
{
	X509_ALGOR_free(*p);
}
static void free_locked(X509_SIG **p)
{
	X509_SIG_free(*p);
}
#define AUTO(kind) __attribute__((cleanup(free_##kind)))

static enum suit_rc hash(const EVP_MD *md, const struct suit_message *m, uint8_t *ret)
{
	AUTO(md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned n = 0;

	if (!ctx || EVP_DigestInit_ex(ctx, md, NULL) != 1)
		return SUIT_CRYPTO;
	for (size_t i = 0; i < m->count; i++)
		if (EVP_DigestUpdate(ctx, m->piece[i].p, m->piece[i].n) != 1)
			return SUIT_CRYPTO;
	return EVP_DigestFinal_ex(ctx, ret, &n) == 1 ? SUIT_OK : SUIT_CRYPTO;
}

static enum suit_rc hash_sha256(const struct suit_message *m, struct suit_digest *ret)
{
	return hash(EVP_sha256(), m, ret->b);
}

static enum suit_rc hash_sha1(const struct suit_message *m, uint8_t ret[20])
{
	return hash(EVP_sha1(), m, ret);
}

/* The algorithm in the header must be one of the key's own. */
static bool alg_fits(const struct suit_key *key, enum suit_alg alg)
{
	return alg == kinds[key->type].alg || alg == kinds[key->type].also;
}

/* RFC 8230: the salt is as long as the hash, and MGF1 uses the same one. */
static bool pss_set(const struct suit_key *key, EVP_PKEY_CTX *ctx)
{
	return key->type != SUIT_KEY_RSA ||
	       (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* Ed25519 takes the message in one piece.  NULL when memory is out. */
static uint8_t *joined(const struct suit_message *m, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < m->count; i++)
		n += m->piece[i].n;
	uint8_t *all = OPENSSL_malloc(n + 1);
	if (!all)
		return NULL;
	*ret_n = n;
	n = 0;
	for (size_t i = 0; i < m->count; i++) {
		if (m->piece[i].n > 0)
			memcpy(all + n, m->piece[i].p, m->piece[i].n);
		n += m->piece[i].n;
	}
	return all;
}

/* r||s to DER; NULL when a number is out of range or memory is out. */
static uint8_t *signature_der(struct suit_bytes raw, int *ret_n)
{
	AUTO(sig) ECDSA_SIG *sig = ECDSA_SIG_new();
	int half = (int)(raw.n / 2);
	BIGNUM *r = BN_bin2bn(raw.p, half, NULL), *s = BN_bin2bn(raw.p + half, half, NULL);
	uint8_t *der = NULL;

	if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return NULL;
	}
	*ret_n = i2d_ECDSA_SIG(sig, &der);
	return *ret_n > 0 ? der : NULL;
}

static size_t signature_size(const struct suit_key *key)
{
	size_t number = kinds[key->type].number;

	return number > 0 ? 2 * number : (size_t)EVP_PKEY_get_size(key->pkey);
}

static enum suit_rc verify_noisily(const struct suit_key *key, enum suit_alg alg,
				   const struct suit_message *m, struct suit_bytes signature)
{
	const struct kind *kind = &kinds[key->type];
	AUTO(md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	AUTO(bytes) uint8_t *all = NULL;
	AUTO(der) uint8_t *der = NULL;
	EVP_PKEY_CTX *pctx = NULL; /* ctx owns it */
	size_t n = 0;
	int der_n = 0;

	if (!alg_fits(key, alg))
		return SUIT_KEY;
	if (signature.n != signature_size(key))
		return SUIT_SIGNATURE;
	all = joined(m, &n);
	if (!ctx || !all)
		return SUIT_CRYPTO;
	if (EVP_DigestVerifyInit(ctx, &pctx, kind->md ? kind->md() : NULL, NULL, key->pkey) !=
		    1 ||
	    !pss_set(key, pctx))
		return SUIT_CRYPTO;
	if (kind->number == 0)
		return EVP_DigestVerify(ctx, signature.p, signature.n, all, n) == 1
			       ? SUIT_OK
			       : SUIT_SIGNATURE;
	der = signature_der(signature, &der_n);
	if (!der)
		return SUIT_CRYPTO;
	return EVP_DigestVerify(ctx, der, (size_t)der_n, all, n) == 1 ? SUIT_OK
								      : SUIT_SIGNATURE;
}

/* Errors must not stay in the thread's queue: a TLS session of the same thread would find them.
 */
static enum suit_rc verify(const struct suit_key *key, enum suit_alg alg,
			   const struct suit_message *m, struct suit_bytes signature)
{
	enum suit_rc rc = verify_noisily(key, alg, m, signature);

	if (rc != SUIT_OK)
		ERR_clear_error();
	return rc;
}

static enum suit_rc signature_raw(const uint8_t *der, size_t n, size_t number, uint8_t *ret)
{
	AUTO(sig) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	int size = (int)number;

	if (!sig)
		return SUIT_CRYPTO;
	if (BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, size) != size ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + number, size) != size)
		return SUIT_CRYPTO;
	return SUIT_OK;
}

/* By whoever keeps the private half. */
static enum suit_rc sign_elsewhere(const struct suit_key *key, const struct suit_message *m,
				   uint8_t ret[SUIT_SIGNATURE_MAX], size_t *ret_n)
{
	const struct kind *kind = &kinds[key->type];
	AUTO(bytes) uint8_t *all = NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];
	struct suit_bytes of = { digest, kind->md ? (size_t)EVP_MD_get_size(kind->md()) : 0 };

	if (!key->keeper->sign)
		return SUIT_KEY;
	if (kind->md) {
		enum suit_rc rc = hash(kind->md(), m, digest);
		if (rc != SUIT_OK)
			return rc;
	} else {
		all = joined(m, &of.n);
		of.p = all;
		if (!all)
			return SUIT_CRYPTO;
	}
	enum suit_rc rc = key->keeper->sign(key->keeper_arg, key->type, of, ret, ret_n);
	return rc == SUIT_OK && *ret_n != signature_size(key) ? SUIT_CRYPTO : rc;
}

static enum suit_rc sign(const struct suit_key *key, enum suit_alg alg,
			 const struct suit_message *m, uint8_t ret[SUIT_SIGNATURE_MAX],
			 size_t *ret_n)
{
	const struct kind *kind = &kinds[key->type];
	AUTO(md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	AUTO(bytes) uint8_t *all = NULL;
	EVP_PKEY_CTX *pctx = NULL; /* ctx owns it */
	uint8_t out[SUIT_SIGNATURE_MAX];
	size_t n = 0, out_n = sizeof(out);

	if (!alg_fits(key, alg) || !key->is_private)
		return SUIT_KEY;
	if (key->keeper)
		return sign_elsewhere(key, m, ret, ret_n);
	all = joined(m, &n);
	if (!ctx || !all)
		return SUIT_CRYPTO;
	if (EVP_DigestSignInit(ctx, &pctx, kind->md ? kind->md() : NULL, NULL, key->pkey) !=
		    1 ||
	    !pss_set(key, pctx) || EVP_DigestSign(ctx, out, &out_n, all, n) != 1)
		return SUIT_CRYPTO;
	*ret_n = signature_size(key);
	if (kind->number > 0)
		return signature_raw(out, out_n, kind->number, ret);
	memcpy(ret, out, *ret_n);
	return SUIT_OK;
}

const struct suit_crypto suit_crypto_openssl = {
	.sha256 = hash_sha256,
	.verify = verify,
	.sign = sign,
	.sha1 = hash_sha1,
	.hmac = suit_openssl_hmac,
	.aes_wrap = suit_openssl_aes_wrap,
	.aes_unwrap = suit_openssl_aes_unwrap,
	.ecdh = suit_openssl_ecdh,
	.ecdh_send = suit_openssl_ecdh_send,
	.random = suit_openssl_random,
	.cipher_open = suit_openssl_cipher_open,
	.cipher_update = suit_openssl_cipher_update,
	.cipher_tag = suit_openssl_cipher_tag,
	.cipher_check = suit_openssl_cipher_check,
	.cipher_close = suit_openssl_cipher_close,
};

EVP_PKEY *suit_openssl_pkey(const struct suit_key *key)
{
	return key->pkey;
}

const struct suit_key_keeper *suit_openssl_keeper(const struct suit_key *key, void **ret_arg)
{
	*ret_arg = key->keeper_arg;
	return key->keeper;
}

/* --- keys --------------------------------------------------------------------------------- */

static bool is_on(EVP_PKEY *pkey, enum suit_key_type type)
{
	char group[32] = "";

	return EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group,
					      sizeof(group), NULL) == 1 &&
	       strcmp(group, kinds[type].group) == 0;
}

static void free_number(BIGNUM **p)
{
	BN_free(*p);
}

/* The exponent is bounded too: a large one only makes verifying slow. */
static bool is_rsa(EVP_PKEY *pkey)
{
	AUTO(number) BIGNUM *e = NULL;
	int bits = EVP_PKEY_get_bits(pkey);

	return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && bits % 8 == 0 &&
	       EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
	       BN_num_bits(e) >= 17 && BN_num_bits(e) <= 64;
}

/* 0: none of ours. */
static enum suit_key_type type_of(EVP_PKEY *pkey)
{
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_ED25519:
		return SUIT_KEY_ED25519;
	case EVP_PKEY_EC:
		return is_on(pkey, SUIT_KEY_P256)   ? SUIT_KEY_P256
		       : is_on(pkey, SUIT_KEY_P384) ? SUIT_KEY_P384
						    : 0;
	case EVP_PKEY_RSA:
		return is_rsa(pkey) ? SUIT_KEY_RSA : 0;
	default:
		return 0;
	}
}

/* Takes pkey over, also on failure. */
static enum suit_rc key_wrap(EVP_PKEY *taken, bool is_private, struct suit_key **ret)
{
	AUTO(pkey) EVP_PKEY *pkey = taken;
	enum suit_key_type type = pkey ? type_of(pkey) : 0;

	if (type == 0) {
		ERR_clear_error();
		return SUIT_KEY;
	}
	struct suit_key *key = OPENSSL_zalloc(sizeof(*key));
	if (!key)
		return SUIT_CRYPTO;
	*key = (struct suit_key){ .pkey = pkey, .type = type, .is_private = is_private };
	pkey = NULL;
	*ret = key;
	return SUIT_OK;
}

static EVP_PKEY *generated(enum suit_key_type type, size_t rsa_bits)
{
	switch (type) {
	case SUIT_KEY_P256:
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	case SUIT_KEY_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case SUIT_KEY_P384:
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	case SUIT_KEY_RSA:
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", rsa_bits);
	}
	return NULL;
}

enum suit_rc suit_key_generate(enum suit_key_type type, struct suit_key **ret)
{
	EVP_PKEY *pkey = generated(type, 3072);

	return pkey ? key_wrap(pkey, true, ret) : SUIT_CRYPTO;
}

enum suit_rc suit_key_generate_rsa(unsigned bits, struct suit_key **ret)
{
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return SUIT_KEY;
	EVP_PKEY *pkey = generated(SUIT_KEY_RSA, bits);

	return pkey ? key_wrap(pkey, true, ret) : SUIT_CRYPTO;
}

/* Without a passphrase OpenSSL would ask on the terminal; this says no instead. */
static int passphrase_give(char *buf, int size, int writing, void *arg)
{
	const char *passphrase = arg;

	(void)writing;
	if (!passphrase || strlen(passphrase) > (size_t)size)
		return -1;
	size_t n = strlen(passphrase);
	memcpy(buf, passphrase, n);
	return (int)n;
}

enum suit_rc suit_key_from_private_pem(struct suit_bytes pem, const char *passphrase,
				       struct suit_key **ret)
{
	AUTO(bio) BIO *bio = pem.n <= SUIT_PEM_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;

	if (!bio)
		return SUIT_KEY;
	return key_wrap(PEM_read_bio_PrivateKey(bio, NULL, passphrase_give, (void *)passphrase),
			true, ret);
}

enum suit_rc suit_key_from_public_pem(struct suit_bytes pem, struct suit_key **ret)
{
	AUTO(bio) BIO *bio = pem.n <= SUIT_PEM_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;

	if (!bio)
		return SUIT_KEY;
	return key_wrap(PEM_read_bio_PUBKEY(bio, NULL, passphrase_give, NULL), false, ret);
}

enum suit_rc suit_key_from_spki(struct suit_bytes der, struct suit_key **ret)
{
	const uint8_t *p = der.p;

	if (der.n > SUIT_SPKI_MAX)
		return SUIT_KEY;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)der.n);
	if (pkey && p != der.p + der.n) {
		EVP_PKEY_free(pkey);
		return SUIT_KEY;
	}
	return key_wrap(pkey, false, ret);
}

enum suit_rc suit_key_from_cose(struct suit_bytes key, struct suit_key **ret)
{
	uint8_t spki[SUIT_SPKI_MAX];
	size_t n = 0;
	enum suit_rc rc = suit_cose_key_to_spki(key, spki, &n);

	return rc == SUIT_OK ? suit_key_from_spki((struct suit_bytes){ spki, n }, ret) : rc;
}

void suit_key_free(struct suit_key *key)
{
	if (!key)
		return;
	if (key->keeper && key->keeper->close)
		key->keeper->close(key->keeper_arg);
	EVP_PKEY_free(key->pkey);
	OPENSSL_free(key);
}

void suit_key_keep(struct suit_key *key, const struct suit_key_keeper *keeper, void *arg)
{
	key->keeper = keeper;
	key->keeper_arg = arg;
	key->is_private = true;
}

enum suit_key_type suit_key_type(const struct suit_key *key)
{
	return key->type;
}

bool suit_key_is_private(const struct suit_key *key)
{
	return key->is_private;
}

enum suit_alg suit_key_alg(const struct suit_key *key)
{
	return kinds[key->type].alg;
}

const char *suit_key_type_text(enum suit_key_type type)
{
	return kinds[type].name;
}

enum suit_rc suit_key_spki(const struct suit_key *key, uint8_t *buf, size_t size, size_t *ret_n)
{
	AUTO(der) uint8_t *der = NULL;
	int n = i2d_PUBKEY(key->pkey, &der);

	if (n <= 0)
		return SUIT_CRYPTO;
	*ret_n = (size_t)n;
	if ((size_t)n > size)
		return SUIT_NO_SPACE;
	memcpy(buf, der, (size_t)n);
	return SUIT_OK;
}

enum suit_rc suit_key_kid(const struct suit_key *key, uint8_t ret[SUIT_KID_SIZE])
{
	uint8_t spki[SUIT_SPKI_MAX];
	struct suit_digest digest;
	size_t n = 0;
	enum suit_rc rc = suit_key_spki(key, spki, sizeof(spki), &n);

	if (rc != SUIT_OK)
		return rc;
	struct suit_message m = { .piece = { { spki, n } }, .count = 1 };
	rc = hash_sha256(&m, &digest);
	if (rc == SUIT_OK)
		memcpy(ret, digest.b, SUIT_KID_SIZE);
	return rc;
}

static enum suit_rc bio_text(BIO *bio, char *buf, size_t size)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	if (n <= 0)
		return SUIT_CRYPTO;
	if ((size_t)n >= size)
		return SUIT_NO_SPACE;
	memcpy(buf, p, (size_t)n);
	buf[n] = '\0';
	return SUIT_OK;
}

/* PBES2 with scrypt (RFC 7914) and AES-256.  PEM_write_bio_PKCS8PrivateKey() would take 2048
 * rounds of PBKDF2, which is no obstacle to somebody who guesses. */
static X509_SIG *locked(EVP_PKEY *pkey, const char *passphrase)
{
	AUTO(pkcs8) PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(pkey);
	AUTO(algorithm)
	X509_ALGOR *how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N,
						SCRYPT_R, SCRYPT_P);

	if (!plain || !how)
		return NULL;
	X509_SIG *sig = PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how);
	if (sig)
		how = NULL; /* it is in there */
	return sig;
}

enum suit_rc suit_key_private_pem(const struct suit_key *key, const char *passphrase, char *buf,
				  size_t size)
{
	AUTO(bio) BIO *bio = BIO_new(BIO_s_secmem());
	AUTO(locked) X509_SIG *sig = NULL;

	if (!key->is_private || key->keeper)
		return SUIT_KEY;
	if (!bio)
		return SUIT_CRYPTO;
	if (passphrase) {
		sig = locked(key->pkey, passphrase);
		if (!sig || PEM_write_bio_PKCS8(bio, sig) != 1)
			return SUIT_CRYPTO;
	} else if (PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) !=
		   1) {
		return SUIT_CRYPTO;
	}
	return bio_text(bio, buf, size);
}

enum suit_rc suit_key_public_pem(const struct suit_key *key, char *buf, size_t size)
{
	AUTO(bio) BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || PEM_write_bio_PUBKEY(bio, key->pkey) != 1)
		return SUIT_CRYPTO;
	return bio_text(bio, buf, size);
}
