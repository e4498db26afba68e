/* Decoding and planning of envelopes, from any bytes. */

#include "suit/crypto_openssl.h"
#include "suit/plan.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suit_plan plans[SUIT_SLOTS_MAX];
	struct suit_envelope e;
	size_t n = 0;

	if (suit_envelope_decode(&suit_crypto_openssl, (struct suit_bytes){ data, size }, &e) ==
		    SUIT_OK &&
	    suit_plan_all(&e, plans, &n) == SUIT_OK)
		(void)suit_text_version(&e, &e.component[0]);
	return 0;
}
