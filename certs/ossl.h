/* Cleanup kinds for OpenSSL's objects.  For certs/ alone. */
#pragma once

#include "base/clean.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

CLEAN_DEFINE(x509, X509 *, X509_free)
CLEAN_DEFINE(x509_req, X509_REQ *, X509_REQ_free)
CLEAN_DEFINE(x509_ext, X509_EXTENSION *, X509_EXTENSION_free)
CLEAN_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free)
CLEAN_DEFINE(pkey_ctx, EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
CLEAN_DEFINE(bio, BIO *, BIO_free_all)
CLEAN_DEFINE(bignum, BIGNUM *, BN_free)
CLEAN_DEFINE(names, GENERAL_NAMES *, GENERAL_NAMES_free)
CLEAN_DEFINE(cipher_ctx, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)
