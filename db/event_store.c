/* Events: append-only, read by time for one device or for all. */

#include "db/event_store.h"

#include "base/clean.h"

#define EVENT_COLUMNS                                                                          \
	"e.device_id, d.endpoint, e.at, e.seq, e.kind, e.campaign_id, e.job_id, e.detail "     \
	"FROM event e LEFT JOIN device d ON d.tenant_id = e.tenant_id AND "                    \
	"d.device_id = e.device_id "

enum { INSERT, LIST, LIST_DEVICE, OLDEST };

static const struct db_stmt stmts[] = {
	[INSERT] = { "event_insert",
		     "INSERT INTO event (tenant_id, device_id, at, kind, campaign_id, job_id, "
		     "detail) SELECT $1::integer, device_id, at, kind::smallint, "
		     "nullif(campaign_id, '00000000-0000-0000-0000-000000000000'), "
		     "nullif(job_id, 0), detail "
		     "FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], "
		     "$6::bigint[], $7::text[]) "
		     "AS u (device_id, at, kind, campaign_id, job_id, detail)" },
	[LIST] = { "event_list", "SELECT " EVENT_COLUMNS
				 "WHERE e.tenant_id = $1 AND (e.at, e.seq) > ($2, $3) "
				 "AND e.at < $5 ORDER BY e.at, e.seq LIMIT $4" },
	[LIST_DEVICE] = { "event_list_device",
			  "SELECT " EVENT_COLUMNS
			  "WHERE e.tenant_id = $1 AND (e.at, e.seq) > ($2, $3) "
			  "AND e.device_id = $5 ORDER BY e.at, e.seq LIMIT $4" },
	/* Of transactions that may write events.  One that has written nothing after a minute
	 * is a backup or another reader: no work of ours takes so long to begin. */
	[OLDEST] = { "event_oldest_writer",
		     "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start) * "
		     "1000000), 0)::bigint AS us FROM pg_stat_activity "
		     "WHERE datname = current_database() AND usename = current_user "
		     "AND pid <> pg_backend_pid() AND (backend_xid IS NOT NULL "
		     "OR xact_start > clock_timestamp() - interval '1 minute')" },
};
DB_STMTS(stmts)

enum rc event_store_add(struct db *db, int32_t tenant, struct arena *mem,
			const struct event *events, const int64_t *at, size_t count)
{
	struct uuid *devices = arena_array(mem, count, sizeof(*devices));
	struct uuid *campaigns = arena_array(mem, count, sizeof(*campaigns));
	int64_t *kinds = arena_array(mem, count, sizeof(*kinds));
	int64_t *jobs = arena_array(mem, count, sizeof(*jobs));
	const char **details = arena_array(mem, count, sizeof(*details));
	struct db_args a = { 0 };

	for (size_t i = 0; i < count; i++) {
		devices[i] = events[i].device_id;
		campaigns[i] = events[i].campaign_id;
		kinds[i] = events[i].kind;
		jobs[i] = events[i].job_id;
		details[i] = events[i].detail ? events[i].detail : "";
	}
	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, devices, count);
	db_arg_i64s(&a, mem, at, count);
	db_arg_i64s(&a, mem, kinds, count);
	db_arg_uuids(&a, mem, campaigns, count);
	db_arg_i64s(&a, mem, jobs, count);
	db_arg_texts(&a, mem, details, count);
	return db_run(db, &stmts[INSERT], &a, NULL);
}

static void read_event(const struct db_rows *rows, int row, struct arena *mem,
		       struct event_row *ret)
{
	*ret = (struct event_row){
		.event = {
			.device_id = db_row_uuid(rows, row, "device_id"),
			.kind = (enum event_kind)db_row_i64(rows, row, "kind"),
			.campaign_id = db_row_uuid(rows, row, "campaign_id"),
			.job_id = db_row_i64(rows, row, "job_id"),
			.detail = db_row_text(rows, row, "detail", mem),
		},
		.endpoint = db_row_text(rows, row, "endpoint", mem),
		.at = db_row_i64(rows, row, "at"),
		.seq = db_row_i64(rows, row, "seq"),
	};
}

enum rc event_store_list(struct db *db, int32_t tenant, const struct event_page *page,
			 struct event_row **ret, int *ret_count)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };
	bool one = !uuid_is_zero(&page->device_id);

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, page->after_at);
	db_arg_i64(&a, page->after_seq);
	db_arg_i64(&a, page->limit);
	if (one)
		db_arg_uuid(&a, &page->device_id);
	else
		db_arg_i64(&a, page->before);
	enum rc rc = db_run(db, &stmts[one ? LIST_DEVICE : LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;

	int count = db_rows_count(rows);
	struct event_row *items = arena_array(page->mem, (size_t)count, sizeof(*items));
	for (int i = 0; i < count; i++)
		read_event(rows, i, page->mem, &items[i]);
	*ret = items;
	*ret_count = count;
	return RC_OK;
}

enum rc event_store_oldest_writer(struct db *db, int64_t *ret_us)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	enum rc rc = db_run_one(db, &stmts[OLDEST], &a, &rows);
	if (rc == RC_OK)
		*ret_us = db_row_i64(rows, 0, "us");
	return rc;
}
