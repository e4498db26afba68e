/* RIOT's form: whatever is accepted holds the digest of its own manifest. */

#include "suit/crypto_openssl.h"
#include "suit/dialect_riot.h"
#include "tests/fuzz/target.h"

#include <string.h>

/* Says yes to every signature, so that shape and digest are what is under test. */
static enum suit_rc yes(const struct suit_key *key, enum suit_alg alg,
			const struct suit_message *m, struct suit_bytes signature)
{
	(void)key;
	check(alg == SUIT_ALG_EDDSA && m->count == 2 && m->piece[1].n == 36);
	check(signature.n == 0 || signature.p);
	return SUIT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suit_crypto crypto = suit_crypto_openssl;
	uint8_t copy[SUIT_RIOT_MAX];

	crypto.verify = yes;
	if (suit_riot_verify(&crypto, (struct suit_bytes){ data, size }, NULL) != SUIT_OK)
		return 0;
	check(size <= SUIT_RIOT_MAX);
	/* The manifest is the tail: one bit of it changes the digest. */
	memcpy(copy, data, size);
	copy[size - 1] ^= 1;
	check(suit_riot_verify(&crypto, (struct suit_bytes){ copy, size }, NULL) != SUIT_OK);
	return 0;
}
