/* The server's own certificate: kept as long as it is good, made again when it is not. */
#include "certs/profile.h"

#include "base/clock.h"
#include "certs/encode.h"
#include "certs/pem_file.h"

#include <openssl/pem.h>

#include <string.h>
#include <time.h>

#define RENEW_BEFORE_S  (30 * 86400)
#define SERVER_DAYS_MAX 398

static BIO *open_pem(const char *path, struct arena *mem)
{
	struct bytes text;

	if (pem_file_read(path, mem, &text) != RC_OK)
		return NULL;
	return BIO_new_mem_buf(text.p, (int)text.n);
}

static bool names_host(X509 *x, const char *host)
{
	return X509_check_host(x, host, 0, 0, NULL) == 1 || X509_check_ip_asc(x, host, 0) == 1;
}

/* Ours, for this key, for every host, not about to end, and begun: one that was made while the
 * clock was wrong is no good when it is right. */
static bool is_good(struct certs *c, X509 *x, EVP_PKEY *key, const struct cert_request *r)
{
	time_t now = time(NULL), soon = now + RENEW_BEFORE_S;

	if (X509_cmp_time(X509_get0_notBefore(x), &now) >= 0)
		return false;
	if (X509_check_private_key(x, key) != 1 || X509_verify(x, c->key) != 1 ||
	    X509_cmp_time(X509_get0_notAfter(x), &soon) <= 0)
		return false;
	for (int i = 0; i < r->host_count; i++)
		if (!names_host(x, r->hosts[i]))
			return false;
	return true;
}

bool certs_server_good(struct certs *c, const char *cert_path, const char *key_path,
		       const struct cert_request *r)
{
	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(bio) BIO *cert_bio = open_pem(cert_path, mem);
	CLEAN(bio) BIO *key_bio = open_pem(key_path, mem);
	CLEAN(x509) X509 *x = cert_bio ? PEM_read_bio_X509(cert_bio, NULL, NULL, NULL) : NULL;
	CLEAN(pkey)
	EVP_PKEY *key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL) : NULL;

	return x && key && is_good(c, x, key, r);
}

enum rc certs_ensure_server(struct certs *c, const char *cert_path, const char *key_path,
			    const struct cert_request *r)
{
	if (certs_server_good(c, cert_path, key_path, r))
		return RC_OK;

	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(pkey) EVP_PKEY *key = profile_make_key();
	CLEAN(x509) X509 *x = NULL;
	struct cert_request capped = *r;
	struct profile p = { .kind = PROFILE_SERVER,
			     .request = &capped,
			     .subject_key = key,
			     .issuer = c->issuing,
			     .issuer_key = c->key };

	if (capped.days > SERVER_DAYS_MAX)
		capped.days = SERVER_DAYS_MAX;
	if (!key)
		return RC_INTERNAL;
	enum rc rc = profile_sign(&p, &x);
	if (rc != RC_OK)
		return rc;
	char *leaf = encode_cert_pem(mem, x), *key_pem = encode_key_pem(mem, key);
	if (!leaf || !key_pem)
		return RC_INTERNAL;
	/* A crash between the two leaves a pair that does not fit: it is made again. */
	rc = pem_file_write(key_path, bytes_of(key_pem), 0600);
	if (rc != RC_OK)
		return rc;
	return pem_file_write(cert_path,
			      bytes_of(arena_printf(mem, "%s%s", leaf, c->chain_pem)), 0644);
}

enum rc cert_file_end(const char *path, int64_t *ret_us)
{
	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(bio) BIO *in = open_pem(path, mem);
	CLEAN(x509) X509 *x = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	struct tm end;

	if (!x || ASN1_TIME_to_tm(X509_get0_notAfter(x), &end) != 1)
		return RC_INVALID;
	*ret_us = (int64_t)timegm(&end) * USEC_PER_SEC;
	return RC_OK;
}
