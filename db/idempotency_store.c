/* Idempotency keys.  The lock is a transaction's advisory lock, so it goes with the transaction
 * whatever happens to it. */

#include "db/idempotency_store.h"

#include "base/clean.h"
#include "base/hash.h"

enum { LOCK, GET, PUT, PURGE };

static const struct db_stmt stmts[] = {
	[LOCK] = { "idempotency_lock", "SELECT pg_try_advisory_xact_lock($1) AS got" },
	[GET] = { "idempotency_get",
		  "SELECT fingerprint, status, location, etag, body, created_at "
		  "FROM idempotency WHERE tenant_id = $1 AND operator_id = $2 AND key = $3 "
		  "AND created_at >= $4" },
	[PUT] = { "idempotency_put",
		  "INSERT INTO idempotency AS i (tenant_id, operator_id, key, fingerprint, "
		  "status, location, etag, body, created_at) "
		  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
		  "ON CONFLICT (tenant_id, operator_id, key) DO UPDATE SET "
		  "fingerprint = excluded.fingerprint, status = excluded.status, "
		  "location = excluded.location, etag = excluded.etag, "
		  "body = excluded.body, created_at = excluded.created_at" },
	[PURGE] = { "idempotency_purge",
		    "DELETE FROM idempotency WHERE (tenant_id, operator_id, key) IN "
		    "(SELECT tenant_id, operator_id, key FROM idempotency "
		    "WHERE created_at < $1 ORDER BY created_at LIMIT $2)" },
};
DB_STMTS(stmts)

/* The number of the advisory lock: 63 bits of a digest over what the key belongs to. */
static int64_t lock_number(int32_t tenant, const struct uuid *operator_id, const char *key)
{
	CLEAN(arena) struct arena *mem = arena_create();
	char id[UUID_TEXT_SIZE];
	struct digest d;
	uint64_t n = 0;

	sha256_of(bytes_of(arena_printf(mem, "idempotency/%d/%s/%s", (int)tenant,
					uuid_format(operator_id, id), key)),
		  &d);
	for (int i = 0; i < 8; i++)
		n = n << 8 | d.b[i];
	return (int64_t)(n >> 1);
}

enum rc idempotency_store_lock(struct db *db, int32_t tenant, const struct uuid *operator_id,
			       const char *key, bool *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, lock_number(tenant, operator_id, key));
	enum rc rc = db_run(db, &stmts[LOCK], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_bool(rows, 0, "got");
	return rc;
}

enum rc idempotency_store_get(struct db *db, int32_t tenant, struct arena *mem, int64_t since,
			      struct idempotency_row *row)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &row->operator_id);
	db_arg_text(&a, row->key);
	db_arg_i64(&a, since);
	enum rc rc = db_run_one(db, &stmts[GET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	row->fingerprint = db_row_digest(rows, 0, "fingerprint");
	row->status = (int32_t)db_row_i64(rows, 0, "status");
	row->location = db_row_text(rows, 0, "location", mem);
	row->etag = db_row_text(rows, 0, "etag", mem);
	row->body = db_row_bytes(rows, 0, "body", mem);
	row->created_at = db_row_i64(rows, 0, "created_at");
	return RC_OK;
}

enum rc idempotency_store_put(struct db *db, int32_t tenant, const struct idempotency_row *row)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &row->operator_id);
	db_arg_text(&a, row->key);
	db_arg_digest(&a, &row->fingerprint);
	db_arg_i64(&a, row->status);
	db_arg_text(&a, row->location);
	db_arg_text(&a, row->etag);
	db_arg_bytes(&a, row->body);
	db_arg_i64(&a, row->created_at);
	return db_run(db, &stmts[PUT], &a, NULL);
}

enum rc idempotency_store_purge(struct db *db, int64_t before, int limit, int64_t *ret_count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, before);
	db_arg_i64(&a, limit);
	return db_run_count(db, &stmts[PURGE], &a, ret_count);
}
