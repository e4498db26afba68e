/* Signed SUIT reports. */
#include "db/report_store.h"

#include "base/clean.h"

enum { FACTS, PUT, GET };

static const struct db_stmt stmts[] = {
	[FACTS] = { "report_facts",
		    "SELECT u.place, d.report_key, j.job_id, j.manifest_digest, j.attempt "
		    "FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY "
		    "AS u (device_id, job_id, place) "
		    "JOIN device d ON d.tenant_id = $1 AND d.device_id = u.device_id "
		    "AND d.report_key IS NOT NULL "
		    "LEFT JOIN job j ON j.tenant_id = $1 AND j.device_id = u.device_id "
		    "AND j.job_id = u.job_id" },
	/* In one order, so that two who write the same do not wait for each other. */
	[PUT] = { "report_put",
		  "INSERT INTO job_report AS r "
		  "(tenant_id, device_id, job_id, attempt, report, received_at) "
		  "SELECT $1, u.device_id, u.job_id, u.attempt, u.report, $6 "
		  "FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bytea[]) "
		  "AS u (device_id, job_id, attempt, report) ORDER BY 2, 3 "
		  "ON CONFLICT (tenant_id, device_id, job_id) DO UPDATE "
		  "SET attempt = excluded.attempt, report = excluded.report, "
		  "received_at = excluded.received_at "
		  "WHERE r.attempt <= excluded.attempt AND r.report <> excluded.report" },
	[GET] = { "report_get", "SELECT report FROM job_report WHERE tenant_id = $1 "
				"AND device_id = $2 AND job_id = $3" },
};
DB_STMTS(stmts)

enum rc report_store_facts(struct db *db, int32_t tenant, struct arena *mem,
			   const struct uuid *device_ids, const int64_t *job_ids, size_t count,
			   struct report_facts *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	for (size_t i = 0; i < count; i++)
		ret[i] = (struct report_facts){ 0 };
	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, device_ids, count);
	db_arg_i64s(&a, mem, job_ids, count);
	enum rc rc = db_run(db, &stmts[FACTS], &a, &rows);
	for (int i = 0; rc == RC_OK && i < db_rows_count(rows); i++)
		ret[db_row_i64(rows, i, "place") - 1] = (struct report_facts){
			.has_job = db_row_i64(rows, i, "job_id") != 0,
			.report_key = db_row_bytes(rows, i, "report_key", mem),
			.manifest = db_row_digest(rows, i, "manifest_digest"),
			.attempt = (int32_t)db_row_i64(rows, i, "attempt"),
		};
	return rc;
}

enum rc report_store_put(struct db *db, int32_t tenant, struct arena *mem,
			 const struct signed_report_row *rows, size_t count, int64_t now)
{
	struct db_args a = { 0 };
	struct uuid *devices = arena_array(mem, count, sizeof(*devices));
	int64_t *jobs = arena_array(mem, count, sizeof(*jobs));
	int64_t *attempts = arena_array(mem, count, sizeof(*attempts));
	struct bytes *reports = arena_array(mem, count, sizeof(*reports));

	for (size_t i = 0; i < count; i++) {
		devices[i] = rows[i].device_id;
		jobs[i] = rows[i].job_id;
		attempts[i] = rows[i].attempt;
		reports[i] = rows[i].report;
	}
	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, devices, count);
	db_arg_i64s(&a, mem, jobs, count);
	db_arg_i64s(&a, mem, attempts, count);
	db_arg_byteas(&a, mem, reports, count);
	db_arg_i64(&a, now);
	return db_run(db, &stmts[PUT], &a, NULL);
}

enum rc report_store_get(struct db *db, int32_t tenant, const struct uuid *device_id,
			 int64_t job_id, struct arena *mem, struct bytes *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, device_id);
	db_arg_i64(&a, job_id);
	enum rc rc = db_run_one(db, &stmts[GET], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_bytes(rows, 0, "report", mem);
	return rc;
}
