/* Migrations.  The table "migration" says what was applied, with the checksum it had. */

#include "db/migrate.h"

#include "base/clean.h"

#include <string.h>

struct migration {
	const char *name, *sha256, *sql;
};

static const struct migration migrations[] = {
#include "db/schema.inc"
};

/* Any number will do, as long as no other program of this database takes the same. */
#define LOCK_SQL   "SELECT pg_advisory_lock(7236817734)"
#define UNLOCK_SQL "SELECT pg_advisory_unlock(7236817734)"

static const char create_sql[] =
	"CREATE TABLE IF NOT EXISTS migration ("
	" name text PRIMARY KEY, sha256 text NOT NULL, applied_at bigint NOT NULL);"
	"COMMENT ON TABLE migration IS 'Schema changes applied to this database';"
	"COMMENT ON COLUMN migration.name IS 'file name without suffix';"
	"COMMENT ON COLUMN migration.sha256 IS 'of the file as it was applied';"
	"COMMENT ON COLUMN migration.applied_at IS 'when'";

enum { SQL_EXISTS, SQL_LIST, SQL_ADD };
/* Not registered: these run before there is a schema. */
static const struct db_stmt sql[] = {
	[SQL_EXISTS] = { "migration_exists",
			 "SELECT to_regclass('migration') IS NOT NULL AS there" },
	[SQL_LIST] = { "migration_list", "SELECT name, sha256 FROM migration ORDER BY name" },
	[SQL_ADD] = { "migration_add", "INSERT INTO migration (name, sha256, applied_at)"
				       " VALUES ($1, $2, (extract(epoch FROM "
				       "clock_timestamp()) * 1000000)::bigint)" },
};

/* The i-th recorded migration against the i-th embedded one; NULL when they are the same. */
static const char *difference(const struct db_rows *rows, int i, struct arena *mem)
{
	const char *name = db_row_text(rows, i, "name", mem);

	if ((size_t)i >= ARRAY_LEN(migrations))
		return arena_printf(
			mem, "the database has migration %s, which this program lacks", name);
	if (strcmp(name, migrations[i].name) != 0)
		return arena_printf(mem,
				    "the database has migration %s where this program has %s",
				    name, migrations[i].name);
	if (strcmp(db_row_text(rows, i, "sha256", mem), migrations[i].sha256) != 0)
		return arena_printf(mem, "migration %s was applied with another text", name);
	return NULL;
}

/* How many of ours are there; RC_CONFLICT with a reason when the database holds others. */
static enum rc count_applied(struct db *db, struct arena *mem, int *ret, const char **ret_why)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	enum rc rc = db_run(db, &sql[SQL_LIST], NULL, &rows);

	if (rc != RC_OK)
		return rc;
	for (int i = 0; i < db_rows_count(rows); i++) {
		const char *why = difference(rows, i, mem);

		if (why) {
			*ret_why = why;
			return RC_CONFLICT;
		}
	}
	*ret = db_rows_count(rows);
	return RC_OK;
}

static enum rc apply_in_transaction(struct db *db, const struct migration *m)
{
	struct db_args a = { 0 };
	enum rc rc = db_exec(db, m->sql);

	if (rc != RC_OK)
		return rc;
	db_arg_text(&a, m->name);
	db_arg_text(&a, m->sha256);
	return db_run(db, &sql[SQL_ADD], &a, NULL);
}

static enum rc apply(struct db *db, const struct migration *m)
{
	enum rc rc = db_begin(db);

	if (rc != RC_OK)
		return rc;
	rc = apply_in_transaction(db, m);
	if (rc == RC_OK)
		rc = db_commit(db);
	if (rc != RC_OK)
		db_rollback(db);
	return rc;
}

static enum rc apply_missing(struct db *db, int *ret_applied)
{
	CLEAN(arena) struct arena *mem = arena_create();
	const char *why = NULL;
	int done = 0, applied = 0;
	enum rc rc = db_exec(db, create_sql);

	if (rc == RC_OK)
		rc = count_applied(db, mem, &done, &why);
	for (size_t i = (size_t)done; rc == RC_OK && i < ARRAY_LEN(migrations); i++) {
		rc = apply(db, &migrations[i]);
		applied += rc == RC_OK;
	}
	if (rc == RC_OK)
		*ret_applied = applied;
	return rc;
}

enum rc db_migrate(struct db *db, int *ret_applied)
{
	enum rc rc = db_exec(db, LOCK_SQL);

	if (rc != RC_OK)
		return rc;
	rc = apply_missing(db, ret_applied);
	enum rc unlocked = db_exec(db, UNLOCK_SQL);
	return rc != RC_OK ? rc : unlocked;
}

enum rc db_migrate_check(struct db *db, struct arena *mem, const char **ret_why)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	int done = 0;
	enum rc rc = db_run(db, &sql[SQL_EXISTS], NULL, &rows);

	if (rc != RC_OK)
		return rc;
	if (!db_row_bool(rows, 0, "there")) {
		*ret_why = "the database is empty: run `musterd migrate`";
		return RC_CONFLICT;
	}
	rc = count_applied(db, mem, &done, ret_why);
	if (rc != RC_OK || (size_t)done == ARRAY_LEN(migrations))
		return rc;
	*ret_why = arena_printf(mem, "migration %s is missing: run `musterd migrate`",
				migrations[done].name);
	return RC_CONFLICT;
}
