/* Tallies.  Rows are written in ascending order of state, so two writers cannot deadlock on one
 * job's change. */

#include "db/tally_store.h"

#include "base/clean.h"

#define UPSERT                                                                                 \
	" ON CONFLICT (tenant_id, campaign_id, stage, state, shard) "                          \
	"DO UPDATE SET n = tally.n + EXCLUDED.n"

enum { ADD, MOVE, SUM };

static const struct db_stmt stmts[] = {
	[ADD] = { "tally_add",
		  "INSERT INTO tally (tenant_id, campaign_id, stage, state, shard, n) "
		  "VALUES ($1, $2, $3, $5, $4, 1)" UPSERT },
	[MOVE] = { "tally_move",
		   "INSERT INTO tally (tenant_id, campaign_id, stage, state, shard, n) "
		   "SELECT $1::integer, $2::uuid, $3::integer, state, $4::smallint, n FROM "
		   "(VALUES ($5::smallint, -1), "
		   "($6::smallint, 1)) AS v (state, n) ORDER BY state" UPSERT },
	[SUM] = { "tally_sum",
		  "SELECT stage, state, sum(n)::bigint AS n FROM tally "
		  "WHERE tenant_id = $1 AND campaign_id = $2 GROUP BY stage, state" },
};
DB_STMTS(stmts)

static void arg_key(struct db_args *a, int32_t tenant, const struct tally_key *key)
{
	db_arg_i64(a, tenant);
	db_arg_uuid(a, &key->campaign_id);
	db_arg_i64(a, key->stage);
	db_arg_i64(a, key->shard);
}

enum rc tally_store_add(struct db *db, int32_t tenant, const struct tally_key *key, int state)
{
	struct db_args a = { 0 };

	arg_key(&a, tenant, key);
	db_arg_i64(&a, state);
	return db_run(db, &stmts[ADD], &a, NULL);
}

enum rc tally_store_move(struct db *db, int32_t tenant, const struct tally_key *key, int from,
			 int to)
{
	struct db_args a = { 0 };

	arg_key(&a, tenant, key);
	db_arg_i64(&a, from);
	db_arg_i64(&a, to);
	return db_run(db, &stmts[MOVE], &a, NULL);
}

enum rc tally_store_sum(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			tally_store_row *row, void *arg)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	enum rc rc = db_run(db, &stmts[SUM], &a, &rows);
	if (rc != RC_OK)
		return rc;
	for (int i = 0; i < db_rows_count(rows); i++)
		row(arg, (int32_t)db_row_i64(rows, i, "stage"),
		    (int)db_row_i64(rows, i, "state"), db_row_i64(rows, i, "n"));
	return RC_OK;
}
