/* Public keys in COSE form (RFC 9053 section 7): { 1: 2, -1: 1, -2: x, -3: y } for P-256 and
 * { 1: 1, -1: 6, -2: x } for Ed25519.  Turned into SubjectPublicKeyInfo and back, which a
 * backend loads and checks. */
#pragma once

#include "suit/suit.h"

#define SUIT_SPKI_MAX     128 /* SubjectPublicKeyInfo of P-256 or Ed25519, DER */
#define SUIT_COSE_KEY_MAX 80  /* the same as COSE_Key */

/* An optional key id (2) or algorithm (3) must be of its form, and the algorithm of the key's
 * kind; a private part is refused. */
enum suit_rc suit_cose_key_to_spki(struct suit_bytes key, uint8_t buf[SUIT_SPKI_MAX],
				   size_t *ret_n) SUIT_MUST_CHECK;
enum suit_rc suit_cose_key_from_spki(struct suit_bytes spki, uint8_t buf[SUIT_COSE_KEY_MAX],
				     size_t *ret_n) SUIT_MUST_CHECK;
