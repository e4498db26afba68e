/* The COSE messages of an authentication wrapper, decoded (RFC 9052 sections 4 and 6, RFC
 * 9360). Headers are strict: the algorithm (1) is protected; a key id (4), a certificate chain
 * (33) and a certificate's hash (34) stand in one of the two headers; nothing else does. */
#pragma once

#include "suit/manifest.h"

/* Adds each signature and MAC of one message to e->block. */
enum suit_rc suit_block_decode(struct suit_bytes message,
			       struct suit_envelope *e) SUIT_MUST_CHECK;

/* A COSE_Sign1 that holds what it signs. */
enum suit_rc suit_block_attached(struct suit_bytes message, struct suit_block *ret,
				 struct suit_bytes *ret_payload) SUIT_MUST_CHECK;

/* The certificate i of x5chain, the signer's first; n is 0 when there is none.  Nobody has
 * checked them: see suit_key_from_certificate in suit/crypto_openssl.h. */
struct suit_bytes suit_block_certificate(const struct suit_block *block, size_t i);
/* The SHA-256 of the signer's certificate (x5t); n is 0 when there is none. */
struct suit_bytes suit_block_x5t(const struct suit_block *block);
