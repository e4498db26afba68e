/* The identity in a DTLS handshake: every one gets a key, the same one each time, and none that
 * tells whether the name is known. */

#include "core/core.h"
#include "core/roster.h"
#include "server/coap/dtls_internal.h"
#include "tests/fuzz/target.h"

#include <string.h>

static struct core core = { .tenant_secret = { (const uint8_t *)"secret", 6 } };
static struct dtls dtls = { .core = &core, .decoy = { 1, 2, 3 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	core.roster = roster_create();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	coap_bin_const_t identity = { .length = size, .s = data };
	uint8_t first[PSK_MAX];

	const coap_bin_const_t *key = identity_key(&identity, NULL, &dtls);
	check(key && key->length >= PSK_MIN && key->length <= PSK_MAX);
	memcpy(first, key->s, key->length);
	size_t n = key->length;
	key = identity_key(&identity, NULL, &dtls);
	check(key->length == n && memcmp(key->s, first, n) == 0);
	if (size == 0)
		return 0;
	identity.length--;
	key = identity_key(&identity, NULL, &dtls);
	check(memcmp(key->s, first, n) != 0);
	return 0;
}
