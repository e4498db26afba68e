/* Ciphers, key wrap and key agreement by OpenSSL 3.  Errors must not stay in the thread's
 * queue, as in crypto_openssl.c. */

#include "suit/crypto_openssl_cipher.h"

#include "suit/crypto_openssl.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <string.h>

#define POINT_SIZE   65         /* 4, x, y */
#define UPDATE_BYTES (1u << 30) /* OpenSSL counts in int */

struct suit_cipher {
	EVP_CIPHER_CTX *ctx;
};

static void free_cipher(EVP_CIPHER_CTX **p)
{
	EVP_CIPHER_CTX_free(*p);
}
static void free_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}
static void free_pkey_ctx(EVP_PKEY_CTX **p)
{
	EVP_PKEY_CTX_free(*p);
}
static void free_mac(EVP_MAC **p)
{
	EVP_MAC_free(*p);
}
static void free_mac_ctx(EVP_MAC_CTX **p)
{
	EVP_MAC_CTX_free(*p);
}
#define AUTO(kind) __attribute__((cleanup(free_##kind)))

static enum suit_rc quiet(enum suit_rc rc)
{
	if (rc != SUIT_OK)
		ERR_clear_error();
	return rc;
}

enum suit_rc suit_openssl_random(uint8_t *ret, size_t n)
{
	return quiet(n <= INT32_MAX && RAND_bytes(ret, (int)n) == 1 ? SUIT_OK : SUIT_CRYPTO);
}

enum suit_rc suit_openssl_hmac(struct suit_bytes key, const struct suit_message *m,
			       uint8_t ret[32])
{
	char name[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name,
								 0),
				OSSL_PARAM_construct_end() };
	AUTO(mac) EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	AUTO(mac_ctx) EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	size_t n = 0;

	if (!ctx || EVP_MAC_init(ctx, key.p, key.n, params) != 1)
		return quiet(SUIT_CRYPTO);
	for (size_t i = 0; i < m->count; i++)
		if (EVP_MAC_update(ctx, m->piece[i].p, m->piece[i].n) != 1)
			return quiet(SUIT_CRYPTO);
	return quiet(EVP_MAC_final(ctx, ret, &n, 32) == 1 && n == 32 ? SUIT_OK : SUIT_CRYPTO);
}

/* --- key wrap ----------------------------------------------------------------------------- */

static enum suit_rc wrap(struct suit_bytes kek, bool encrypt, struct suit_bytes in,
			 uint8_t *ret, size_t want)
{
	AUTO(cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const EVP_CIPHER *cipher = kek.n == 16 ? EVP_aes_128_wrap() : EVP_aes_256_wrap();
	int n = 0;

	if (kek.n != 16 && kek.n != 32)
		return SUIT_KEY;
	if (!ctx || in.n > INT32_MAX)
		return SUIT_CRYPTO;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_CipherInit_ex(ctx, cipher, NULL, kek.p, NULL, encrypt) != 1)
		return SUIT_CRYPTO;
	if (EVP_CipherUpdate(ctx, ret, &n, in.p, (int)in.n) != 1 || n != (int)want)
		return encrypt ? SUIT_CRYPTO : SUIT_DECRYPT;
	return SUIT_OK;
}

enum suit_rc suit_openssl_aes_wrap(struct suit_bytes kek, struct suit_bytes plain, uint8_t *ret)
{
	return quiet(wrap(kek, true, plain, ret, plain.n + 8));
}

enum suit_rc suit_openssl_aes_unwrap(struct suit_bytes kek, struct suit_bytes wrapped,
				     uint8_t *ret)
{
	if (wrapped.n < 24)
		return SUIT_DECRYPT;
	return quiet(wrap(kek, false, wrapped, ret, wrapped.n - 8));
}

/* --- key agreement ------------------------------------------------------------------------ */

/* NULL when it is no point of the curve: OpenSSL checks that as it reads it. */
static EVP_PKEY *point_key(const struct suit_point *point)
{
	uint8_t bytes[POINT_SIZE] = { 4 };
	char group[] = "P-256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
								 group, 0),
				OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
								  bytes, sizeof(bytes)),
				OSSL_PARAM_construct_end() };
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *ret = NULL;

	memcpy(bytes + 1, point->x, 32);
	memcpy(bytes + 33, point->y, 32);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return ret;
}

static enum suit_rc derive(EVP_PKEY *own, EVP_PKEY *peer, uint8_t ret[32])
{
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	size_t n = 32;

	if (!ctx || EVP_PKEY_derive_init(ctx) != 1)
		return SUIT_CRYPTO;
	if (EVP_PKEY_derive_set_peer(ctx, peer) != 1)
		return SUIT_KEY;
	return EVP_PKEY_derive(ctx, ret, &n) == 1 && n == 32 ? SUIT_OK : SUIT_CRYPTO;
}

enum suit_rc suit_openssl_ecdh(const struct suit_key *own, const struct suit_point *peer,
			       uint8_t ret[32])
{
	void *arg;
	const struct suit_key_keeper *keeper = suit_openssl_keeper(own, &arg);

	if (suit_key_type(own) != SUIT_KEY_P256 || !suit_key_is_private(own) ||
	    (keeper && !keeper->ecdh))
		return SUIT_KEY;
	/* Not every token looks whether it is a point; one of another curve gives bits of the
	 * private key away. */
	AUTO(pkey) EVP_PKEY *other = point_key(peer);
	if (!other)
		return quiet(SUIT_KEY);
	if (keeper)
		return keeper->ecdh(arg, peer, ret);
	return quiet(derive(suit_openssl_pkey(own), other, ret));
}

static enum suit_rc point_of(EVP_PKEY *pkey, struct suit_point *ret)
{
	uint8_t bytes[POINT_SIZE];
	size_t n = 0;

	if (EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, bytes, sizeof(bytes),
					    &n) != 1 ||
	    n != sizeof(bytes) || bytes[0] != 4)
		return SUIT_CRYPTO;
	memcpy(ret->x, bytes + 1, 32);
	memcpy(ret->y, bytes + 33, 32);
	return SUIT_OK;
}

enum suit_rc suit_openssl_ecdh_send(const struct suit_key *peer, struct suit_point *ret_own,
				    uint8_t ret[32])
{
	if (suit_key_type(peer) != SUIT_KEY_P256)
		return SUIT_KEY;
	AUTO(pkey) EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	if (!own)
		return quiet(SUIT_CRYPTO);
	enum suit_rc rc = point_of(own, ret_own);
	if (rc == SUIT_OK)
		rc = derive(own, suit_openssl_pkey(peer), ret);
	return quiet(rc);
}

/* --- ciphers ------------------------------------------------------------------------------ */

static const EVP_CIPHER *cipher_of(enum suit_alg alg)
{
	static const struct {
		enum suit_alg alg;
		const EVP_CIPHER *(*cipher)(void);
	} ciphers[] = {
		{ SUIT_ALG_A128GCM, EVP_aes_128_gcm },
		{ SUIT_ALG_A256GCM, EVP_aes_256_gcm },
		{ SUIT_ALG_A128CTR, EVP_aes_128_ctr },
		{ SUIT_ALG_A256CTR, EVP_aes_256_ctr },
		{ SUIT_ALG_CHACHA20, EVP_chacha20_poly1305 },
	};

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (ciphers[i].alg == alg)
			return ciphers[i].cipher();
	return NULL;
}

static enum suit_rc cipher_start(EVP_CIPHER_CTX *ctx, const struct suit_cipher_setup *s)
{
	const EVP_CIPHER *cipher = cipher_of(s->alg);
	int n = 0;

	if (!cipher)
		return SUIT_UNSUPPORTED;
	if (s->key.n != (size_t)EVP_CIPHER_get_key_length(cipher) ||
	    s->iv.n != (size_t)EVP_CIPHER_get_iv_length(cipher) || s->aad.n > INT32_MAX)
		return SUIT_KEY;
	if (EVP_CipherInit_ex(ctx, cipher, NULL, s->key.p, s->iv.p, s->encrypt) != 1)
		return SUIT_CRYPTO;
	if (s->aad.n > 0 && EVP_CipherUpdate(ctx, NULL, &n, s->aad.p, (int)s->aad.n) != 1)
		return SUIT_CRYPTO;
	return SUIT_OK;
}

enum suit_rc suit_openssl_cipher_open(const struct suit_cipher_setup *setup,
				      struct suit_cipher **ret)
{
	AUTO(cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	enum suit_rc rc = ctx ? cipher_start(ctx, setup) : SUIT_CRYPTO;

	if (rc != SUIT_OK)
		return quiet(rc);
	struct suit_cipher *c = OPENSSL_zalloc(sizeof(*c));
	if (!c)
		return quiet(SUIT_CRYPTO);
	c->ctx = ctx;
	ctx = NULL;
	*ret = c;
	return SUIT_OK;
}

enum suit_rc suit_openssl_cipher_update(struct suit_cipher *c, struct suit_bytes in,
					uint8_t *out)
{
	while (in.n > 0) {
		size_t part = in.n < UPDATE_BYTES ? in.n : UPDATE_BYTES;
		int n = 0;
		if (EVP_CipherUpdate(c->ctx, out, &n, in.p, (int)part) != 1 || n != (int)part)
			return quiet(SUIT_CRYPTO);
		in.p += part;
		in.n -= part;
		out += part;
	}
	return SUIT_OK;
}

enum suit_rc suit_openssl_cipher_tag(struct suit_cipher *c, uint8_t ret[SUIT_TAG_SIZE])
{
	int n = 0;

	if (EVP_EncryptFinal_ex(c->ctx, ret, &n) != 1 || n != 0 ||
	    EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_GET_TAG, SUIT_TAG_SIZE, ret) != 1)
		return quiet(SUIT_CRYPTO);
	return SUIT_OK;
}

enum suit_rc suit_openssl_cipher_check(struct suit_cipher *c, const uint8_t tag[SUIT_TAG_SIZE])
{
	uint8_t copy[SUIT_TAG_SIZE], nothing[SUIT_TAG_SIZE];
	int n = 0;

	memcpy(copy, tag, sizeof(copy));
	if (EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_SET_TAG, SUIT_TAG_SIZE, copy) != 1)
		return quiet(SUIT_CRYPTO);
	return quiet(EVP_DecryptFinal_ex(c->ctx, nothing, &n) == 1 && n == 0 ? SUIT_OK
									     : SUIT_DECRYPT);
}

void suit_openssl_cipher_close(struct suit_cipher *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->ctx);
	OPENSSL_free(c);
}
