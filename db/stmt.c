/* Statements: registered by constructors, prepared on a connection when they first run there.
 */

#include "base/clean.h"
#include "db/rows.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define TABLES_MAX 128

static struct {
	const struct db_stmt *stmts;
	size_t count;
} tables[TABLES_MAX];
static size_t table_count;

void db_stmt_register(const struct db_stmt *stmts, size_t count)
{
	assert(table_count < TABLES_MAX);
	tables[table_count].stmts = stmts;
	tables[table_count++].count = count;
}

const struct db_stmt *db_stmt_at(size_t i)
{
	for (size_t t = 0; t < table_count; t++) {
		if (i < tables[t].count)
			return &tables[t].stmts[i];
		i -= tables[t].count;
	}
	return NULL;
}

/* The statements a connection knows: an open hash of pointers, never fuller than half. */
struct db_prepared {
	size_t size, count;
	const struct db_stmt *slots[];
};

static size_t slot_of(const struct db_prepared *p, const struct db_stmt *stmt)
{
	size_t size = p->size;

	assert(size);
	size_t i = ((uintptr_t)stmt / sizeof(*stmt) * 2654435761u) % size;
	while (p->slots[i] && p->slots[i] != stmt)
		/* NOLINTNEXTLINE(*UndefinedBinaryOperatorResult): a size is never undefined */
		i = (i + 1) % size;
	return i;
}

static struct db_prepared *prepared_create(size_t size)
{
	struct db_prepared *p = xcalloc(1, sizeof(*p) + size * sizeof(struct db_stmt *));

	p->size = size;
	return p;
}

void db_prepared_free(struct db_prepared *p)
{
	free(p);
}

static bool is_prepared(const struct db *db, const struct db_stmt *stmt)
{
	return db->prepared && db->prepared->slots[slot_of(db->prepared, stmt)] == stmt;
}

static void remember(struct db *db, const struct db_stmt *stmt)
{
	struct db_prepared *old = db->prepared;

	if (!old || old->count * 2 >= old->size) {
		struct db_prepared *larger = prepared_create(old ? old->size * 2 : 256);

		for (size_t i = 0; old && i < old->size; i++) {
			if (!old->slots[i])
				continue;
			larger->slots[slot_of(larger, old->slots[i])] = old->slots[i];
			larger->count++;
		}
		free(old);
		db->prepared = larger;
	}
	db->prepared->slots[slot_of(db->prepared, stmt)] = stmt;
	db->prepared->count++;
}

static enum rc prepare(struct db *db, const struct db_stmt *stmt)
{
	CLEAN(result) PGresult *r = NULL;

	if (is_prepared(db, stmt))
		return RC_OK;
	if (!PQsendPrepare(db->conn, stmt->name, stmt->sql, 0, NULL))
		return conn_lost(db);
	enum rc rc = conn_finish(db, &r);
	if (rc == RC_OK && *stmt->name)
		remember(db, stmt);
	return rc;
}

static enum rc run(struct db *db, const struct db_stmt *stmt, const struct db_args *args,
		   PGresult **ret)
{
	static const struct db_args none;
	const struct db_args *a = args ? args : &none;

	if (db->broken || memory_is_short())
		return RC_UNAVAILABLE;
	enum rc rc = prepare(db, stmt);
	if (rc != RC_OK)
		return rc;
	if (!PQsendQueryPrepared(db->conn, stmt->name, a->count, a->values, a->lengths,
				 a->formats, 0))
		return conn_lost(db);
	return conn_finish(db, ret);
}

enum rc db_run(struct db *db, const struct db_stmt *stmt, const struct db_args *args,
	       struct db_rows **ret)
{
	CLEAN(result) PGresult *r = NULL;
	enum rc rc = run(db, stmt, args, &r);

	if (rc == RC_OK && ret)
		*ret = db_rows_create(TAKE(r));
	return rc;
}

enum rc db_run_one(struct db *db, const struct db_stmt *stmt, const struct db_args *args,
		   struct db_rows **ret)
{
	enum rc rc = db_run(db, stmt, args, ret);

	return rc == RC_OK && db_rows_count(*ret) == 0 ? RC_NOT_FOUND : rc;
}

enum rc db_run_count(struct db *db, const struct db_stmt *stmt, const struct db_args *args,
		     int64_t *ret_rows)
{
	CLEAN(result) PGresult *r = NULL;
	int64_t n = 0;
	enum rc rc = run(db, stmt, args, &r);

	if (rc != RC_OK)
		return rc;
	/* A command that counts nothing has an empty text. */
	if (parse_i64(bytes_of(PQcmdTuples(r)), 0, INT64_MAX, &n) != RC_OK)
		n = 0;
	*ret_rows = n;
	return RC_OK;
}

enum rc db_prepare(struct db *db, const struct db_stmt *stmt)
{
	return db->broken ? RC_UNAVAILABLE : prepare(db, stmt);
}
