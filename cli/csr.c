/* A device's private key and certificate request (PKCS#10) by OpenSSL.  The only file of cli/
 * that uses it: keys of devices are no matter of suit/, which knows authors only. */

#include "cli/csr.h"

#include "base/bytes.h"
#include "base/clean.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

CLEAN_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free)
CLEAN_DEFINE(request, X509_REQ *, X509_REQ_free)
CLEAN_DEFINE(bio, BIO *, BIO_free_all)

static char *bio_text(BIO *bio, struct arena *mem)
{
	char *data;
	long n = BIO_get_mem_data(bio, &data);
	return bytes_text(mem, (struct bytes){ (const uint8_t *)data, n > 0 ? (size_t)n : 0 });
}

static enum rc sign_request(X509_REQ *request, const char *endpoint, EVP_PKEY *key)
{
	X509_NAME *name = X509_REQ_get_subject_name(request);
	if (!X509_REQ_set_version(request, X509_REQ_VERSION_1) ||
	    !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					(const unsigned char *)endpoint, -1, -1, 0) ||
	    !X509_REQ_set_pubkey(request, key) || !X509_REQ_sign(request, key, EVP_sha256()))
		return RC_INVALID;
	return RC_OK;
}

enum rc csr_create(const char *endpoint, struct arena *mem, char **ret_key_pem,
		   char **ret_csr_pem)
{
	CLEAN(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
	CLEAN(request) X509_REQ *request = X509_REQ_new();
	CLEAN(bio) BIO *key_bio = BIO_new(BIO_s_secmem());
	CLEAN(bio) BIO *csr_bio = BIO_new(BIO_s_mem());
	if (!key || !request || !key_bio || !csr_bio)
		return RC_INTERNAL;
	enum rc rc = sign_request(request, endpoint, key);
	if (rc != RC_OK)
		return rc;
	if (!PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) ||
	    !PEM_write_bio_X509_REQ(csr_bio, request))
		return RC_INTERNAL;
	*ret_key_pem = bio_text(key_bio, mem);
	*ret_csr_pem = bio_text(csr_bio, mem);
	return RC_OK;
}
