/* Certificate requests of devices, DER or PEM: what is signed has our names and not theirs. */

#include "certs/certs.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/target.h"

#include <openssl/x509v3.h>
#include <string.h>

static struct certs *certs;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct arena *mem = arena_create();
	const char *why = NULL;

	(void)argc;
	(void)argv;
	scratch_make();
	check(ca_init(scratch_path("ca"), "Fuzz", mem, &why) == RC_OK);
	check(certs_open(scratch_path("ca"), &certs) == RC_OK);
	arena_free(mem);
	return 0;
}

static void check_certificate(struct bytes der)
{
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);
	char name[80] = "";

	check(x && p == der.p + der.n);
	X509_NAME *subject = X509_get_subject_name(x);
	check(X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof(name)) > 0);
	check(strcmp(name, "lock-1") == 0);
	check(X509_check_ca(x) == 0 && X509_get_ext_by_NID(x, NID_subject_alt_name, -1) < 0);
	X509_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cert_request request = { .common_name = "lock-1", .days = 100 };
	struct arena *mem = arena_create();
	struct bytes in = { data, size }, der, csr;
	const char *why = NULL;

	if (certs_sign_device(certs, in, &request, mem, &der, &why) == RC_OK)
		check_certificate(der);
	else
		check(why != NULL);
	why = NULL;
	if (cert_csr_from_pem(bytes_text(mem, in), mem, &csr) == RC_OK) {
		check(csr.n > 0 && csr.n <= size);
		if (certs_sign_device(certs, csr, &request, mem, &der, &why) == RC_OK)
			check_certificate(der);
	}
	arena_free(mem);
	return 0;
}
