/* A private key that is kept elsewhere, as OpenSSL's TLS wants to have it. */
#pragma once

#include "suit/crypto_openssl.h"

#include <openssl/evp.h>

/* Signs by the key's keeper (suit_key_keep); key stays as long as it.  NULL when the key is
 * neither P-256 nor P-384, or is not kept. */
EVP_PKEY *link_key_of(struct suit_key *key);
