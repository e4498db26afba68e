/* The files of a certificate authority, damaged: it opens whole or not at all.  The first byte
 * says which of the four files the rest is. */

#include "certs/certs.h"
#include "certs/pem_file.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/target.h"

#include <string.h>

static const char *const names[] = { "ca/root.crt", "ca/issuing.crt", "ca/issuing.key",
				     "ca/root.key" };
static struct bytes good[4];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct arena *mem;
	const char *why = NULL;

	(void)argc;
	(void)argv;
	scratch_make();
	mem = arena_create();
	check(ca_init(scratch_path("ca"), "Fuzz", mem, &why) == RC_OK);
	for (int i = 0; i < 4; i++)
		check(pem_file_read(scratch_path(names[i]), mem, &good[i]) == RC_OK);
	return 0;
}

static void check_open(void)
{
	struct certs *certs = NULL;

	if (certs_open(scratch_path("ca"), &certs) != RC_OK)
		return;
	check(strstr(certs_root_pem(certs), "-----BEGIN CERTIFICATE-----") != NULL);
	check(strstr(certs_chain_pem(certs), certs_root_pem(certs)) != NULL);
	certs_free(certs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t which = size ? data[0] % 4 : 0;

	scratch_write(names[which], data + (size > 0), size - (size > 0));
	check_open();
	/* One bit of a file that was good, too. */
	uint8_t copy[4096];
	size_t n = good[which].n;
	check(n <= sizeof(copy));
	memcpy(copy, good[which].p, n);
	if (size > 2)
		copy[(data[1] | data[2] << 8) % (int)n] ^= (uint8_t)(1u << (size % 8));
	scratch_write(names[which], copy, n);
	check_open();
	scratch_write(names[which], good[which].p, n);
	return 0;
}
