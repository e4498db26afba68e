/* Parameters in, rows out: every type both ways; SQLSTATE to results. */

#include "tests/store/store.h"

static struct arena *mem;

static const struct db_stmt echo_all = {
	"",
	"SELECT $1::bigint AS i, $2::boolean AS b, $3::text AS t, $4::bytea AS x, $5::uuid "
	"AS u,"
	" $6::bytea AS d, $7::text AS nothing, $8::bigint[]::text AS ii, $9::uuid[]::text "
	"AS uu,"
	" ($10::text[])[2] AS second, $10::text[] AS tt, array_length($10::text[], 1) AS n, "
	"$11::bytea[] = ARRAY[$4::bytea, ''] AS xx"
};

static void test_types(struct db *db)
{
	static const uint8_t raw[] = { 0, 1, 0xff, '\\', '\'' };
	static const char *const texts[] = { "plain", "q\"uo\\te,{}", "", NULL };
	const int64_t numbers[] = { INT64_MIN, 0, INT64_MAX };
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };
	struct uuid id;
	struct digest d;

	uuid_random(&id);
	sha256_of(bytes_of("x"), &d);
	db_arg_i64(&a, INT64_MIN);
	db_arg_bool(&a, true);
	db_arg_text(&a, "t\xc3\xa4xt'; --");
	db_arg_bytes(&a, (struct bytes){ raw, sizeof(raw) });
	db_arg_uuid(&a, &id);
	db_arg_digest(&a, &d);
	db_arg_null(&a);
	db_arg_i64s(&a, mem, numbers, 3);
	db_arg_uuids(&a, mem, &id, 1);
	db_arg_texts(&a, mem, texts, 4);
	db_arg_byteas(&a, mem, (struct bytes[]){ { raw, sizeof(raw) }, { NULL, 0 } }, 2);
	if (!ok(db_run(db, &echo_all, &a, &rows) == RC_OK, "runs: %s", db_error(db)))
		return;
	struct uuid got_id = db_row_uuid(rows, 0, "u");
	struct digest got_digest = db_row_digest(rows, 0, "d");
	struct bytes got_raw = db_row_bytes(rows, 0, "x", mem);
	is_int(db_rows_count(rows), 1, "one row");
	is_int(db_row_i64(rows, 0, "i"), INT64_MIN, "bigint");
	ok(db_row_bool(rows, 0, "b"), "boolean");
	is_str(db_row_text(rows, 0, "t", mem), "t\xc3\xa4xt'; --", "text");
	ok(bytes_equal(got_raw, (struct bytes){ raw, sizeof(raw) }), "bytea");
	ok(uuid_equal(&got_id, &id), "uuid");
	ok(digest_equal(&got_digest, &d), "digest");
	ok(db_row_is_null(rows, 0, "nothing") && !db_row_text(rows, 0, "nothing", mem), "NULL");
	is_str(db_row_text(rows, 0, "ii", mem), "{-9223372036854775808,0,9223372036854775807}",
	       "bigint[]");
	is_str(db_row_text(rows, 0, "second", mem), "q\"uo\\te,{}", "text[] quotes");
	is_int(db_row_i64(rows, 0, "n"), 4, "text[] keeps empty and NULL items");
	ok(db_row_bool(rows, 0, "xx"), "bytea[]");
}

static void test_nulls_and_empty(struct db *db)
{
	static const struct db_stmt stmt = {
		"", "SELECT $1::bytea AS x, $2::bytea AS d, $3::uuid AS u,"
		    " NULL::bigint AS i, NULL::boolean AS b,"
		    " cardinality($4::bigint[]) AS n"
	};
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_bytes(&a, (struct bytes){ NULL, 0 });
	db_arg_digest(&a, NULL);
	db_arg_uuid(&a, NULL);
	db_arg_i64s(&a, mem, NULL, 0);
	ok(db_run(db, &stmt, &a, &rows) == RC_OK, "runs");
	struct uuid id = db_row_uuid(rows, 0, "u");
	ok(!db_row_is_null(rows, 0, "x") && db_row_bytes(rows, 0, "x", mem).n == 0,
	   "empty bytes are not NULL");
	ok(db_row_is_null(rows, 0, "d"), "no digest is NULL");
	ok(uuid_is_zero(&id), "a NULL uuid reads as zero");
	is_int(db_row_i64(rows, 0, "i"), 0, "a NULL number reads as 0");
	ok(!db_row_bool(rows, 0, "b"), "a NULL boolean reads as false");
	is_int(db_row_i64(rows, 0, "n"), 0, "an empty array");
}

static void test_results(struct db *db)
{
	static const struct {
		const char *sql, *sqlstate;
		enum rc rc;
	} rows[] = {
		{ "INSERT INTO tenant VALUES (1, 'x', NULL, 0)", "23505", RC_CONFLICT },
		{ "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", "40001", RC_RETRY },
		{ "DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", "40P01", RC_RETRY },
		{ "DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", "53100", RC_UNAVAILABLE },
		{ "SELECT 1/0", "22012", RC_INTERNAL },
		{ "nonsense", "42601", RC_INTERNAL },
		{ "SET statement_timeout = 50; SELECT pg_sleep(5)", "57014", RC_UNAVAILABLE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ok(db_exec(db, rows[i].sql) == rows[i].rc, "%s is %s", rows[i].sqlstate,
		   rc_name(rows[i].rc));
		is_str(db_sqlstate(db), rows[i].sqlstate, "SQLSTATE");
	}
	ok(db_exec(db, "SET statement_timeout = 10000") == RC_OK,
	   "and the connection still works");
}

static void test_transactions(struct db *db)
{
	static const struct db_stmt rename = {
		"", "UPDATE tenant SET name = $1 WHERE tenant_id = 1"
	};
	struct db_args a = { 0 };
	int64_t n = 0;

	db_arg_text(&a, "other");
	ok(!db_in_transaction(db) && db_begin(db) == RC_OK && db_in_transaction(db), "begins");
	ok(db_run_count(db, &rename, &a, &n) == RC_OK && n == 1, "counts the rows it touched");
	db_rollback(db);
	ok(!db_in_transaction(db), "rolled back");
	is_int(store_i64(db, "SELECT count(*) AS v FROM tenant WHERE name = 'other'"), 0,
	       "nothing happened");
	ok(db_begin(db) == RC_OK && db_exec(db, "SELECT 1/0") == RC_INTERNAL, "an error");
	ok(db_commit(db) != RC_OK, "a failed transaction does not pretend to commit");
	db_rollback(db);
	ok(db_begin(db) == RC_OK && db_run_count(db, &rename, &a, &n) == RC_OK &&
		   db_commit(db) == RC_OK,
	   "commits");
	is_int(store_i64(db, "SELECT count(*) AS v FROM tenant WHERE name = 'other'"), 1,
	       "it stays");
}

struct seen {
	int rows;
	bool right;
};

static bool see_row(void *arg, char *const *fields, int count)
{
	struct seen *s = arg;

	s->right = s->right && count == 3 && strcmp(fields[1], "tab\there\nand\\back") == 0 &&
		   (s->rows % 2 ? fields[2] == NULL : strcmp(fields[2], "") == 0);
	s->rows++;
	return s->rows < 100000;
}

static void test_copy(struct db *db)
{
	struct seen s = { 0, true };
	enum rc rc = db_copy_out(db,
				 "SELECT g, E'tab\\there\\nand\\\\back',"
				 " CASE WHEN g % 2 = 0 THEN NULL ELSE '' END"
				 " FROM generate_series(1, 5000) g",
				 see_row, &s);

	ok(rc == RC_OK && s.rows == 5000 && s.right,
	   "5000 rows, unescaped, NULL apart from empty");
	ok(db_copy_out(db, "SELECT nothing", see_row, &s) == RC_INTERNAL, "a bad query");
	is_int(store_i64(db, "SELECT 1 AS v"), 1, "the connection still works");
	s.rows = 99998;
	s.right = true;
	rc = db_copy_out(db, "SELECT g, '', '' FROM generate_series(1, 5000) g", see_row, &s);
	ok(rc == RC_INTERNAL, "the callback may stop it");
	ok(db_exec(db, "SELECT 1") == RC_UNAVAILABLE, "then the connection is not used again");
}

static void test_notify(struct db *db)
{
	CLEAN(db) struct db *other = store_connect();
	const char *payload = NULL;

	ok(db_exec(db, "LISTEN muster") == RC_OK, "listens");
	ok(db_wait_notify(db, -1, 20000, mem, &payload) == RC_OK && !payload, "nothing came");
	ok(db_exec(other, "NOTIFY muster, 'c:1'") == RC_OK, "a hint");
	ok(db_wait_notify(db, -1, 5000000, mem, &payload) == RC_OK, "it came");
	is_str(payload, "c:1", "with its text");
}

int main(void)
{
	struct db *db = store_create();

	mem = store_mem;
	test_types(db);
	test_nulls_and_empty(db);
	test_results(db);
	test_transactions(db);
	test_notify(db);
	test_copy(db);
	store_finish(db);
	return tap_done();
}
