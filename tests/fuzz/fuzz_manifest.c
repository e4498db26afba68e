/* What stands behind the manifest's digest: the bytes are the manifest of an envelope whose
 * digest is right, so the decoder of the map, the checks of sequences and the plan are reached.
 */

#include "suit/plan.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_wrap.h"

#define MANIFEST_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[MANIFEST_MAX + 64];
	struct suit_plan plans[SUIT_SLOTS_MAX];
	struct suit_envelope e;
	size_t n = 0;

	if (size > MANIFEST_MAX)
		return 0;
	struct suit_bytes bytes =
		suit_wrap((struct suit_bytes){ data, size }, buf, sizeof(buf));
	if (suit_envelope_decode(&suit_crypto_openssl, bytes, &e) == SUIT_OK &&
	    suit_plan_all(&e, plans, &n) == SUIT_OK && (n == 0 || n > SUIT_SLOTS_MAX))
		abort();
	return 0;
}
