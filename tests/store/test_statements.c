/* Every statement of every store prepares against the migrated schema; names are unique. */

#include "db/member_store.h"

#include "tests/store/store.h"

/* Whoever runs one of these has called member_store_look() before, in the same transaction;
 * test_campaign.c holds the callers to it.  The two of a start run under ATTACH's own lock. */
static const char *const lookers[] = {
	"offer_candidates", "offer_waiting",         "offer_get", "roster_get", "job_list",
	"member_bucket_at", "member_bucket_from_end"
};

static bool is_looker(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(lookers); i++)
		if (strcmp(lookers[i], name) == 0)
			return true;
	return false;
}

static bool reads_members(const char *sql)
{
	return strstr(sql, "FROM member ") || strstr(sql, "JOIN member ");
}

/* How PostgreSQL would count a hundred devices of one class of several, after some others. */
static const char *plan_of_digests(struct db *db)
{
	static const struct db_stmt explain = {
		"explain_digests", "EXPLAIN (COSTS OFF) EXECUTE class_digests (1, "
				   "'00000000-0000-0000-0000-000000000001', "
				   "'00000000-0000-0000-0000-000000000003', 'main', 100, 101)"
	};
	CLEAN(rows) struct db_rows *rows = NULL;
	const char *text = "";

	store_must(db_exec(db, "INSERT INTO device (tenant_id, device_id, endpoint, hash, "
			       "lifecycle, vendor_id, class_id, created_at) SELECT 1, "
			       "gen_random_uuid(), n, n, 1, "
			       "'00000000-0000-0000-0000-000000000001', "
			       "('00000000-0000-0000-0000-00000000000' || n % 5)::uuid, 1 "
			       "FROM generate_series(1, 20000) n;"
			       "INSERT INTO component (tenant_id, device_id, name, updated_at) "
			       "SELECT 1, device_id, 'main', 1 FROM device;"
			       "ANALYZE device; ANALYZE component"),
		   db, "a fleet");
	store_must(db_run(db, &explain, NULL, &rows), db, "explain");
	for (int i = 0; i < db_rows_count(rows); i++)
		text = arena_printf(store_mem, "%s%s\n", text,
				    db_row_text(rows, i, "QUERY PLAN", store_mem));
	return text;
}

/* It counts 20,000 of a million devices: what it reads must not grow with the class. */
static void test_digests_plan(struct db *db)
{
	const char *plan = plan_of_digests(db);
	bool good = ok(strstr(plan, "using device_of_class on device") != NULL,
		       "devices come in the order of their ids, by the index of their class");

	good &= ok(strstr(plan, "using component_pkey on component") != NULL,
		   "and each one's component by its key");
	good &= ok(!strstr(plan, "Sort Key: device.device_id") && !strstr(plan, "Seq Scan"),
		   "nothing is sorted or read as a whole");
	for (const char *line = good ? "" : plan; *line; line = strchr(line, '\n') + 1)
		printf("# %.*s\n", (int)strcspn(line, "\n"), line);
}

int main(void)
{
	struct db *db = store_create();
	int n = 0;

	for (const struct db_stmt *s; (s = db_stmt_at((size_t)n)); n++) {
		ok(db_prepare(db, s) == RC_OK, "%s prepares", s->name);
		if (*db_error(db))
			printf("# %s\n", db_error(db));
		if (reads_members(s->sql))
			ok(is_looker(s->name), "%s is known to look at members", s->name);
	}
	test_digests_plan(db);
	ok(n > 50, "the stores registered their statements: %d", n);
	store_finish(db);
	return tap_done();
}
