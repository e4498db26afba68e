/* OpenSSL's objects to PEM and DER in an arena; PEM of a peer to DER. */
#include "certs/encode.h"

#include "base/hash.h"
#include "certs/certs.h"

#include <openssl/pem.h>

#include <string.h>

#define CSR_PEM_MAX 16384

static char *take_text(struct arena *mem, BIO *bio)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	if (n < 0)
		return NULL;
	char *text = arena_alloc(mem, (size_t)n + 1);
	memcpy(text, p, (size_t)n);
	return text;
}

char *encode_cert_pem(struct arena *mem, X509 *x)
{
	CLEAN(bio) BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || PEM_write_bio_X509(bio, x) != 1)
		return NULL;
	return take_text(mem, bio);
}

char *encode_key_pem(struct arena *mem, EVP_PKEY *key)
{
	CLEAN(bio) BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return NULL;
	return take_text(mem, bio);
}

enum rc encode_cert_der(struct arena *mem, X509 *x, struct bytes *ret)
{
	int n = i2d_X509(x, NULL);

	if (n <= 0)
		return RC_INTERNAL;
	uint8_t *p = arena_alloc(mem, (size_t)n), *end = p;
	i2d_X509(x, &end);
	*ret = (struct bytes){ p, (size_t)n };
	return RC_OK;
}

enum rc encode_csr_der(struct arena *mem, X509_REQ *r, struct bytes *ret)
{
	int n = i2d_X509_REQ(r, NULL);

	if (n <= 0)
		return RC_INTERNAL;
	uint8_t *p = arena_alloc(mem, (size_t)n), *end = p;
	i2d_X509_REQ(r, &end);
	*ret = (struct bytes){ p, (size_t)n };
	return RC_OK;
}

char *cert_pem(struct arena *mem, struct bytes der)
{
	const uint8_t *p = der.p;
	CLEAN(x509) X509 *x = d2i_X509(NULL, &p, (long)der.n);

	return x ? encode_cert_pem(mem, x) : NULL;
}

enum rc cert_csr_from_pem(const char *pem, struct arena *mem, struct bytes *ret_der)
{
	size_t n = strlen(pem);

	if (n > CSR_PEM_MAX)
		return RC_TOO_LARGE;
	CLEAN(bio) BIO *bio = BIO_new_mem_buf(pem, (int)n);
	CLEAN(x509_req)
	X509_REQ *r = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
	return r ? encode_csr_der(mem, r, ret_der) : RC_INVALID;
}

void cert_fingerprint(struct bytes der, struct digest *ret)
{
	sha256_of(der, ret);
}
