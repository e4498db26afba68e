/* The lease.  The fence grows whenever the holder changes; a holder that was stopped and wakes
 * up late finds its fence outdated in the very transaction it wants to write in. */

#include "db/lease_store.h"

#include "base/clean.h"

#define DB_NOW "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
/* No lease reaches so far; one that does was taken before the clock was set back. */
#define LEASE_FAR_US   "60000000"
#define NODE_FORGET_US "86400000000"

enum { ACQUIRE, GUARD, RELEASE, CLOCK, NODE_SEEN, NODE_FORGET };

static const struct db_stmt stmts[] = {
	[ACQUIRE] = { "lease_acquire",
		      "UPDATE lease SET holder = $2, until = " DB_NOW " + $3, "
		      "fence = fence + CASE WHEN holder IS NOT DISTINCT FROM $2 THEN 0 ELSE 1 "
		      "END "
		      "WHERE name = $1 AND (holder IS NOT DISTINCT FROM $2 OR until < " DB_NOW
		      " OR until > " DB_NOW " + " LEASE_FAR_US ") "
		      "RETURNING fence" },
	[GUARD] = { "lease_guard",
		    "SELECT fence FROM lease WHERE name = $1 AND holder = $2 AND fence = $3 "
		    "AND until > " DB_NOW " FOR SHARE" },
	[RELEASE] = { "lease_release", "UPDATE lease SET until = 0 WHERE name = $1 AND holder "
				       "= $2 AND fence = $3" },
	[CLOCK] = { "lease_clock", "SELECT " DB_NOW " AS now" },
	[NODE_SEEN] = { "node_seen",
			"INSERT INTO node (node_id, name, started_at, seen_at) "
			"VALUES ($1, $2, $3, $3) "
			"ON CONFLICT (node_id) DO UPDATE SET seen_at = EXCLUDED.seen_at" },
	[NODE_FORGET] = { "node_forget",
			  "DELETE FROM node WHERE seen_at < $1::bigint - " NODE_FORGET_US },
};
DB_STMTS(stmts)

enum rc lease_store_acquire(struct db *db, struct lease *lease, int64_t ttl_us, bool *ret_held)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_text(&a, lease->name);
	db_arg_uuid(&a, &lease->holder);
	db_arg_i64(&a, ttl_us);
	enum rc rc = db_run(db, &stmts[ACQUIRE], &a, &rows);
	if (rc != RC_OK)
		return rc;
	*ret_held = db_rows_count(rows) == 1;
	if (*ret_held)
		lease->fence = db_row_i64(rows, 0, "fence");
	return RC_OK;
}

enum rc lease_store_clock(struct db *db, int64_t *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run(db, &stmts[CLOCK], NULL, &rows);
	if (rc == RC_OK)
		*ret = db_row_i64(rows, 0, "now");
	return rc;
}

static void arg_lease(struct db_args *a, const struct lease *lease)
{
	db_arg_text(a, lease->name);
	db_arg_uuid(a, &lease->holder);
	db_arg_i64(a, lease->fence);
}

enum rc lease_store_guard(struct db *db, const struct lease *lease)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_lease(&a, lease);
	enum rc rc = db_run(db, &stmts[GUARD], &a, &rows);
	if (rc != RC_OK)
		return rc;
	return db_rows_count(rows) == 1 ? RC_OK : RC_CONFLICT;
}

enum rc lease_store_release(struct db *db, const struct lease *lease)
{
	struct db_args a = { 0 };

	arg_lease(&a, lease);
	return db_run(db, &stmts[RELEASE], &a, NULL);
}

enum rc node_store_seen(struct db *db, const struct uuid *node_id, const char *name,
			int64_t now)
{
	struct db_args seen = { 0 }, forget = { 0 };

	db_arg_uuid(&seen, node_id);
	db_arg_text(&seen, name);
	db_arg_i64(&seen, now);
	enum rc rc = db_run(db, &stmts[NODE_SEEN], &seen, NULL);
	if (rc != RC_OK)
		return rc;
	db_arg_i64(&forget, now);
	return db_run(db, &stmts[NODE_FORGET], &forget, NULL);
}
