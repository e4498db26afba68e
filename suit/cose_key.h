/* Public keys in COSE form (RFC 9053 section 7): { 1: 2, -1: 1, -2: x, -3: y } for P-256, -1: 2
 * for P-384, and { 1: 1, -1: 6, -2: x } for Ed25519.  Turned into SubjectPublicKeyInfo and
 * back, which a backend loads and checks.  An RSA key comes as SubjectPublicKeyInfo only. */
#pragma once

#include "suit/suit.h"

#define SUIT_SPKI_MAX     600 /* SubjectPublicKeyInfo of any of our keys, DER */
#define SUIT_COSE_KEY_MAX 112 /* a COSE_Key of P-256, P-384 or Ed25519 */

/* An optional key id (2) or algorithm (3) must be of its form, and the algorithm of the key's
 * kind; a private part is refused. */
enum suit_rc suit_cose_key_to_spki(struct suit_bytes key, uint8_t buf[SUIT_SPKI_MAX],
				   size_t *ret_n) SUIT_MUST_CHECK;
enum suit_rc suit_cose_key_from_spki(struct suit_bytes spki, uint8_t buf[SUIT_COSE_KEY_MAX],
				     size_t *ret_n) SUIT_MUST_CHECK;
