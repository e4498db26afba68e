/* The old form that RIOT-OS reads (draft-ietf-suit-manifest-09): no tag, other section numbers,
 * SHA-256 called 2, EdDSA over an attached payload, one component, 640 bytes. */
#pragma once

#include "suit/source.h"

#define SUIT_RIOT_MAX 640 /* bytes that a device's buffer holds */

/* From the same source as suit_encode(); key NULL: without a signature.  Slots are flash
 * offsets.  Text is left out; anything else that the dialect cannot say is SUIT_UNSUPPORTED.
 * SUIT_TOO_LARGE: over SUIT_RIOT_MAX.  ret_n is the size wanted, also on SUIT_NO_SPACE. */
enum suit_rc suit_riot_encode(const struct suit_crypto *crypto, const struct suit_source *in,
			      const struct suit_key *key, uint8_t *buf, size_t size,
			      size_t *ret_n) SUIT_MUST_CHECK;
/* Shape, digest and the one signature of an envelope in this form; not what the manifest says.
 */
enum suit_rc suit_riot_verify(const struct suit_crypto *crypto, struct suit_bytes bytes,
			      const struct suit_key *key) SUIT_MUST_CHECK;
