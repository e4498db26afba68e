/* OpenSSL's objects to PEM and DER in an arena.  For certs/ alone. */
#pragma once

#include "base/bytes.h"
#include "certs/ossl.h"

/* NULL when OpenSSL fails. */
char *encode_cert_pem(struct arena *mem, X509 *x);
/* PKCS#8, not encrypted: the file's mode protects it. */
char *encode_key_pem(struct arena *mem, EVP_PKEY *key);
enum rc encode_cert_der(struct arena *mem, X509 *x, struct bytes *ret) MUST_CHECK;
enum rc encode_csr_der(struct arena *mem, X509_REQ *r, struct bytes *ret) MUST_CHECK;
