/* An author's key out of a certificate, for devices that trust an authority instead of keys. */

#include "suit/crypto_openssl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>

static void free_certificate(X509 **p)
{
	X509_free(*p);
}
static void free_store(X509_STORE **p)
{
	X509_STORE_free(*p);
}
static void free_store_ctx(X509_STORE_CTX **p)
{
	X509_STORE_CTX_free(*p);
}
static void free_stack(STACK_OF(X509) * *p)
{
	sk_X509_pop_free(*p, X509_free);
}
static void free_der(uint8_t **p)
{
	OPENSSL_free(*p);
}
static void free_bio(BIO **p)
{
	BIO_free(*p);
}
#define AUTO(kind) __attribute__((cleanup(free_##kind)))

/* NULL when it is none, or has bytes left over. */
static X509 *certificate(struct suit_bytes der)
{
	const uint8_t *p = der.p;

	if (der.n == 0 || der.n > SUIT_CERT_MAX)
		return NULL;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);
	if (x && p != der.p + der.n) {
		X509_free(x);
		return NULL;
	}
	return x;
}

static enum suit_rc store_fill(X509_STORE *store, struct suit_certificates anchors)
{
	for (size_t i = 0; i < anchors.count; i++) {
		AUTO(certificate) X509 *x = certificate(anchors.der[i]);
		if (!x)
			return SUIT_MALFORMED;
		if (X509_STORE_add_cert(store, x) != 1)
			return SUIT_CRYPTO;
	}
	return SUIT_OK;
}

static enum suit_rc stack_fill(STACK_OF(X509) * stack, struct suit_certificates chain)
{
	for (size_t i = 1; i < chain.count; i++) {
		X509 *x = certificate(chain.der[i]);
		if (!x)
			return SUIT_MALFORMED;
		if (sk_X509_push(stack, x) <= 0) {
			X509_free(x);
			return SUIT_CRYPTO;
		}
	}
	return SUIT_OK;
}

/* 112 bits of security for every key and hash of the chain; an anchor may itself be issued by
 * somebody else. */
static void rules_set(X509_STORE_CTX *ctx, int64_t now_s)
{
	X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(ctx);

	X509_VERIFY_PARAM_set_time(rules, (time_t)now_s);
	X509_VERIFY_PARAM_set_auth_level(rules, 2);
	X509_VERIFY_PARAM_set_depth(rules, SUIT_CHAIN_MAX);
	X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT);
}

static bool may_sign(X509 *leaf)
{
	return (X509_get_extension_flags(leaf) & EXFLAG_KUSAGE) != 0 &&
	       (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0;
}

static enum suit_rc key_of(X509 *leaf, struct suit_key **ret)
{
	AUTO(der) uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);

	if (n <= 0)
		return SUIT_CRYPTO;
	return suit_key_from_spki((struct suit_bytes){ der, (size_t)n }, ret);
}

static enum suit_rc key_noisily(struct suit_certificates chain,
				struct suit_certificates anchors, int64_t now_s,
				struct suit_key **ret)
{
	AUTO(store) X509_STORE *store = X509_STORE_new();
	AUTO(store_ctx) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	AUTO(stack) STACK_OF(X509) *stack = sk_X509_new_null();
	AUTO(certificate) X509 *leaf = NULL;

	if (chain.count == 0 || chain.count > SUIT_CHAIN_MAX)
		return chain.count == 0 ? SUIT_MISSING : SUIT_TOO_LARGE;
	if (!store || !ctx || !stack)
		return SUIT_CRYPTO;
	leaf = certificate(chain.der[0]);
	if (!leaf)
		return SUIT_MALFORMED;
	enum suit_rc rc = store_fill(store, anchors);
	if (rc == SUIT_OK)
		rc = stack_fill(stack, chain);
	if (rc != SUIT_OK)
		return rc;
	if (X509_STORE_CTX_init(ctx, store, leaf, stack) != 1)
		return SUIT_CRYPTO;
	rules_set(ctx, now_s);
	if (X509_verify_cert(ctx) != 1 || !may_sign(leaf))
		return SUIT_CERTIFICATE;
	return key_of(leaf, ret);
}

/* As in crypto_openssl.c: no error stays in the thread's queue. */
enum suit_rc suit_key_from_certificate(struct suit_certificates chain,
				       struct suit_certificates anchors, int64_t now_s,
				       struct suit_key **ret)
{
	enum suit_rc rc = key_noisily(chain, anchors, now_s, ret);

	if (rc != SUIT_OK)
		ERR_clear_error();
	return rc;
}

/* A certificate is not encrypted: nobody is asked on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

enum suit_rc suit_certificate_from_pem(struct suit_bytes pem, uint8_t buf[SUIT_CERT_MAX],
				       size_t *ret_n)
{
	AUTO(bio)
	BIO *bio = pem.n <= 2 * SUIT_CERT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	AUTO(certificate)
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
	AUTO(der) uint8_t *der = NULL;
	int n = x ? i2d_X509(x, &der) : 0;

	if (n <= 0 || n > SUIT_CERT_MAX) {
		ERR_clear_error();
		return n > 0 ? SUIT_TOO_LARGE : SUIT_MALFORMED;
	}
	memcpy(buf, der, (size_t)n);
	*ret_n = (size_t)n;
	return SUIT_OK;
}
