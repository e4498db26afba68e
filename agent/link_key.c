/* OpenSSL 3.0 asks a method of the EC key for each signature.  That interface is deprecated in
 * favour of providers, but a provider for one function would be several hundred lines, and
 * Debian 12 has none for tokens. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "agent/link_key.h"

#include "suit/crypto_openssl_cipher.h"

#include <openssl/ec.h>
#include <openssl/err.h>

static int key_index = -1;
static EC_KEY_METHOD *method;

static ECDSA_SIG *sig_of(const uint8_t *raw, size_t half)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, (int)half, NULL),
	       *s = BN_bin2bn(raw + half, (int)half, NULL);
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1)
		return sig;
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return NULL;
}

/* A hash that is longer than the curve counts from its left (FIPS 186-5, 6.4). */
static ECDSA_SIG *sign(const unsigned char *hash, int n, const BIGNUM *inverse, const BIGNUM *r,
		       EC_KEY *ec)
{
	struct suit_key *key = EC_KEY_get_ex_data(ec, key_index);
	enum suit_key_type type = suit_key_type(key);
	size_t half = type == SUIT_KEY_P384 ? 48 : 32, size = 0;
	uint8_t raw[SUIT_SIGNATURE_MAX];
	void *arg;
	const struct suit_key_keeper *keeper = suit_openssl_keeper(key, &arg);
	struct suit_bytes of = { hash, (size_t)n < half ? (size_t)n : half };
	(void)inverse;
	(void)r;
	if (keeper->sign(arg, type, of, raw, &size) == SUIT_OK && size == 2 * half)
		return sig_of(raw, half);
	ERR_raise(ERR_LIB_EC, ERR_R_OPERATION_FAIL);
	return NULL;
}

static bool make_method(void)
{
	int (*whole)(int, const unsigned char *, int, unsigned char *, unsigned int *,
		     const BIGNUM *, const BIGNUM *, EC_KEY *);
	if (method)
		return true;
	if (key_index < 0)
		key_index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	method = key_index < 0 ? NULL : EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	if (!method)
		return false;
	EC_KEY_METHOD_get_sign(EC_KEY_OpenSSL(), &whole, NULL, NULL);
	EC_KEY_METHOD_set_sign(method, whole, NULL, sign);
	return true;
}

/* With the public half alone. */
static EC_KEY *make_ec(struct suit_key *key)
{
	EC_KEY *ec = EVP_PKEY_get1_EC_KEY(suit_openssl_pkey(key));
	EC_KEY *own = ec ? EC_KEY_dup(ec) : NULL;
	EC_KEY_free(ec);
	if (own && EC_KEY_set_method(own, method) == 1 &&
	    EC_KEY_set_ex_data(own, key_index, key) == 1)
		return own;
	EC_KEY_free(own);
	return NULL;
}

EVP_PKEY *link_key_of(struct suit_key *key)
{
	void *arg;
	const struct suit_key_keeper *keeper = suit_openssl_keeper(key, &arg);
	enum suit_key_type type = suit_key_type(key);
	if (!keeper || !keeper->sign || (type != SUIT_KEY_P256 && type != SUIT_KEY_P384) ||
	    !make_method())
		return NULL;
	EVP_PKEY *ret = EVP_PKEY_new();
	EC_KEY *ec = ret ? make_ec(key) : NULL;
	if (ec && EVP_PKEY_assign(ret, EVP_PKEY_EC, ec) == 1)
		return ret;
	EC_KEY_free(ec);
	EVP_PKEY_free(ret);
	ERR_clear_error();
	return NULL;
}
