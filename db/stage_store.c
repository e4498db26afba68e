/* Stages. */

#include "db/stage_store.h"

#include "base/clean.h"

enum { INSERT, LIST, PUT, SOAK_AGAIN };

static const struct db_stmt stmts[] = {
	[INSERT] = { "stage_insert",
		     "INSERT INTO stage (tenant_id, campaign_id, stage, share, count, "
		     "success_share, failure_share, min_sample, soak_s) "
		     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)" },
	[LIST] = { "stage_list",
		   "SELECT stage, share, count, success_share, failure_share, min_sample, "
		   "soak_s, "
		   "state, threshold, members, forgiven, opened_at, reached_at, closed_at "
		   "FROM stage WHERE tenant_id = $1 AND campaign_id = $2 ORDER BY stage" },
	[PUT] = { "stage_put",
		  "UPDATE stage SET state = $5, threshold = $6, members = $7, forgiven = $8, "
		  "opened_at = nullif($9::bigint, 0), reached_at = nullif($10::bigint, 0), "
		  "closed_at = nullif($11::bigint, 0) "
		  "WHERE tenant_id = $1 AND campaign_id = $2 AND stage = $3 AND state = $4" },
	[SOAK_AGAIN] = { "stage_soak_again",
			 "UPDATE stage SET reached_at = $3 WHERE tenant_id = $1 AND state = $2 "
			 "AND reached_at IS NOT NULL" },
};
DB_STMTS(stmts)

enum rc stage_store_insert(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			   const struct stage *stage)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	db_arg_i64(&a, stage->stage);
	db_arg_i64(&a, stage->share);
	db_arg_i64(&a, stage->count);
	db_arg_i64(&a, stage->gate.success_share);
	db_arg_i64(&a, stage->gate.failure_share);
	db_arg_i64(&a, stage->gate.min_sample);
	db_arg_i64(&a, stage->gate.soak_s);
	return db_run(db, &stmts[INSERT], &a, NULL);
}

static void read_stage(const struct db_rows *rows, int i, struct stage *ret)
{
	*ret = (struct stage){
		.stage = (int32_t)db_row_i64(rows, i, "stage"),
		.share = (int32_t)db_row_i64(rows, i, "share"),
		.count = db_row_i64(rows, i, "count"),
		.gate = {
			.success_share = (int32_t)db_row_i64(rows, i, "success_share"),
			.failure_share = (int32_t)db_row_i64(rows, i, "failure_share"),
			.min_sample = (int32_t)db_row_i64(rows, i, "min_sample"),
			.soak_s = (int32_t)db_row_i64(rows, i, "soak_s"),
		},
		.state = (enum stage_state)db_row_i64(rows, i, "state"),
		.threshold = db_row_i64(rows, i, "threshold"),
		.members = db_row_i64(rows, i, "members"),
		.forgiven = db_row_i64(rows, i, "forgiven"),
		.opened_at = db_row_i64(rows, i, "opened_at"),
		.reached_at = db_row_i64(rows, i, "reached_at"),
		.closed_at = db_row_i64(rows, i, "closed_at"),
	};
}

enum rc stage_store_list(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			 struct arena *mem, struct stage **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct stage *stages = arena_array(mem, (size_t)n + 1, sizeof(*stages));
	for (int i = 0; i < n; i++)
		read_stage(rows, i, &stages[i]);
	*ret = stages;
	*ret_count = n;
	return RC_OK;
}

enum rc stage_store_put(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			enum stage_state from, const struct stage *stage)
{
	struct db_args a = { 0 };
	int64_t n;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	db_arg_i64(&a, stage->stage);
	db_arg_i64(&a, from);
	db_arg_i64(&a, stage->state);
	db_arg_i64(&a, stage->threshold);
	db_arg_i64(&a, stage->members);
	db_arg_i64(&a, stage->forgiven);
	db_arg_i64(&a, stage->opened_at);
	db_arg_i64(&a, stage->reached_at);
	db_arg_i64(&a, stage->closed_at);
	enum rc rc = db_run_count(db, &stmts[PUT], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n == 1 ? RC_OK : RC_RETRY;
}

enum rc stage_store_soak_again(struct db *db, int32_t tenant, int64_t now)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, STAGE_OPEN);
	db_arg_i64(&a, now);
	return db_run(db, &stmts[SOAK_AGAIN], &a, NULL);
}
