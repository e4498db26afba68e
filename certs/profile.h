/* Certificate profiles: every field and extension of what our CA signs is decided here and
 * nowhere else.  For certs/ alone. */
#pragma once

#include "base/bytes.h"
#include "certs/certs.h"
#include "certs/ossl.h"

#include <stdbool.h>

struct certs {
	X509 *root, *issuing;
	EVP_PKEY *key; /* of the issuing CA */
	char *root_pem, *chain_pem;
};

enum profile_kind {
	PROFILE_ROOT,
	PROFILE_ISSUING,
	PROFILE_SERVER,
	PROFILE_OPERATOR,
	PROFILE_DEVICE
};

struct profile {
	enum profile_kind kind;
	const struct cert_request *request;
	EVP_PKEY *subject_key;
	X509 *issuer; /* NULL: self-signed */
	EVP_PKEY *issuer_key;
};

/* RC_INVALID when the common name or a host cannot be in a certificate. */
enum rc profile_sign(const struct profile *p, X509 **ret) MUST_CHECK;
EVP_PKEY *profile_make_key(void);
/* P-256, a named curve, a point on it. */
bool profile_key_ok(EVP_PKEY *key);
