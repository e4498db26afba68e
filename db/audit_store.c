/* The audit: append-only; the row of audit_head orders the writers. */

#include "db/audit_store.h"

#include "base/clean.h"

enum { LOCK_HEAD, SEQ, INSERT, MOVE_HEAD, LIST };

static const struct db_stmt stmts[] = {
	[LOCK_HEAD] = { "audit_head_lock",
			"SELECT seq, hash FROM audit_head WHERE tenant_id = $1 FOR UPDATE" },
	[SEQ] = { "audit_seq", "SELECT seq FROM audit_head WHERE tenant_id = $1" },
	[INSERT] = { "audit_insert",
		     "INSERT INTO audit (tenant_id, seq, at, actor_kind, actor_id, action, "
		     "object_kind, object_id, reason, detail, prev, hash) "
		     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)" },
	[MOVE_HEAD] = { "audit_head_move", "UPDATE audit_head SET seq = $2, hash = $3 "
					   "WHERE tenant_id = $1 AND seq = $2 - 1" },
	[LIST] = { "audit_list",
		   "SELECT seq, at, actor_kind, actor_id, action, object_kind, object_id, "
		   "reason, detail, prev, hash FROM audit WHERE tenant_id = $1 AND seq > $2 "
		   "ORDER BY seq LIMIT $3" },
};
DB_STMTS(stmts)

enum rc audit_store_lock_head(struct db *db, int32_t tenant, int64_t *ret_seq,
			      struct digest *ret_hash)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	enum rc rc = db_run(db, &stmts[LOCK_HEAD], &a, &rows);
	if (rc != RC_OK)
		return rc;
	if (db_rows_count(rows) == 0)
		return RC_INTERNAL;
	*ret_seq = db_row_i64(rows, 0, "seq");
	*ret_hash = db_row_digest(rows, 0, "hash");
	return RC_OK;
}

enum rc audit_store_seq(struct db *db, int32_t tenant, int64_t *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	enum rc rc = db_run_one(db, &stmts[SEQ], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_i64(rows, 0, "seq");
	return rc;
}

static enum rc head_move(struct db *db, const struct audit_entry *e)
{
	struct db_args a = { 0 };
	int64_t moved = 0;

	db_arg_i64(&a, e->tenant);
	db_arg_i64(&a, e->seq);
	db_arg_digest(&a, &e->hash);
	enum rc rc = db_run_count(db, &stmts[MOVE_HEAD], &a, &moved);
	if (rc != RC_OK)
		return rc;
	return moved == 1 ? RC_OK : RC_RETRY;
}

enum rc audit_store_append(struct db *db, const struct audit_entry *e)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, e->tenant);
	db_arg_i64(&a, e->seq);
	db_arg_i64(&a, e->at);
	db_arg_i64(&a, e->actor_kind);
	if (uuid_is_zero(&e->actor_id))
		db_arg_null(&a);
	else
		db_arg_uuid(&a, &e->actor_id);
	db_arg_text(&a, e->action);
	db_arg_text(&a, e->object_kind);
	db_arg_text(&a, e->object_id);
	db_arg_text(&a, e->reason);
	db_arg_text(&a, e->detail);
	db_arg_digest(&a, &e->prev);
	db_arg_digest(&a, &e->hash);
	enum rc rc = db_run(db, &stmts[INSERT], &a, NULL);
	return rc == RC_OK ? head_move(db, e) : rc;
}

static void read_entry(const struct db_rows *rows, int row, struct arena *mem,
		       struct audit_entry *ret)
{
	*ret = (struct audit_entry){
		.seq = db_row_i64(rows, row, "seq"),
		.at = db_row_i64(rows, row, "at"),
		.actor_kind = (enum actor_kind)db_row_i64(rows, row, "actor_kind"),
		.actor_id = db_row_uuid(rows, row, "actor_id"),
		.action = db_row_text(rows, row, "action", mem),
		.object_kind = db_row_text(rows, row, "object_kind", mem),
		.object_id = db_row_text(rows, row, "object_id", mem),
		.reason = db_row_text(rows, row, "reason", mem),
		.detail = db_row_text(rows, row, "detail", mem),
		.prev = db_row_digest(rows, row, "prev"),
		.hash = db_row_digest(rows, row, "hash"),
	};
}

enum rc audit_store_list(struct db *db, int32_t tenant, const struct audit_page *page,
			 struct audit_entry **ret, int *ret_count)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, page->after);
	db_arg_i64(&a, page->limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;

	int count = db_rows_count(rows);
	struct audit_entry *items = arena_array(page->mem, (size_t)count, sizeof(*items));
	for (int i = 0; i < count; i++) {
		read_entry(rows, i, page->mem, &items[i]);
		items[i].tenant = tenant;
	}
	*ret = items;
	*ret_count = count;
	return RC_OK;
}
