/* Writes a registered fleet of any size as COPY statements for psql: what provisioning and
 * registering each device would leave in the database, made with the project's own ids, hashes
 * and seals.  A device's key is SHA-256 of SECRET:NAME, as muster-fleet makes it.
 *
 *     fleet_rows CONNINFO SEAL_KEY_FILE VENDOR_ID CLASS_ID COUNT PREFIX SECRET | psql CONNINFO
 */

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "certs/seal.h"
#include "core/device.h"
#include "core/tenant.h"
#include "core/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define VERSION "1.0.0"

struct fleet {
	struct bytes seal_key, tenant_secret;
	const char *vendor, *class, *prefix, *secret;
	uint64_t count;
	int64_t now;
	struct arena *mem; /* for one row */
};

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fleet_rows: %s\n", what);
	exit(1);
}

/* The tenant's secret, which the daemon makes at its first start. */
static struct bytes read_secret(const char *conninfo, struct bytes seal_key, struct arena *mem)
{
	struct db_options options = { .conninfo = conninfo,
				      .connections = 1,
				      .connect_timeout_s = 10 };
	struct bytes secret = { 0 };
	struct db *db = NULL;

	must(db_connect(&options, &db) == RC_OK, "no database");
	must(db_begin(db) == RC_OK, "no transaction");
	must(tenant_secret_open(db, TENANT_DEFAULT, seal_key, mem, &secret) == RC_OK,
	     "the database was sealed with another key");
	must(db_commit(db) == RC_OK, "no commit");
	db_close(db);
	return secret;
}

static const char *name_of(const struct fleet *f, uint64_t i)
{
	return arena_printf(f->mem, "%s-%05" PRIu64, f->prefix, i);
}

static const char *id_of(const struct fleet *f, const char *name, struct uuid *ret)
{
	device_id_derive(f->tenant_secret, name, ret);
	return uuid_format(ret, arena_alloc(f->mem, UUID_TEXT_SIZE));
}

static const char *sealed_psk(const struct fleet *f, const char *name)
{
	struct digest psk;
	struct bytes sealed = { 0 };

	sha256_of(bytes_of(arena_printf(f->mem, "%s:%s", f->secret, name)), &psk);
	must(seal(f->seal_key, "psk", (struct bytes){ psk.b, sizeof(psk.b) }, f->mem,
		  &sealed) == RC_OK,
	     "a key cannot be sealed");
	return hex_encode(f->mem, sealed);
}

static const char *sha256_hex(const struct fleet *f, const char *text)
{
	struct digest d;

	sha256_of(bytes_of(text), &d);
	return digest_format(&d, arena_alloc(f->mem, DIGEST_TEXT_SIZE));
}

static void device_row(const struct fleet *f, uint64_t i)
{
	const char *name = name_of(f, i);
	struct uuid id;
	const char *text = id_of(f, name, &id);

	printf("1\t%s\t%s\t%" PRId64 "\t1\t1\t\\\\x%s\t%s\t%s\t\\\\x626f6f74\t\\\\x%s\t"
	       "{\"site\": \"site-%" PRIu64 "\"}\t%" PRId64 "\t%" PRId64 "\n",
	       text, name, bucket_device_hash(&id), sealed_psk(f, name), f->vendor, f->class,
	       sha256_hex(f, name), i % 100, f->now, f->now);
}

static void component_row(const struct fleet *f, uint64_t i)
{
	struct bytes key = { 0 };
	struct uuid id;

	must(version_key(VERSION, f->mem, &key) == RC_OK, "the version is not valid");
	printf("1\t%s\tmain\t\\\\x%s\t" VERSION "\t\\\\x%s\t%" PRId64 "\n",
	       id_of(f, name_of(f, i), &id), sha256_hex(f, VERSION), hex_encode(f->mem, key),
	       f->now);
}

static void seen_row(const struct fleet *f, uint64_t i)
{
	struct uuid id;

	printf("1\t%s\t%" PRId64 "\n", id_of(f, name_of(f, i), &id), f->now);
}

static void copy(const struct fleet *f, const char *table,
		 void (*row)(const struct fleet *f, uint64_t i))
{
	printf("COPY %s FROM stdin;\n", table);
	for (uint64_t i = 0; i < f->count; i++) {
		arena_reset(f->mem);
		row(f, i);
	}
	printf("\\.\n");
}

int main(int argc, char **argv)
{
	uint8_t key[SEAL_KEY_SIZE];
	CLEAN(arena) struct arena *mem = arena_create();
	CLEAN(arena) struct arena *row_mem = arena_create();

	must(argc == 8, "see the head of its source");
	must(seal_key_load(argv[2], false, key) == RC_OK, "no key");
	struct fleet f = {
		.seal_key = { key, sizeof(key) },
		.vendor = argv[3],
		.class = argv[4],
		.prefix = argv[6],
		.secret = argv[7],
		.now = clock_wall(),
		.mem = row_mem,
	};
	must(parse_u64(bytes_of(argv[5]), 100000000, &f.count) == RC_OK, "no number");
	f.tenant_secret = read_secret(argv[1], f.seal_key, mem);
	copy(&f,
	     "device (tenant_id, device_id, endpoint, hash, lifecycle, credential, psk_sealed, "
	     "vendor_id, class_id, boot_id, registration, attributes, created_at, "
	     "registered_at)",
	     device_row);
	copy(&f,
	     "component (tenant_id, device_id, name, digest, version, version_key, updated_at)",
	     component_row);
	copy(&f, "device_seen (tenant_id, device_id, seen_at)", seen_row);
	must(fflush(stdout) == 0, "the rows were not written");
	return 0;
}
