/* Signing: a request proves possession of its key and gives that key; all the rest of the
 * certificate comes from our profile. */
#include "certs/profile.h"

#include "certs/encode.h"

#include <string.h>

#define CSR_DER_MAX     8192
#define CLIENT_DAYS_MAX 825
/* A device's life may come out a tenth longer than what was asked for. */
#define DEVICE_DAYS_MAX 750

static enum rc csr_key(struct bytes der, EVP_PKEY **ret, const char **ret_why)
{
	const uint8_t *p = der.p;

	*ret_why = "the certificate request is malformed";
	if (der.n > CSR_DER_MAX)
		return RC_TOO_LARGE;
	CLEAN(x509_req) X509_REQ *r = d2i_X509_REQ(NULL, &p, (long)der.n);
	if (!r || p != der.p + der.n)
		return RC_INVALID;

	EVP_PKEY *key = X509_REQ_get0_pubkey(r);
	*ret_why = "the key of the certificate request is not a P-256 key";
	if (!profile_key_ok(key))
		return RC_INVALID;
	*ret_why = "the certificate request does not prove that you have its key";
	if (X509_REQ_verify(r, key) != 1)
		return RC_INVALID;
	EVP_PKEY_up_ref(key);
	*ret = key;
	return RC_OK;
}

static enum rc sign_client(struct profile *p, struct bytes csr_der, struct arena *mem,
			   struct bytes *ret_der, const char **ret_why)
{
	CLEAN(pkey) EVP_PKEY *key = NULL;
	CLEAN(x509) X509 *x = NULL;

	enum rc rc = csr_key(csr_der, &key, ret_why);
	if (rc != RC_OK)
		return rc;
	*ret_why = "the name cannot be in a certificate";
	p->subject_key = key;
	rc = profile_sign(p, &x);
	if (rc != RC_OK)
		return rc;
	return encode_cert_der(mem, x, ret_der);
}

enum rc certs_sign_device(struct certs *c, struct bytes csr_der, const struct cert_request *r,
			  struct arena *mem, struct bytes *ret_der, const char **ret_why)
{
	struct cert_request capped = *r;
	struct profile p = { .kind = PROFILE_DEVICE,
			     .request = &capped,
			     .issuer = c->issuing,
			     .issuer_key = c->key };

	if (capped.days > DEVICE_DAYS_MAX)
		capped.days = DEVICE_DAYS_MAX;
	return sign_client(&p, csr_der, mem, ret_der, ret_why);
}

enum rc certs_sign_operator(struct certs *c, struct bytes csr_der, const struct cert_request *r,
			    struct arena *mem, struct bytes *ret_der, const char **ret_why)
{
	struct cert_request capped = *r;
	struct profile p = { .kind = PROFILE_OPERATOR,
			     .request = &capped,
			     .issuer = c->issuing,
			     .issuer_key = c->key };

	if (capped.days > CLIENT_DAYS_MAX)
		capped.days = CLIENT_DAYS_MAX;
	return sign_client(&p, csr_der, mem, ret_der, ret_why);
}

static X509_REQ *csr_make(const char *common_name, EVP_PKEY *key)
{
	CLEAN(x509_req) X509_REQ *r = X509_REQ_new();

	if (!r || X509_REQ_set_version(r, X509_REQ_VERSION_1) != 1 ||
	    X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(r), NID_commonName,
				       MBSTRING_UTF8, (const uint8_t *)common_name, -1, -1,
				       0) != 1 ||
	    X509_REQ_set_pubkey(r, key) != 1 || X509_REQ_sign(r, key, EVP_sha256()) <= 0)
		return NULL;
	return TAKE(r);
}

enum rc cert_request_create(const char *common_name, struct arena *mem,
			    const char **ret_key_pem, struct bytes *ret_csr_der)
{
	CLEAN(pkey) EVP_PKEY *key = profile_make_key();
	CLEAN(x509_req) X509_REQ *r = key ? csr_make(common_name, key) : NULL;

	if (!r)
		return RC_INVALID;
	const char *pem = encode_key_pem(mem, key);
	if (!pem)
		return RC_INTERNAL;
	enum rc rc = encode_csr_der(mem, r, ret_csr_der);
	if (rc == RC_OK)
		*ret_key_pem = pem;
	return rc;
}
