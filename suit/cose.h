/* Signatures and MACs over the manifest digest (RFC 9052 sections 4.4 and 6.3, draft-37 section
 * 8.2), one at a time.  What an envelope needs as a whole is in suit/trust.h. */
#pragma once

#include "suit/block.h"
#include "suit/crypto.h"
#include "suit/manifest.h"

#define SUIT_MAC_KEY_MIN 16 /* bytes */

/* Verifies one signature, of a COSE_Sign1 or of a COSE_Sign.  ESP256, ES256 need a P-256 key;
 * ESP384, ES384 a P-384 key; Ed25519, EdDSA an Ed25519 key; PS256 an RSA key.  A MAC is
 * SUIT_UNSUPPORTED. */
enum suit_rc suit_block_verify(const struct suit_crypto *crypto, const struct suit_envelope *e,
			       const struct suit_block *block,
			       const struct suit_key *key) SUIT_MUST_CHECK;
/* The same over any payload. */
enum suit_rc suit_signature_verify(const struct suit_crypto *crypto,
				   const struct suit_block *block, struct suit_bytes payload,
				   const struct suit_key *key) SUIT_MUST_CHECK;
/* Verifies a COSE_Mac0 with HMAC-SHA256, in time that does not depend on the tag. */
enum suit_rc suit_block_mac(const struct suit_crypto *crypto, const struct suit_envelope *e,
			    const struct suit_block *block,
			    struct suit_bytes key) SUIT_MUST_CHECK;

/* Whether the block names this certificate (DER) by its hash, x5t. */
bool suit_block_names(const struct suit_crypto *crypto, const struct suit_block *block,
		      struct suit_bytes certificate);

/* Writes the envelope again with one more signature (kid in the unprotected header).  The
 * manifest and its digest stay as they are.  ret_n is the size wanted, also on SUIT_NO_SPACE.
 */
enum suit_rc suit_envelope_sign(const struct suit_crypto *crypto, const struct suit_key *key,
				enum suit_alg alg, struct suit_bytes kid,
				const struct suit_envelope *e, uint8_t *buf, size_t size,
				size_t *ret_n) SUIT_MUST_CHECK;

/* Who signs. */
struct suit_signer {
	const struct suit_key *key;
	enum suit_alg alg;
	struct suit_bytes kid;                 /* empty: none */
	const struct suit_bytes *certificates; /* DER, the signer's own first */
	size_t certificate_count;              /* 0: none */
};

/* The same for several signers in one COSE_Sign, or for one in a COSE_Sign1.  Needs about 5 KiB
 * of stack. */
enum suit_rc suit_envelope_cosign(const struct suit_crypto *crypto,
				  const struct suit_signer *signer, size_t signer_count,
				  const struct suit_envelope *e, uint8_t *buf, size_t size,
				  size_t *ret_n) SUIT_MUST_CHECK;
/* The same with one more COSE_Mac0, by HMAC-SHA256. */
enum suit_rc suit_envelope_mac(const struct suit_crypto *crypto, struct suit_bytes key,
			       struct suit_bytes kid, const struct suit_envelope *e,
			       uint8_t *buf, size_t size, size_t *ret_n) SUIT_MUST_CHECK;

/* A COSE_Sign1 that holds its payload, such as a report; see suit_block_attached().  ret_n is
 * the size wanted, also on SUIT_NO_SPACE. */
enum suit_rc suit_sign1(const struct suit_crypto *crypto, const struct suit_signer *signer,
			struct suit_bytes payload, uint8_t *buf, size_t size,
			size_t *ret_n) SUIT_MUST_CHECK;
