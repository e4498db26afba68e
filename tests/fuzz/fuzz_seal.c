/* Sealed secrets: what we seal opens, as it was, with its own context alone; with one bit
 * changed, or as anybody else made it, it does not. */

#include "certs/seal.h"
#include "tests/fuzz/target.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key_bytes[SEAL_KEY_SIZE] = "a key of thirty-two bytes, fixed";
	struct bytes key = { key_bytes, sizeof(key_bytes) }, plain = { data, size }, sealed,
		     got;
	struct arena *mem = arena_create();

	check(unseal(key, "psk", plain, mem, &got) == RC_INVALID);
	check(seal(key, "psk", plain, mem, &sealed) == RC_OK && sealed.n == size + 29);
	check(unseal(key, "psk", sealed, mem, &got) == RC_OK && bytes_equal(got, plain));
	check(unseal(key, "psk2", sealed, mem, &got) == RC_INVALID);
	uint8_t *bad = arena_copy(mem, sealed.p, sealed.n);
	size_t at = size ? data[0] % sealed.n : 0;
	bad[at] ^= (uint8_t)(1u << (size % 8));
	check(unseal(key, "psk", (struct bytes){ bad, sealed.n }, mem, &got) == RC_INVALID);
	check(unseal(key, "psk", (struct bytes){ sealed.p, sealed.n - 1 }, mem, &got) ==
	      RC_INVALID);
	arena_free(mem);
	return 0;
}
