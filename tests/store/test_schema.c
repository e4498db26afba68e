/* Rules of the schema: comments everywhere, per-device keys shardable; the bucket hash in SQL
 * is the one in C. */

#include "tests/store/store.h"

/* Names of what a query finds, joined; empty when the rule holds. */
static void rule(struct db *db, const char *name, const char *from)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	const char *sql = arena_printf(
		store_mem, "SELECT coalesce(string_agg(what, ' '), '') AS v FROM (%s) f", from);
	const struct db_stmt stmt = { "", sql };

	store_must(db_run(db, &stmt, NULL, &rows), db, name);
	is_str(db_row_text(rows, 0, "v", store_mem), "", name);
}

static void test_comments(struct db *db)
{
	rule(db, "every table and view has a COMMENT",
	     "SELECT c.relname AS what FROM pg_class c JOIN pg_namespace n ON n.oid = "
	     "c.relnamespace"
	     " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
	     " AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition"
	     " AND obj_description(c.oid, 'pg_class') IS NULL");
	rule(db, "every column has a COMMENT",
	     "SELECT c.relname || '.' || a.attname AS what FROM pg_attribute a"
	     " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = "
	     "c.relnamespace"
	     " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
	     " AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition"
	     " AND a.attnum > 0 AND NOT a.attisdropped"
	     " AND col_description(c.oid, a.attnum) IS NULL");
}

static void test_keys(struct db *db)
{
	rule(db, "every table has a primary key",
	     "SELECT c.relname AS what FROM pg_class c JOIN pg_namespace n ON n.oid = "
	     "c.relnamespace"
	     " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
	     " AND c.relname <> 'member'" /* its partitions get theirs after they were filled */
	     " AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND "
	     "i.indisprimary)");
	rule(db,
	     "unique keys of tables with a tenant hold tenant_id, of per-device tables "
	     "device_id",
	     "SELECT DISTINCT i.indexrelid::regclass::text AS what FROM pg_index i"
	     " JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = "
	     "c.relnamespace"
	     " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnotnull"
	     "  AND a.attname IN ('tenant_id', 'device_id')"
	     " WHERE n.nspname = 'public' AND i.indisunique AND NOT c.relispartition"
	     " AND NOT a.attnum = ANY (i.indkey)"
	     " AND c.relname NOT IN ('outbox', 'tenant')"); /* lists of the coordinating node */
	rule(db, "no foreign keys: a sharded engine has none across tables",
	     "SELECT conname::text AS what FROM pg_constraint WHERE contype = 'f'");
	rule(db, "times are bigint, not timestamps",
	     "SELECT c.relname || '.' || a.attname AS what FROM pg_attribute a"
	     " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = "
	     "c.relnamespace"
	     " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND a.attnum > 0"
	     " AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype)");
}

static void check_vector(struct db *db, const char *line)
{
	static const struct db_stmt stmt = {
		"bucket", "SELECT bucket_hash($1::bigint, $2::bigint, $3::bigint, $4::bigint,"
			  " $5::bigint, $6::bigint, $7::bigint) AS v"
	};
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };
	long long v[8];

	int n = sscanf(line, "%*s %*s %lld %lld %lld %lld %lld %lld %lld %lld", &v[0], &v[1],
		       &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	for (int i = 0; i < 7; i++)
		db_arg_i64(&a, v[i]);
	store_must(db_run(db, &stmt, &a, &rows), db, "bucket_hash");
	ok(n == 8 && db_row_i64(rows, 0, "v") == v[7], "bucket of %lld", v[0]);
}

static void test_bucket(struct db *db)
{
	CLEAN(file) FILE *f = fopen("tests/data/bucket.tsv", "re");
	char line[512];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		check_vector(db, line);
		n++;
	}
	ok(n > 30, "there are many vectors");
}

int main(void)
{
	struct db *db = store_create();

	test_comments(db);
	test_keys(db);
	test_bucket(db);
	store_finish(db);
	return tap_done();
}
