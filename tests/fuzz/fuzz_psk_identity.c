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
	uint8_t first[PSK_MAX], key[PSK_MAX];

	size_t n = identity_key_of(&dtls, (struct bytes){ data, size }, true, first);
	check(n >= PSK_MIN && n <= PSK_MAX);
	check(identity_key_of(&dtls, (struct bytes){ data, size }, size & 1, key) == n);
	check(memcmp(key, first, n) == 0);
	if (size == 0)
		return 0;
	check(identity_key_of(&dtls, (struct bytes){ data, size - 1 }, true, key) == n);
	check(memcmp(key, first, n) != 0);
	return 0;
}
