/* Makes many devices at once, past REST, which takes a transaction for each: rows for COPY, and
 * certificates of the daemon's own CA.  Its CA, its sealing key and its formulas are used, so
 * what comes out is what REST would have made.  All certificates are of one key.
 *
 *	plant STATE_DIR SEALED_TENANT_SECRET PREFIX CERTIFICATES PSKS SECRET OUT_DIR
 *
 * The first CERTIFICATES devices have certificates, the others keys: SHA-256 of "SECRET:NAME".
 * Writes OUT_DIR/devices.copy, certificates.pem and key.pem. */

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/model/device.h"
#include "certs/certs.h"
#include "certs/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MAX 256
#define CERT_DAYS  365

struct plant {
	uint8_t seal_key[SEAL_KEY_SIZE];
	struct bytes tenant_secret;
	struct certs *certs;
	struct bytes csr;
	const char *secret;
	FILE *rows, *certificates;
	struct arena *mem; /* of one device */
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "plant: %s\n", what);
	exit(EXIT_FAILURE);
}

static FILE *open_in(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	must(f, path);
	return f;
}

static void open_secrets(struct plant *p, const char *state_dir, const char *sealed_hex,
			 struct arena *mem)
{
	char path[4096];
	uint8_t sealed[SECRET_MAX];
	size_t n = strlen(sealed_hex) / 2;

	snprintf(path, sizeof(path), "%s/seal.key", state_dir);
	must(seal_key_load(path, false, p->seal_key) == RC_OK, "no sealing key");
	must(n <= sizeof(sealed), "the sealed secret is too long");
	for (size_t i = 0; i < n; i++)
		must(sscanf(sealed_hex + 2 * i, "%2hhx", &sealed[i]) == 1, "bad hex");
	must(unseal((struct bytes){ p->seal_key, sizeof(p->seal_key) }, "tenant secret",
		    (struct bytes){ sealed, n }, mem, &p->tenant_secret) == RC_OK,
	     "the tenant's secret cannot be opened");
	snprintf(path, sizeof(path), "%s/ca", state_dir);
	must(certs_open(path, &p->certs) == RC_OK, "no CA");
}

static void write_hex(FILE *to, struct bytes b)
{
	if (!b.n) {
		fputs("\\N", to);
		return;
	}
	fputs("\\\\x", to);
	for (size_t i = 0; i < b.n; i++)
		fprintf(to, "%02x", b.p[i]);
}

static struct bytes make_psk(struct plant *p, const char *name)
{
	struct bytes sealed;
	struct digest key;

	sha256_of(bytes_of(arena_printf(p->mem, "%s:%s", p->secret, name)), &key);
	must(seal((struct bytes){ p->seal_key, sizeof(p->seal_key) }, "psk",
		  (struct bytes){ key.b, sizeof(key.b) }, p->mem, &sealed) == RC_OK,
	     "sealing failed");
	return sealed;
}

static struct bytes make_certificate(struct plant *p, const char *name, struct digest *ret)
{
	struct cert_request request = { .common_name = name, .days = CERT_DAYS };
	const char *why = NULL;
	struct bytes der;

	must(certs_sign_device(p->certs, p->csr, &request, p->mem, &der, &why) == RC_OK,
	     "signing failed");
	fputs(cert_pem(p->mem, der), p->certificates);
	cert_fingerprint(der, ret);
	return (struct bytes){ ret->b, sizeof(ret->b) };
}

static void make_device(struct plant *p, const char *name, enum credential_kind kind)
{
	struct bytes psk = { NULL, 0 }, fingerprint = { NULL, 0 };
	char text[UUID_TEXT_SIZE];
	struct digest digest;
	struct uuid id;

	device_id_derive(p->tenant_secret, name, &id);
	if (kind == CREDENTIAL_PSK)
		psk = make_psk(p, name);
	else
		fingerprint = make_certificate(p, name, &digest);
	fprintf(p->rows, "1\t%s\t%s\t%lld\t%d\t", uuid_format(&id, text), name,
		(long long)bucket_device_hash(&id), (int)kind);
	write_hex(p->rows, psk);
	fputc('\t', p->rows);
	write_hex(p->rows, fingerprint);
	fprintf(p->rows, "\t%lld\n", (long long)clock_wall());
	arena_reset(p->mem);
}

int main(int argc, char **argv)
{
	struct plant p = { .secret = argc == 8 ? argv[6] : "" };
	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(arena) struct arena *each = arena_create();
	const char *key_pem = NULL;

	must(argc == 8, "STATE_DIR SEALED_TENANT_SECRET PREFIX CERTIFICATES PSKS SECRET OUT");
	int certificates = atoi(argv[4]), all = certificates + atoi(argv[5]);
	p.mem = each;
	open_secrets(&p, argv[1], argv[2], mem);
	must(cert_request_create(argv[3], mem, &key_pem, &p.csr) == RC_OK, "no key");
	p.rows = open_in(argv[7], "devices.copy");
	p.certificates = open_in(argv[7], "certificates.pem");
	FILE *key = open_in(argv[7], "key.pem");
	fputs(key_pem, key);
	for (int i = 0; i < all; i++) {
		char name[ENDPOINT_NAME_MAX + 1];

		snprintf(name, sizeof(name), "%s-%05d", argv[3], i);
		make_device(&p, name, i < certificates ? CREDENTIAL_CERT : CREDENTIAL_PSK);
	}
	must(fclose(key) == 0 && fclose(p.rows) == 0 && fclose(p.certificates) == 0,
	     "writing failed");
	certs_free(p.certs);
	return EXIT_SUCCESS;
}
