/* Devices on a real PostgreSQL, the operator's side: the roster follows the database, after the
 * commit and never before. */

#include "certs/seal.h"
#include "tests/store/fleet.h"

static struct fleet f;

static struct uuid id_of(const char *endpoint)
{
	struct uuid id;

	device_id_derive(f.core.tenant_secret, endpoint, &id);
	return id;
}

static size_t psk_in_roster(const char *endpoint, uint8_t ret[PSK_MAX])
{
	struct uuid id = id_of(endpoint);

	return roster_psk(f.core.roster, &id, ret);
}

static enum rc create(const char *endpoint, struct credential_issued *issued)
{
	struct device_new in = { .endpoint = endpoint };
	struct device_item item;

	return CALL(&f, device_create, &in, &item, issued);
}

static void test_psk(void)
{
	struct credential_issued issued;
	uint8_t psk[PSK_MAX];

	is_int(create("d1", &issued), RC_OK, "made");
	is_int((int64_t)issued.psk.n, 32, "with a key of 32 bytes");
	is_int((int64_t)psk_in_roster("d1", psk), 32, "which the roster has");
	ok(memcmp(psk, issued.psk.p, 32) == 0, "the same");
	create("d1", &issued);
	is_err(&f, ERR_ALREADY_EXISTS, "not twice");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM device"), 1, "one row");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM outbox WHERE kind = 3"), 1,
	       "other nodes are told");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM event WHERE kind = 1"), 1,
	       "an event");
}

static void test_given_psk(void)
{
	struct device_new in = { .endpoint = "given",
				 .credential = { .source = CREDENTIAL_GIVEN_PSK } };
	struct credential_issued issued;
	struct device_item item;
	uint8_t psk[PSK_MAX];

	in.credential.psk = bytes_of("fifteen bytes..");
	CALL(&f, device_create, &in, &item, &issued);
	is_err(&f, ERR_VALIDATION, "a key of 15 bytes");
	in.credential.psk = bytes_of("0123456789abcdef0123456789abcdef"
				     "0123456789abcdef0123456789abcdefX");
	CALL(&f, device_create, &in, &item, &issued);
	is_err(&f, ERR_VALIDATION, "a key of 65 bytes");
	in.credential.psk = bytes_of("a planted key 16");
	is_int(CALL(&f, device_create, &in, &item, &issued), RC_OK, "a key of 16 bytes");
	is_int((int64_t)issued.psk.n, 0, "is not shown again");
	is_int((int64_t)psk_in_roster("given", psk), 16, "the roster has it");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM device WHERE "
			       "position('planted'::bytea IN psk_sealed) > 0"),
	       0, "the database has it sealed");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM audit WHERE detail LIKE '%given%' OR "
			       "object_id LIKE '%given%' OR detail LIKE '%planted%'"),
	       0, "the audit has neither name nor key");
}

static void test_rollback(void)
{
	struct device_new in = { .endpoint = "gone" };
	struct credential_issued issued;
	struct device_item item;
	uint8_t psk[PSK_MAX];

	struct call *c = fleet_begin(&f);
	is_int(device_create(c, &in, &item, &issued), RC_OK, "made");
	is_int((int64_t)psk_in_roster("gone", psk), 0, "not in the roster before the commit");
	db_rollback(f.db);
	is_int((int64_t)psk_in_roster("gone", psk), 0, "nor without it");
	CALL(&f, device_get, "gone", &item);
	is_err(&f, ERR_NOT_FOUND, "nor in the database");
}

static const char *csr_of(const char *name)
{
	const char *key = NULL;
	struct bytes der;

	store_must(cert_request_create(name, store_mem, &key, &der), NULL, "csr");
	return arena_printf(store_mem,
			    "-----BEGIN CERTIFICATE REQUEST-----\n%s\n"
			    "-----END CERTIFICATE REQUEST-----\n",
			    base64_encode(store_mem, der));
}

static int64_t pinned(const char *column)
{
	return store_i64(f.db, arena_printf(store_mem,
					    "SELECT count(*) AS v FROM device WHERE endpoint = "
					    "'cert-1' AND %s",
					    column));
}

static void test_certificate(void)
{
	struct device_new in = { .endpoint = "cert-1",
				 .credential = {
					 CREDENTIAL_CSR, { 0 }, csr_of("another name") } };
	struct credential_new next = { CREDENTIAL_CSR, { 0 }, csr_of("cert-1") };
	struct credential_issued first, second;
	struct device_item item;
	struct digest old = { { 0 } }, new = { { 0 } };
	struct uuid id = id_of("cert-1");
	uint8_t psk[PSK_MAX];

	is_int(CALL(&f, device_create, &in, &item, &first), RC_OK, "made with a request");
	is_int(item.d.credential, CREDENTIAL_CERT, "has a certificate");
	ok(first.certificate_pem && first.chain_pem, "which is shown with its chain");
	is_int(pinned("certificate IS NOT NULL AND psk_sealed IS NULL"), 1, "pinned by digest");
	ok(roster_certificate(f.core.roster, &id, &old), "in the roster too");
	is_int((int64_t)psk_in_roster("cert-1", psk), 0, "which gives it to nobody as a key");
	int64_t before = store_i64(f.db, "SELECT get_byte(certificate, 0) * 256 + "
					 "get_byte(certificate, 1) AS v FROM device WHERE "
					 "endpoint = 'cert-1'");
	is_int(CALL(&f, device_replace_credential, "cert-1", &next, &item, &second), RC_OK,
	       "replaced");
	ok(strcmp(first.certificate_pem, second.certificate_pem) != 0, "another certificate");
	ok(store_i64(f.db, "SELECT get_byte(certificate, 0) * 256 + get_byte(certificate, 1) "
			   "AS v FROM device WHERE endpoint = 'cert-1'") != before,
	   "is pinned now");
	ok(roster_certificate(f.core.roster, &id, &new) && !digest_equal(&old, &new),
	   "in the roster too");
	next.csr_pem = "nonsense";
	CALL(&f, device_replace_credential, "cert-1", &next, &item, &second);
	is_err(&f, ERR_VALIDATION, "no request");
	next = (struct credential_new){ .source = CREDENTIAL_MAKE_PSK };
	is_int(CALL(&f, device_replace_credential, "cert-1", &next, &item, &second), RC_OK,
	       "a key instead");
	is_int(pinned("certificate IS NULL AND psk_sealed IS NOT NULL"), 1,
	       "no certificate opens it any more");
	ok(!roster_certificate(f.core.roster, &id, &new), "by the roster's word too");
}

static void test_names(void)
{
	static const char *const bad[] = { "",    ".a",       "-a", "a b", "a/b",
					   "a\n", "\xc3\xa4", "a%", "a,b", "'" };
	struct credential_issued issued;
	struct device_item item;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *row = arena_printf(store_mem, "row %zu", i);
		create(bad[i], &issued);
		is_err(&f, ERR_VALIDATION, row);
		CALL(&f, device_get, bad[i], &item);
		is_err(&f, ERR_NOT_FOUND, row);
	}
	is_int(create("0a.b_c:d-e", &issued), RC_OK, "all that may be in a name");
	create(arena_printf(store_mem, "%065d", 0), &issued);
	is_err(&f, ERR_VALIDATION, "65 bytes");
	is_int(create(arena_printf(store_mem, "%064d", 0), &issued), RC_OK, "64 bytes");
}

static const char *value_of(const struct device_item *item, const char *name)
{
	for (int i = 0; i < item->d.attribute_count; i++)
		if (strcmp(item->d.attributes[i].name, name) == 0)
			return item->d.attributes[i].value;
	return NULL;
}

static void test_attributes(void)
{
	struct device_new in = { .endpoint = "attr",
				 .attributes = { { "site", "berlin" }, { "lab", "" } },
				 .attribute_count = 2 };
	struct device_update change = { .endpoint = "attr", .revision = 1 };
	struct credential_issued issued;
	struct device_item item;

	is_int(CALL(&f, device_create, &in, &item, &issued), RC_OK, "made with attributes");
	is_str(value_of(&item, "site"), "berlin", "site");
	change.changes[0] = (struct attribute_change){ "site", "O'Hare {\"x\": [\\\"]}, %s" };
	change.changes[1] = (struct attribute_change){ "lab", NULL };
	change.changes[2] = (struct attribute_change){ "_x.y-9", "NULL" };
	change.change_count = 3;
	is_int(CALL(&f, device_update, &change, &item), RC_OK, "changed");
	is_str(value_of(&item, "site"), "O'Hare {\"x\": [\\\"]}, %s", "as it was written");
	is_str(value_of(&item, "_x.y-9"), "NULL", "a text that looks like nothing");
	is_int(item.d.attribute_count, 2, "one is gone");
	is_int(item.d.revision, 2, "the revision grows");
	CALL(&f, device_update, &change, &item);
	is_err(&f, ERR_PRECONDITION_FAILED, "an old revision");
	change.revision = 2;
	change.changes[0] = (struct attribute_change){ "9a", "x" };
	CALL(&f, device_update, &change, &item);
	is_err(&f, ERR_VALIDATION, "a name that cannot be one");
	change.changes[0] = (struct attribute_change){ "a", "x\x01" };
	CALL(&f, device_update, &change, &item);
	is_err(&f, ERR_VALIDATION, "a value with a control character");
}

static void test_attributes_max(void)
{
	struct device_update change = { .endpoint = "attr", .revision = 2 };
	struct device_item item;

	for (int i = 0; i < 31; i++)
		change.changes[i] =
			(struct attribute_change){ arena_printf(store_mem, "n%d", i), "x" };
	change.change_count = 31;
	CALL(&f, device_update, &change, &item);
	is_err(&f, ERR_VALIDATION, "33 attributes");
	change.change_count = 30;
	is_int(CALL(&f, device_update, &change, &item), RC_OK, "32");
	is_int(item.d.attribute_count, 32, "are there");
}

static int list(const struct device_filter *filter, struct device_item **items)
{
	int n = -1;

	is_int(CALL(&f, device_list, filter, items, &n), RC_OK, "listed");
	return n;
}

static void test_list(void)
{
	struct credential_issued issued;
	struct device_item *items = NULL;
	struct device_filter all = { .limit = 1000 }, page = { .limit = 7 };
	const char *before = "";
	int total = 0, disorder = 0;

	for (int i = 0; i < 20; i++)
		create(arena_printf(store_mem, "%c-%02d", "aAzZ"[i % 4], i), &issued);
	int count = list(&all, &items);
	for (;;) {
		int n = list(&page, &items);
		total += n;
		for (int i = 0; i < n; i++) {
			disorder += strcmp(before, items[i].d.endpoint) >= 0;
			before = items[i].d.endpoint;
		}
		if (n < page.limit)
			break;
		page.after = before;
	}
	is_int(total, count, "by pages of 7: as many");
	is_int(disorder, 0, "in the order of their bytes, none twice");
	page = (struct device_filter){ .limit = 100, .endpoint_prefix = "z-" };
	is_int(list(&page, &items), 5, "by prefix");
	page.endpoint_prefix = "Z";
	is_int(list(&page, &items), 5, "case matters");
	page.endpoint_prefix = "%";
	is_int(list(&page, &items), 0, "no wildcards");
	page = (struct device_filter){ .limit = 100,
				       .attributes = { { "n1", "x" }, { "n2", "x" } },
				       .attribute_count = 2 };
	is_int(list(&page, &items), 1, "by two attributes");
	is_int(items[0].d.attribute_count, 32, "with all that it has");
	page.attributes[1].value = "y";
	is_int(list(&page, &items), 0, "both must hold");
	page = (struct device_filter){ .limit = 100, .has_class = true };
	is_int(list(&page, &items), 0, "by a class that nobody is of");
}

/* What belongs to several devices goes to the right ones. */
static void test_parts(void)
{
	struct device_filter page = { .limit = 100, .endpoint_prefix = "a-" };
	struct device_item *items = NULL;

	store_must(db_exec(f.db,
			   "INSERT INTO component (tenant_id, device_id, name, digest, "
			   "version, updated_at) SELECT 1, device_id, n, CASE n WHEN 'main' "
			   "THEN sha256(endpoint::bytea) END, endpoint, 0 FROM device, "
			   "unnest(ARRAY['main', 'boot']) n WHERE endpoint LIKE 'a-%' "
			   "AND endpoint <> 'a-08'"),
		   f.db, "components");
	int n = list(&page, &items), right = 0;
	for (int i = 0; i < n; i++) {
		const struct device *d = &items[i].d;
		struct digest digest;
		sha256_of(bytes_of(d->endpoint), &digest);
		if (strcmp(d->endpoint, "a-08") == 0)
			right += d->component_count == 0;
		else
			right += d->component_count == 2 &&
				 strcmp(d->components[0].name, "boot") == 0 &&
				 !d->components[0].has_digest && d->components[1].has_digest &&
				 digest_equal(&d->components[1].digest, &digest) &&
				 strcmp(d->components[1].version, d->endpoint) == 0;
	}
	is_int(n, 5, "five devices");
	is_int(right, 5, "each with its own components");
}

static void test_revoke(void)
{
	struct credential_new next = { .source = CREDENTIAL_MAKE_PSK };
	struct credential_issued issued;
	struct device_item item;
	uint8_t psk[PSK_MAX];

	is_int(CALL(&f, device_revoke, "d1", &item), RC_OK, "revoked");
	is_int(item.d.lifecycle, DEVICE_REVOKED, "it says so");
	is_int(item.d.credential, CREDENTIAL_NONE, "it has no credential");
	is_int((int64_t)psk_in_roster("d1", psk), 0, "nor has the roster");
	is_int(store_i64(f.db, "SELECT count(*) AS v FROM device WHERE endpoint = 'd1' AND "
			       "psk_sealed IS NOT NULL"),
	       0, "nor the database");
	int64_t revision = item.d.revision;
	is_int(CALL(&f, device_revoke, "d1", &item), RC_OK, "again");
	is_int(item.d.revision, revision, "nothing changes");
	is_int(CALL(&f, device_replace_credential, "d1", &next, &item, &issued), RC_OK,
	       "a new key");
	is_int(item.d.lifecycle, DEVICE_PROVISIONED, "lets it in again");
	is_int((int64_t)psk_in_roster("d1", psk), 32, "with the new key");
	CALL(&f, device_revoke, "nobody", &item);
	is_err(&f, ERR_NOT_FOUND, "nobody");
}

static void test_delete(void)
{
	struct credential_issued issued;
	struct device_item item;
	uint8_t psk[PSK_MAX];
	struct uuid id = id_of("d1");
	char text[UUID_TEXT_SIZE];

	is_int(CALL(&f, device_get, "d1", &item), RC_OK, "there");
	store_must(
		db_exec(f.db, arena_printf(store_mem,
					   "INSERT INTO slot VALUES (1, '%s', 'main', 1, '%s')",
					   uuid_format(&id, text), text)),
		f.db, "slot");
	store_must(db_exec(f.db,
			   arena_printf(store_mem,
					"INSERT INTO job (tenant_id, device_id, job_id, "
					"campaign_id, release_id, component, state, stage, "
					"attempt, created_at, updated_at, deadline_at) VALUES "
					"(1, '%s', 1, '%s', '%s', 'main', 2, 0, 1, 0, 0, 0)",
					text, text, text)),
		   f.db, "job");
	is_int(CALL(&f, device_get, "d1", &item), RC_OK, "there");
	ok(item.has_job && item.job.state == JOB_DOWNLOADING, "with an open job");
	CALL(&f, device_delete, "d1", item.d.revision);
	is_err(&f, ERR_IN_USE, "is not deleted");
	store_must(db_exec(f.db, "DELETE FROM slot"), f.db, "slot");
	CALL(&f, device_delete, "d1", item.d.revision + 1);
	is_err(&f, ERR_PRECONDITION_FAILED, "nor with another revision");
	is_int(CALL(&f, device_delete, "d1", item.d.revision), RC_OK, "else it is");
	CALL(&f, device_get, "d1", &item);
	is_err(&f, ERR_NOT_FOUND, "gone");
	is_int((int64_t)psk_in_roster("d1", psk), 0, "from the roster too");
	is_int(create("d1", &issued), RC_OK, "the name may come back");
	is_int((int64_t)psk_in_roster("d1", psk), 32, "with a key of its own");
}

/* A fresh roster that loads from the database knows the same keys. */
static void test_reload(void)
{
	struct roster *fresh = roster_create();
	struct credential_new csr = { CREDENTIAL_CSR, { 0 }, csr_of("cert-1") };
	struct credential_issued issued;
	struct device_item item;
	struct uuid id = id_of("given"), cert = id_of("cert-1");
	struct digest here, there = { { 0 } };
	uint8_t psk[PSK_MAX];

	is_int(CALL(&f, device_replace_credential, "cert-1", &csr, &item, &issued), RC_OK,
	       "a certificate");
	is_int(roster_load(fresh, f.db, TENANT, f.core.seal_key), RC_OK, "loaded");
	is_int((int64_t)roster_psk(fresh, &id, psk), 16, "the key is there");
	ok(memcmp(psk, "a planted key 16", 16) == 0, "unsealed");
	ok(roster_certificate(f.core.roster, &cert, &here) &&
		   roster_certificate(fresh, &cert, &there) && digest_equal(&here, &there),
	   "and the certificate");
	is_int((int64_t)roster_count(fresh),
	       store_i64(f.db, "SELECT count(*) AS v FROM device"), "as many devices");
	roster_free(fresh);
}

int main(void)
{
	fleet_open(&f);
	test_psk();
	test_given_psk();
	test_rollback();
	test_certificate();
	test_names();
	test_attributes();
	test_attributes_max();
	test_list();
	test_parts();
	test_revoke();
	test_delete();
	test_reload();
	fleet_close(&f);
	return tap_done();
}
