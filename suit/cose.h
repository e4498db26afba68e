/* COSE_Sign1 over the manifest digest (RFC 9052 section 4.4, draft-37 section 8.2). */
#pragma once

#include "suit/crypto.h"
#include "suit/manifest.h"

/* Verifies one block.  ESP256, ES256 need a P-256 key; Ed25519, EdDSA an Ed25519 key.  A MAC is
 * SUIT_UNSUPPORTED. */
enum suit_rc suit_block_verify(const struct suit_crypto *crypto, const struct suit_envelope *e,
			       const struct suit_block *block,
			       const struct suit_key *key) SUIT_MUST_CHECK;

/* Writes the envelope again with one more signature (kid in the unprotected header).  The
 * manifest and its digest stay as they are.  ret_n is the size wanted, also on SUIT_NO_SPACE.
 */
enum suit_rc suit_envelope_sign(const struct suit_crypto *crypto, const struct suit_key *key,
				enum suit_alg alg, struct suit_bytes kid,
				const struct suit_envelope *e, uint8_t *buf, size_t size,
				size_t *ret_n) SUIT_MUST_CHECK;
