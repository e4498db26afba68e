/* Public keys in COSE form: what is taken is a key of one of the kinds, and turned back it
 * is the same key. */

#include "suit/cose_key.h"
#include "suit/crypto_openssl.h"
#include "tests/fuzz/target.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t spki[SUIT_SPKI_MAX], cose[SUIT_COSE_KEY_MAX], again[SUIT_SPKI_MAX];
	struct suit_key *key = NULL;
	size_t n = 0, m = 0, k = 0;

	if (suit_cose_key_to_spki((struct suit_bytes){ data, size }, spki, &n) == SUIT_OK) {
		check(n == 44 || n == 91 || n == 120);
		check(suit_cose_key_from_spki((struct suit_bytes){ spki, n }, cose, &m) ==
		      SUIT_OK);
		check(m <= size && m <= sizeof(cose));
		check(suit_cose_key_to_spki((struct suit_bytes){ cose, m }, again, &k) ==
		      SUIT_OK);
		check(k == n && memcmp(spki, again, n) == 0);
	}
	if (suit_key_from_public_pem((struct suit_bytes){ data, size }, &key) == SUIT_OK) {
		check(suit_key_spki(key, spki, sizeof(spki), &n) == SUIT_OK);
		check(n == 44 || n == 91 || n == 120 || suit_key_type(key) == SUIT_KEY_RSA);
	}
	suit_key_free(key);
	return 0;
}
