/* Tallies.  Rows are written in the order of their key, so two writers cannot deadlock. */

#include "db/tally_store.h"

#include "base/clean.h"

enum { ADD, SUM };

static const struct db_stmt stmts[] = {
	[ADD] = { "tally_add",
		  "INSERT INTO tally (tenant_id, campaign_id, stage, state, shard, n) "
		  "SELECT $1::integer, campaign_id, stage::integer, state::smallint, "
		  "$2::smallint, n "
		  "FROM unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[]) "
		  "AS u (campaign_id, stage, state, n) ORDER BY campaign_id, stage, state "
		  "ON CONFLICT (tenant_id, campaign_id, stage, state, shard) "
		  "DO UPDATE SET n = tally.n + EXCLUDED.n" },
	[SUM] = { "tally_sum",
		  "SELECT stage, state, sum(n)::bigint AS n FROM tally "
		  "WHERE tenant_id = $1 AND campaign_id = $2 GROUP BY stage, state" },
};
DB_STMTS(stmts)

enum rc tally_store_add(struct db *db, int32_t tenant, int32_t shard, struct arena *mem,
			const struct tally_change *changes, size_t count)
{
	struct uuid *campaigns = arena_array(mem, count, sizeof(*campaigns));
	int64_t *stages = arena_array(mem, count, sizeof(*stages));
	int64_t *states = arena_array(mem, count, sizeof(*states));
	int64_t *numbers = arena_array(mem, count, sizeof(*numbers));
	struct db_args a = { 0 };

	for (size_t i = 0; i < count; i++) {
		campaigns[i] = changes[i].campaign_id;
		stages[i] = changes[i].stage;
		states[i] = changes[i].state;
		numbers[i] = changes[i].n;
	}
	db_arg_i64(&a, tenant);
	db_arg_i64(&a, shard);
	db_arg_uuids(&a, mem, campaigns, count);
	db_arg_i64s(&a, mem, stages, count);
	db_arg_i64s(&a, mem, states, count);
	db_arg_i64s(&a, mem, numbers, count);
	return db_run(db, &stmts[ADD], &a, NULL);
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
