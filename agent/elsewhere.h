/* A dependency that does not lie in the envelope: its envelope is fetched first, from the same
 * server, and put into the one that depends on it.  From then on it lies there, and is believed
 * for what it always is: the digest of its manifest, and its own signature. */
#pragma once

#include "agent/update.h"
#include "suit/crypto.h"

/* What comes to an envelope besides the payload itself: its name, and heads. */
#define ELSEWHERE_MORE 96

/* Both envelopes as one; ret is allocated.  SUIT_DIGEST: it is not what the URI names. */
enum suit_rc elsewhere_join(const struct suit_crypto *crypto, struct suit_bytes envelope,
			    const struct payload *p, struct suit_bytes content, uint8_t **ret,
			    size_t *ret_n) SUIT_MUST_CHECK;
