/* An envelope from a source. */
#pragma once

#include "suit/source.h"

/* Without a signature yet: suit_envelope_sign() adds one.  What it wrote is decoded again, so a
 * source that would give a malformed envelope is refused.  Works in the caller's buffer alone.
 * ret_n is the size wanted, also on SUIT_NO_SPACE. */
enum suit_rc suit_encode(const struct suit_crypto *crypto, const struct suit_source *in,
			 uint8_t *buf, size_t size, size_t *ret_n) SUIT_MUST_CHECK;
