/* The journal of a download: whatever it holds, no byte counts as there that is not in the
 * slot, and nothing counts at all unless it is of this very image. */

#include "agent/store.h"
#include "suit/crypto_openssl.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/target.h"

#include <string.h>

#define SIZE 1000

/* The corpus has the journal of this update. */
static struct update update = { .payload_count = 1, .payload = { { .size = SIZE } } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	memset(&update.manifest, 0x11, sizeof(update.manifest));
	memset(&update.payload[0].digest, 0x22, sizeof(update.payload[0].digest));
	scratch_make();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t slot[SIZE];
	struct store s;
	uint64_t have = UINT64_MAX;

	scratch_write("b.bin", slot, sizeof(slot));
	scratch_write("journal", data, size);
	check(store_open(&s, scratch.path, &suit_crypto_openssl, 100));
	check(store_begin(&s, &update, 0, &have) == PROTO_CAUSE_NONE);
	check(have <= SIZE);
	if (have) {
		check(memmem(data, size, "11111111111111111111111111111111", 32) != NULL);
		check(memmem(data, size, "22222222222222222222222222222222", 32) != NULL);
		check(!memchr(data, 0, size) && data[size - 1] == '\n');
	}
	check(!store_write(&s, SIZE - 1, slot, 2) && !store_write(&s, UINT64_MAX, slot, 2));
	store_close(&s);
	return 0;
}
