/* How far this database is. */

#include "db/witness_store.h"

#include "base/clean.h"

enum { READ, PUT, STEP, HAS_ACT };

static const struct db_stmt stmts[] = {
	[READ] = { "witness_read",
		   "SELECT i.instance_id, i.epoch, w.counter, a.hash FROM instance i "
		   "LEFT JOIN witness w ON w.witness_id = $1 "
		   "LEFT JOIN audit a ON a.tenant_id = $2 AND a.seq = $3" },
	[PUT] = { "witness_put",
		  "INSERT INTO witness AS w (witness_id, counter, at) VALUES ($1, $2, $3) "
		  "ON CONFLICT (witness_id) DO UPDATE "
		  "SET counter = greatest(w.counter, excluded.counter), at = excluded.at" },
	[STEP] = { "witness_step",
		   "UPDATE witness w SET counter = w.counter + 1, at = $4 FROM instance i "
		   "WHERE w.witness_id = $1 AND w.counter >= $2 AND i.instance_id = $5 "
		   "AND i.epoch = $3 RETURNING w.counter" },
	[HAS_ACT] = { "witness_has_act", "SELECT 1 FROM audit WHERE tenant_id = $1 AND "
					 "seq = $2 AND hash = $3" },
};
DB_STMTS(stmts)

enum rc witness_store_read(struct db *db, int32_t tenant, const struct witness_mark *mark,
			   struct witness_row *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_uuid(&a, &mark->witness_id);
	db_arg_i64(&a, tenant);
	db_arg_i64(&a, mark->audit_seq);
	enum rc rc = db_run(db, &stmts[READ], &a, &rows);
	if (rc != RC_OK)
		return rc;
	if (db_rows_count(rows) != 1)
		return RC_INTERNAL;
	*ret = (struct witness_row){
		.instance_id = db_row_uuid(rows, 0, "instance_id"),
		.epoch = db_row_i64(rows, 0, "epoch"),
		.has_counter = !db_row_is_null(rows, 0, "counter"),
		.counter = db_row_i64(rows, 0, "counter"),
		.has_audit = !db_row_is_null(rows, 0, "hash"),
		.audit_hash = db_row_digest(rows, 0, "hash"),
	};
	return RC_OK;
}

enum rc witness_store_put(struct db *db, const struct uuid *witness_id, int64_t counter,
			  int64_t now)
{
	struct db_args a = { 0 };

	db_arg_uuid(&a, witness_id);
	db_arg_i64(&a, counter);
	db_arg_i64(&a, now);
	return db_run(db, &stmts[PUT], &a, NULL);
}

enum rc witness_store_step(struct db *db, const struct witness_mark *mark, int64_t now,
			   int64_t *ret_counter)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_uuid(&a, &mark->witness_id);
	db_arg_i64(&a, mark->counter);
	db_arg_i64(&a, mark->epoch);
	db_arg_i64(&a, now);
	db_arg_uuid(&a, &mark->instance_id);
	enum rc rc = db_run(db, &stmts[STEP], &a, &rows);
	if (rc != RC_OK)
		return rc;
	if (db_rows_count(rows) != 1)
		return RC_CONFLICT;
	*ret_counter = db_row_i64(rows, 0, "counter");
	return RC_OK;
}

enum rc witness_store_has_act(struct db *db, int32_t tenant, const struct witness_act *act,
			      bool *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, act->seq);
	db_arg_digest(&a, &act->hash);
	enum rc rc = db_run(db, &stmts[HAS_ACT], &a, &rows);
	if (rc == RC_OK)
		*ret = db_rows_count(rows) == 1;
	return rc;
}
