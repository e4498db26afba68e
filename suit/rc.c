/* Texts of the results. */

#include "suit/suit.h"

const char *suit_rc_text(enum suit_rc rc)
{
	switch (rc) {
	case SUIT_OK:
		return "ok";
	case SUIT_MALFORMED:
		return "not well-formed deterministic CBOR of a SUIT envelope";
	case SUIT_TOO_LARGE:
		return "over a limit";
	case SUIT_UNKNOWN:
		return "unknown key, command or parameter";
	case SUIT_UNSUPPORTED:
		return "uses something that is not supported";
	case SUIT_DIGEST:
		return "a digest does not hold";
	case SUIT_SIGNATURE:
		return "a signature does not verify";
	case SUIT_KEY:
		return "the key does not fit the algorithm";
	case SUIT_CONDITION:
		return "a condition does not hold for this device";
	case SUIT_MISSING:
		return "something required is missing";
	case SUIT_NO_SPACE:
		return "the buffer is too small";
	case SUIT_CRYPTO:
		return "the cryptographic library failed";
	case SUIT_CERTIFICATE:
		return "a certificate is not trusted, or not now";
	case SUIT_DECRYPT:
		return "encrypted for another key, or changed since";
	case SUIT_OPERATION:
		return "a directive failed on the device";
	}
	return "unknown result";
}
