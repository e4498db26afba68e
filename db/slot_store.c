/* Slots. */

#include "db/slot_store.h"

#include "base/clean.h"

enum { TAKE_SLOTS, RELEASE, BUSY };

static const struct db_stmt stmts[] = {
	[TAKE_SLOTS] = { "slot_take",
			 "INSERT INTO slot (tenant_id, device_id, component, job_id, "
			 "campaign_id) "
			 "SELECT $1::integer, $2::uuid, name, $4::bigint, $5::uuid "
			 "FROM unnest(string_to_array($3::text, ',')) AS name ORDER BY name "
			 "ON CONFLICT DO NOTHING "
			 "RETURNING cardinality(string_to_array($3::text, ',')) AS wanted" },
	[RELEASE] = { "slot_release",
		      "DELETE FROM slot l USING unnest($2::uuid[], $3::bigint[]) "
		      "AS u (device_id, job_id) WHERE l.tenant_id = $1 "
		      "AND l.device_id = u.device_id AND l.job_id = u.job_id" },
	[BUSY] = { "slot_busy",
		   "SELECT EXISTS (SELECT 1 FROM slot WHERE tenant_id = $1 AND device_id = $2 "
		   "AND component = ANY(string_to_array($3::text, ','))) AS busy" },
};
DB_STMTS(stmts)

enum rc slot_store_take(struct db *db, int32_t tenant, const struct slot_claim *claim)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &claim->device_id);
	db_arg_text(&a, claim->components);
	db_arg_i64(&a, claim->job_id);
	db_arg_uuid(&a, &claim->campaign_id);
	enum rc rc = db_run(db, &stmts[TAKE_SLOTS], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	return n > 0 && db_row_i64(rows, 0, "wanted") == n ? RC_OK : RC_RETRY;
}

enum rc slot_store_release(struct db *db, int32_t tenant, struct arena *mem,
			   const struct uuid *device_ids, const int64_t *job_ids, size_t count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, device_ids, count);
	db_arg_i64s(&a, mem, job_ids, count);
	return db_run(db, &stmts[RELEASE], &a, NULL);
}

enum rc slot_store_busy(struct db *db, int32_t tenant, const struct uuid *device_id,
			const char *components, bool *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, device_id);
	db_arg_text(&a, components);
	enum rc rc = db_run(db, &stmts[BUSY], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_bool(rows, 0, "busy");
	return rc;
}
