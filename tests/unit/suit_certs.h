/* Certificates that tests issue. */
#pragma once

#include "suit/crypto_openssl.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define DAY  86400
#define NOW  1800000000
#define FROM 1700000000 /* all are valid from here */

struct made {
	EVP_PKEY *pkey;
	X509 *x;
	uint8_t der[SUIT_CERT_MAX];
	struct suit_bytes bytes;
};

struct wish {
	const char *name, *usage; /* NULL: no key usage */
	bool ca;
	const EVP_MD *md;
	int64_t until;
};

static inline void extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!e || X509_add_ext(x, e, -1) != 1)
		abort();
	X509_EXTENSION_free(e);
}

/* by NULL: signed by itself.  Takes pkey over. */
static inline void certificate_make(struct made *m, struct made *by, EVP_PKEY *pkey,
				    const struct wish *wish)
{
	X509 *x = X509_new(), *issuer = by ? by->x : x;
	uint8_t *p = m->der;

	m->pkey = pkey;
	m->x = x;
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1 + (long)strlen(wish->name));
	ASN1_TIME_set(X509_getm_notBefore(x), FROM);
	ASN1_TIME_set(X509_getm_notAfter(x), wish->until);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
				   (const uint8_t *)wish->name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(issuer));
	X509_set_pubkey(x, pkey);
	extension(x, issuer, NID_basic_constraints,
		  wish->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (wish->usage)
		extension(x, issuer, NID_key_usage, wish->usage);
	extension(x, issuer, NID_subject_key_identifier, "hash");
	if (by)
		extension(x, issuer, NID_authority_key_identifier, "keyid");
	if (X509_sign(x, by ? by->pkey : pkey, wish->md) <= 0 ||
	    i2d_X509(x, NULL) > SUIT_CERT_MAX)
		abort();
	m->bytes = (struct suit_bytes){ m->der, (size_t)i2d_X509(x, &p) };
}

static inline void certificate_finish(struct made *m)
{
	X509_free(m->x);
	EVP_PKEY_free(m->pkey);
}
