/* The outbox. */

#include "db/outbox_store.h"

#include "base/clean.h"

enum { ADD, ADD_DEVICES, HORIZON, READ, PURGE };

static const struct db_stmt stmts[] = {
	[ADD] = { "outbox_add",
		  "INSERT INTO outbox (tenant_id, kind, campaign_id, device_id, at) "
		  "SELECT $1::integer, $2::smallint, $3::uuid, $4::uuid, $5::bigint "
		  "FROM pg_notify('" OUTBOX_CHANNEL "', '')" },
	[ADD_DEVICES] = { "outbox_add_devices",
			  "INSERT INTO outbox (tenant_id, kind, device_id, at) "
			  "SELECT $1::integer, 2, u.id, $3::bigint "
			  "FROM pg_notify('" OUTBOX_CHANNEL
			  "', ''), unnest($2::uuid[]) AS u (id)" },
	/* A transaction of another database writes nothing here, but is in the snapshot: one
	 * that is long would keep every device from its offer.  Only one that is known to be
	 * elsewhere is left out; other roles' are not shown to us without pg_read_all_stats. */
	[HORIZON] = { "outbox_horizon",
		      "WITH now AS MATERIALIZED (SELECT pg_current_snapshot() AS s), "
		      "running AS (SELECT x.xid::text::bigint AS xid "
		      "FROM now, pg_snapshot_xip(now.s) AS x (xid)) "
		      "SELECT coalesce((SELECT min(r.xid) FROM running r WHERE NOT EXISTS ("
		      "SELECT FROM pg_stat_activity a WHERE a.datname <> current_database() "
		      "AND a.backend_xid::text::bigint = r.xid % 4294967296)), "
		      "pg_snapshot_xmax(now.s)::text::bigint) AS xid FROM now" },
	[READ] = { "outbox_read",
		   "SELECT xid::text::bigint AS xid, outbox_id, kind, campaign_id, device_id "
		   "FROM outbox WHERE tenant_id = $1 AND (xid, outbox_id) > ($2::xid8, $3) "
		   "AND xid < $4::xid8 ORDER BY xid, outbox_id LIMIT $5" },
	/* In the order of the index: nothing that stays is looked at. */
	[PURGE] = { "outbox_purge",
		    "DELETE FROM outbox WHERE outbox_id IN (SELECT outbox_id FROM outbox "
		    "WHERE xid < $1::xid8 ORDER BY xid, outbox_id LIMIT $2)" },
};
DB_STMTS(stmts)

static void arg_uuid_or_null(struct db_args *a, const struct uuid *id)
{
	if (uuid_is_zero(id))
		db_arg_null(a);
	else
		db_arg_uuid(a, id);
}

enum rc outbox_store_add(struct db *db, int32_t tenant, const struct outbox_row *row,
			 int64_t now)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, row->kind);
	arg_uuid_or_null(&a, &row->campaign_id);
	arg_uuid_or_null(&a, &row->device_id);
	db_arg_i64(&a, now);
	return db_run(db, &stmts[ADD], &a, NULL);
}

enum rc outbox_store_add_devices(struct db *db, int32_t tenant, struct arena *mem,
				 const struct uuid *ids, size_t count, int64_t now)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, ids, count);
	db_arg_i64(&a, now);
	return db_run(db, &stmts[ADD_DEVICES], &a, NULL);
}

enum rc outbox_store_horizon(struct db *db, int64_t *ret_xid)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run(db, &stmts[HORIZON], &a, &rows);
	if (rc == RC_OK)
		*ret_xid = db_row_i64(rows, 0, "xid");
	return rc;
}

enum rc outbox_store_read(struct db *db, int32_t tenant, struct outbox_mark *mark,
			  int64_t horizon, int limit, struct arena *mem,
			  struct outbox_row **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, mark->xid);
	db_arg_i64(&a, mark->outbox_id);
	db_arg_i64(&a, horizon);
	db_arg_i64(&a, limit);
	enum rc rc = db_run(db, &stmts[READ], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct outbox_row *out = arena_array(mem, (size_t)n + 1, sizeof(*out));
	for (int i = 0; i < n; i++)
		out[i] = (struct outbox_row){
			.kind = (enum outbox_kind)db_row_i64(rows, i, "kind"),
			.campaign_id = db_row_uuid(rows, i, "campaign_id"),
			.device_id = db_row_uuid(rows, i, "device_id"),
		};
	if (n == limit)
		*mark = (struct outbox_mark){ db_row_i64(rows, n - 1, "xid"),
					      db_row_i64(rows, n - 1, "outbox_id") };
	else
		*mark = (struct outbox_mark){ horizon, -1 };
	*ret = out;
	*ret_count = n;
	return RC_OK;
}

enum rc outbox_store_purge(struct db *db, int64_t below, int limit, int64_t *ret_count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, below);
	db_arg_i64(&a, limit);
	return db_run_count(db, &stmts[PURGE], &a, ret_count);
}
