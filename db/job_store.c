/* Jobs: reading with a lock, compare-and-set, lists. */

#include "db/job_store.h"

#include "base/clean.h"

#include <string.h>

#define JOB_COLUMNS                                                                            \
	"j.job_id, j.device_id, j.campaign_id, j.release_id, j.component, j.state, j.cause, "  \
	"j.stage, j.attempt, j.from_digest, j.boot_id, j.bytes_done, j.bytes_total, "          \
	"j.created_at, j.updated_at, j.deadline_at, j.manifest_digest, j.bytes_saved, "        \
	"j.fell_back, j.xmin AS row_version"
/* What a report can change, and what follows from a change. */
#define JOB_FEW_COLUMNS                                                                        \
	"j.campaign_id, j.release_id, j.state, j.cause, j.stage, j.attempt, j.boot_id, "       \
	"j.bytes_done, j.bytes_total, j.updated_at, j.deadline_at, " ROW_VERSION               \
	" AS row_version"
#define CAMPAIGN_COLUMNS                                                                       \
	", c.state AS campaign_state, c.silent_after_s, "                                      \
	"c.max_attempts, 0 AS heard_at, 0 AS "                                                 \
	"fetched_at "
#define FROM_JOB_CAMPAIGN                                                                      \
	"FROM job j JOIN campaign c ON c.tenant_id = j.tenant_id "                             \
	"AND c.campaign_id = j.campaign_id "
#define OPEN_STATES "(1, 2, 3, 4, 5, 15)"
/* Farther than any deadline: two years.  A clock was wrong when it was set. */
#define DEADLINE_FAR_US "63072000000000"

#define NO_DEADLINE "9223372036854775807"
/* Names the version of a row that was read; a lock does not change it. */
#define ROW_VERSION "j.xmin"

enum {
	LOCK,
	GET,
	LOCK_DEVICES,
	OPEN,
	DUE,
	ANY_DUE,
	INSERT,
	MOVE,
	VARIANTS,
	CHOOSE,
	FORGET_CHOICE,
	LIST,
	OPEN_OF_CAMPAIGN,
	UNBEGUN_OF_CAMPAIGN
};

/* A thousand of a campaign's at a time: what is before is closed, and not read again. */
#define AFTER_JOB                                                                              \
	"AND (j.device_id, j.job_id) > ($3, $4) "                                              \
	"ORDER BY j.device_id, j.job_id LIMIT 1000 FOR UPDATE OF j"

static const struct db_stmt stmts[] = {
	[LOCK] = { "job_lock", "SELECT " JOB_COLUMNS CAMPAIGN_COLUMNS FROM_JOB_CAMPAIGN
			       "WHERE j.tenant_id = $1 AND j.device_id = $2 AND j.job_id = $3 "
			       "FOR UPDATE OF j" },
	[GET] = { "job_get", "SELECT u.place, " JOB_FEW_COLUMNS
			     " FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY "
			     "AS u (device_id, job_id, place) "
			     "JOIN job j ON j.tenant_id = $1 AND j.device_id = u.device_id "
			     "AND j.job_id = u.job_id" },
	/* Of one device after the other, in the order of their ids. */
	[LOCK_DEVICES] = { "job_lock_devices",
			   "SELECT u.place, l.* FROM (SELECT * FROM unnest($2::uuid[]) "
			   "WITH ORDINALITY AS v (device_id, place) ORDER BY 1) AS u "
			   "CROSS JOIN LATERAL (SELECT " JOB_COLUMNS CAMPAIGN_COLUMNS
				   FROM_JOB_CAMPAIGN
			   "WHERE j.tenant_id = $1 AND j.device_id = u.device_id "
			   "AND (j.state IN " OPEN_STATES " OR c.state IN (2, 3)) "
			   "ORDER BY (j.state IN " OPEN_STATES ") DESC, j.job_id DESC LIMIT 64 "
			   "FOR UPDATE OF j) AS l" },
	[OPEN] = { "job_open",
		   "SELECT " JOB_COLUMNS " FROM slot l JOIN job j ON j.tenant_id = l.tenant_id "
		   "AND j.device_id = l.device_id AND j.job_id = l.job_id "
		   "WHERE l.tenant_id = $1 AND l.device_id = $2 "
		   "AND j.state IN " OPEN_STATES " ORDER BY j.job_id LIMIT 1 FOR SHARE OF j" },
	[DUE] = { "job_due",
		  "SELECT " JOB_COLUMNS ", c.state AS campaign_state, c.silent_after_s, "
		  "c.max_attempts, greatest(s.seen_at, d.next_wake_at, 0) AS heard_at, "
		  "coalesce(s.fetched_at, 0) AS fetched_at "
		  "FROM job j JOIN campaign c ON c.tenant_id = j.tenant_id "
		  "AND c.campaign_id = j.campaign_id "
		  "LEFT JOIN device d ON d.tenant_id = j.tenant_id AND d.device_id = "
		  "j.device_id "
		  "LEFT JOIN device_seen s ON s.tenant_id = j.tenant_id "
		  "AND s.device_id = j.device_id "
		  "WHERE j.tenant_id = $1 AND (j.deadline_at <= $2 OR j.deadline_at > $2 "
		  "+ " DEADLINE_FAR_US ") AND j.deadline_at < " NO_DEADLINE
		  " AND j.state IN " OPEN_STATES " "
		  "ORDER BY j.deadline_at LIMIT $3 FOR UPDATE OF j SKIP LOCKED" },
	/* The ends of the index, whatever the planner knows of it. */
	[ANY_DUE] = { "job_any_due",
		      "SELECT coalesce((SELECT deadline_at FROM job WHERE tenant_id = $1 "
		      "AND deadline_at < " NO_DEADLINE " AND state IN " OPEN_STATES " "
		      "ORDER BY deadline_at LIMIT 1) <= $2, false) OR "
		      "coalesce((SELECT deadline_at FROM job WHERE tenant_id = $1 "
		      "AND deadline_at < " NO_DEADLINE " AND state IN " OPEN_STATES " "
		      "ORDER BY deadline_at DESC LIMIT 1) > $2 + " DEADLINE_FAR_US
		      ", false) AS due" },
	[INSERT] = { "job_insert",
		     "INSERT INTO job (tenant_id, device_id, campaign_id, release_id, "
		     "component, "
		     "state, cause, stage, attempt, from_digest, boot_id, bytes_total, "
		     "created_at, updated_at, deadline_at, manifest_digest, bytes_saved, text) "
		     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, "
		     "$14, $15, $16, coalesce($17, '')) "
		     "RETURNING job_id, xmin AS row_version" },
	[MOVE] = { "job_move",
		   "UPDATE job j SET state = u.state, cause = u.cause, attempt = u.attempt, "
		   "bytes_done = u.bytes_done, bytes_total = u.bytes_total, "
		   "boot_id = u.boot_id, updated_at = u.updated_at, "
		   "deadline_at = u.deadline_at, text = coalesce(u.text, j.text) "
		   "FROM unnest($2::uuid[], $3::xid[], $4::bigint[], $5::bigint[], "
		   "$6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], "
		   "$11::bigint[], $12::bytea[], $13::text[]) WITH ORDINALITY "
		   "AS u (device_id, row_version, job_id, state, cause, attempt, bytes_done, "
		   "bytes_total, updated_at, deadline_at, boot_id, text, place) "
		   "WHERE j.tenant_id = $1 AND j.device_id = u.device_id "
		   "AND j.job_id = u.job_id AND " ROW_VERSION " = u.row_version "
		   "RETURNING u.place, " ROW_VERSION " AS row_version" },
	[VARIANTS] = { "job_variants",
		       "SELECT u.place, m.base_component, m.base_digest, j.fell_back, "
		       "coalesce(m.bytes, 0) AS bytes, coalesce(m.image_bytes, 0) AS "
		       "image_bytes, "
		       "coalesce(octet_length(m.envelope), 0) AS envelope_bytes, "
		       "coalesce(array_to_string(m.needs, ','), '') AS needs, c.max_attempts "
		       "FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY "
		       "AS u (device_id, job_id, place) "
		       "JOIN job j ON j.tenant_id = $1 AND j.device_id = u.device_id "
		       "AND j.job_id = u.job_id JOIN campaign c ON c.tenant_id = $1 "
		       "AND c.campaign_id = j.campaign_id "
		       "LEFT JOIN manifest m ON m.tenant_id = $1 "
		       "AND m.digest = j.manifest_digest" },
	[CHOOSE] = { "job_choose", "UPDATE job j SET manifest_digest = $4, bytes_saved = $5, "
				   "bytes_total = $6, from_digest = $7 WHERE tenant_id = $1 "
				   "AND device_id = $2 AND job_id = $3 RETURNING " ROW_VERSION
				   " AS row_version" },
	[FORGET_CHOICE] = { "job_forget_choice",
			    "UPDATE job j SET manifest_digest = NULL, bytes_saved = 0, "
			    "fell_back = u.fell_back <> 0 "
			    "FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) "
			    "AS u (device_id, job_id, fell_back) WHERE j.tenant_id = $1 "
			    "AND j.device_id = u.device_id AND j.job_id = u.job_id" },
	[LIST] = { "job_list",
		   "SELECT d.endpoint, m.device_id, coalesce(j.job_id, 0) AS job_id, "
		   "m.campaign_id, j.release_id, coalesce(j.component, '') AS component, "
		   "coalesce(j.state, 0) AS state, coalesce(j.cause, 0) AS cause, "
		   "coalesce(j.stage, t.stage) AS stage, coalesce(j.attempt, 0) AS attempt, "
		   "j.from_digest, j.boot_id, coalesce(j.bytes_done, 0) AS bytes_done, "
		   "coalesce(j.bytes_total, 0) AS bytes_total, j.created_at, j.updated_at, "
		   "j.deadline_at, j.manifest_digest, coalesce(j.bytes_saved, 0) AS "
		   "bytes_saved, coalesce(j.fell_back, false) AS fell_back, "
		   "0 AS row_version, coalesce(j.text, '') AS text "
		   "FROM member m "
		   "JOIN device d ON d.tenant_id = m.tenant_id AND d.device_id = m.device_id "
		   "LEFT JOIN job j ON j.tenant_id = m.tenant_id AND j.device_id = m.device_id "
		   "AND j.campaign_id = m.campaign_id "
		   "CROSS JOIN LATERAL (SELECT coalesce(min(t.stage), 0) AS stage FROM stage t "
		   "WHERE t.tenant_id = m.tenant_id AND t.campaign_id = m.campaign_id "
		   "AND t.threshold > m.bucket) t "
		   "WHERE m.tenant_id = $1 AND m.campaign_id = $2 AND m.device_id > $3 "
		   "AND ($4 < 0 OR coalesce(j.state, 0) = $4) "
		   "AND ($5 < 0 OR coalesce(j.stage, t.stage) = $5) "
		   "ORDER BY m.device_id LIMIT $6" },
	[OPEN_OF_CAMPAIGN] = { "job_open_of_campaign",
			       "SELECT " JOB_COLUMNS CAMPAIGN_COLUMNS FROM_JOB_CAMPAIGN
			       "WHERE j.tenant_id = $1 AND j.campaign_id = $2 "
			       "AND j.state IN " OPEN_STATES " " AFTER_JOB },
	[UNBEGUN_OF_CAMPAIGN] = { "job_unbegun_of_campaign",
				  "SELECT " JOB_COLUMNS CAMPAIGN_COLUMNS FROM_JOB_CAMPAIGN
				  "WHERE j.tenant_id = $1 AND j.campaign_id = $2 "
				  "AND j.state IN (1, 15) " AFTER_JOB },
};
DB_STMTS(stmts)

static void read_job(const struct db_rows *rows, int i, struct arena *mem, struct job *ret)
{
	*ret = (struct job){
		.job_id = db_row_i64(rows, i, "job_id"),
		.device_id = db_row_uuid(rows, i, "device_id"),
		.campaign_id = db_row_uuid(rows, i, "campaign_id"),
		.release_id = db_row_uuid(rows, i, "release_id"),
		.component = db_row_text(rows, i, "component", mem),
		.state = (enum job_state)db_row_i64(rows, i, "state"),
		.cause = (enum job_cause)db_row_i64(rows, i, "cause"),
		.stage = (int32_t)db_row_i64(rows, i, "stage"),
		.attempt = (int32_t)db_row_i64(rows, i, "attempt"),
		.from_digest = db_row_digest(rows, i, "from_digest"),
		.boot_id = db_row_bytes(rows, i, "boot_id", mem),
		.bytes_done = db_row_i64(rows, i, "bytes_done"),
		.bytes_total = db_row_i64(rows, i, "bytes_total"),
		.created_at = db_row_i64(rows, i, "created_at"),
		.updated_at = db_row_i64(rows, i, "updated_at"),
		.deadline_at = db_row_i64(rows, i, "deadline_at"),
		.manifest = db_row_digest(rows, i, "manifest_digest"),
		.bytes_saved = db_row_i64(rows, i, "bytes_saved"),
		.fell_back = db_row_bool(rows, i, "fell_back"),
		.row_version = db_row_i64(rows, i, "row_version"),
	};
}

static void read_job_row(const struct db_rows *rows, int i, struct arena *mem,
			 struct job_row *ret)
{
	read_job(rows, i, mem, &ret->job);
	ret->campaign_state = (enum campaign_state)db_row_i64(rows, i, "campaign_state");
	ret->silent_after_s = (int32_t)db_row_i64(rows, i, "silent_after_s");
	ret->max_attempts = (int32_t)db_row_i64(rows, i, "max_attempts");
	ret->heard_at = db_row_i64(rows, i, "heard_at");
	ret->fetched_at = db_row_i64(rows, i, "fetched_at");
}

static void read_job_rows(const struct db_rows *rows, struct arena *mem, struct job_row **ret,
			  int *ret_count)
{
	int n = db_rows_count(rows);
	struct job_row *jobs = arena_array(mem, (size_t)n + 1, sizeof(*jobs));

	for (int i = 0; i < n; i++)
		read_job_row(rows, i, mem, &jobs[i]);
	*ret = jobs;
	*ret_count = n;
}

enum rc job_store_lock(struct db *db, int32_t tenant, const struct uuid *device_id,
		       int64_t job_id, struct arena *mem, struct job_row *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, device_id);
	db_arg_i64(&a, job_id);
	enum rc rc = db_run_one(db, &stmts[LOCK], &a, &rows);
	if (rc != RC_OK)
		return rc;
	read_job_row(rows, 0, mem, ret);
	return RC_OK;
}

static void read_few(const struct db_rows *rows, int i, struct arena *mem, struct job *ret)
{
	ret->campaign_id = db_row_uuid(rows, i, "campaign_id");
	ret->release_id = db_row_uuid(rows, i, "release_id");
	ret->state = (enum job_state)db_row_i64(rows, i, "state");
	ret->cause = (enum job_cause)db_row_i64(rows, i, "cause");
	ret->stage = (int32_t)db_row_i64(rows, i, "stage");
	ret->attempt = (int32_t)db_row_i64(rows, i, "attempt");
	ret->boot_id = db_row_bytes(rows, i, "boot_id", mem);
	ret->bytes_done = db_row_i64(rows, i, "bytes_done");
	ret->bytes_total = db_row_i64(rows, i, "bytes_total");
	ret->updated_at = db_row_i64(rows, i, "updated_at");
	ret->deadline_at = db_row_i64(rows, i, "deadline_at");
	ret->row_version = db_row_i64(rows, i, "row_version");
}

enum rc job_store_get(struct db *db, int32_t tenant, struct arena *mem,
		      const struct uuid *device_ids, const int64_t *job_ids, size_t count,
		      job_store_row *row, void *arg)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, device_ids, count);
	db_arg_i64s(&a, mem, job_ids, count);
	enum rc rc = db_run(db, &stmts[GET], &a, &rows);
	for (int i = 0; rc == RC_OK && i < db_rows_count(rows); i++) {
		size_t place = (size_t)db_row_i64(rows, i, "place") - 1;
		struct job job = { .device_id = device_ids[place], .job_id = job_ids[place] };
		read_few(rows, i, mem, &job);
		row(arg, place, &job);
	}
	return rc;
}

enum rc job_store_lock_devices(struct db *db, int32_t tenant, struct arena *mem,
			       const struct uuid *device_ids, size_t count,
			       struct job_row **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, device_ids, count);
	enum rc rc = db_run(db, &stmts[LOCK_DEVICES], &a, &rows);
	if (rc != RC_OK)
		return rc;
	read_job_rows(rows, mem, ret, ret_count);
	for (int i = 0; i < *ret_count; i++)
		(*ret)[i].place = (size_t)db_row_i64(rows, i, "place") - 1;
	return RC_OK;
}

enum rc job_store_open(struct db *db, int32_t tenant, const struct uuid *device_id,
		       struct arena *mem, struct job *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, device_id);
	enum rc rc = db_run_one(db, &stmts[OPEN], &a, &rows);
	if (rc != RC_OK)
		return rc;
	read_job(rows, 0, mem, ret);
	return RC_OK;
}

enum rc job_store_due(struct db *db, int32_t tenant, int64_t now, int limit, struct arena *mem,
		      struct job_row **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, now);
	db_arg_i64(&a, limit);
	enum rc rc = db_run(db, &stmts[DUE], &a, &rows);
	if (rc == RC_OK)
		read_job_rows(rows, mem, ret, ret_count);
	return rc;
}

enum rc job_store_any_due(struct db *db, int32_t tenant, int64_t now, bool *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, now);
	enum rc rc = db_run(db, &stmts[ANY_DUE], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_bool(rows, 0, "due");
	return rc;
}

static void arg_digest_or_null(struct db_args *a, const struct digest *d)
{
	static const struct digest zero;

	db_arg_digest(a, digest_equal(d, &zero) ? NULL : d);
}

enum rc job_store_insert(struct db *db, int32_t tenant, struct job *job)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &job->device_id);
	db_arg_uuid(&a, &job->campaign_id);
	db_arg_uuid(&a, &job->release_id);
	db_arg_text(&a, job->component);
	db_arg_i64(&a, job->state);
	db_arg_i64(&a, job->cause);
	db_arg_i64(&a, job->stage);
	db_arg_i64(&a, job->attempt);
	arg_digest_or_null(&a, &job->from_digest);
	db_arg_bytes(&a, job->boot_id);
	db_arg_i64(&a, job->bytes_total);
	db_arg_i64(&a, job->created_at);
	db_arg_i64(&a, job->deadline_at);
	arg_digest_or_null(&a, &job->manifest);
	db_arg_i64(&a, job->bytes_saved);
	db_arg_text(&a, job->text);
	enum rc rc = db_run(db, &stmts[INSERT], &a, &rows);
	if (rc != RC_OK)
		return rc;
	job->job_id = db_row_i64(rows, 0, "job_id");
	job->row_version = db_row_i64(rows, 0, "row_version");
	return RC_OK;
}

/* The columns of [MOVE] that are numbers, in its order. */
#define MOVE_NUMBERS 8

static void move_numbers(const struct job *to, int64_t ret[MOVE_NUMBERS])
{
	const int64_t numbers[MOVE_NUMBERS] = {
		to->job_id,     to->state,       to->cause,      to->attempt,
		to->bytes_done, to->bytes_total, to->updated_at, to->deadline_at,
	};

	memcpy(ret, numbers, sizeof(numbers));
}

static void move_args(struct db_args *a, struct arena *mem, const struct job_move *moves,
		      size_t count)
{
	struct uuid *ids = arena_array(mem, count, sizeof(*ids));
	int64_t *columns[MOVE_NUMBERS], row[MOVE_NUMBERS];
	uint32_t *versions = arena_array(mem, count, sizeof(*versions));
	struct bytes *boots = arena_array(mem, count, sizeof(*boots));
	const char **texts = arena_array(mem, count, sizeof(*texts));

	for (int k = 0; k < MOVE_NUMBERS; k++)
		columns[k] = arena_array(mem, count, sizeof(*columns[k]));
	for (size_t i = 0; i < count; i++) {
		move_numbers(&moves[i].to, row);
		for (int k = 0; k < MOVE_NUMBERS; k++)
			columns[k][i] = row[k];
		ids[i] = moves[i].from.device_id;
		versions[i] = (uint32_t)moves[i].from.row_version;
		boots[i] = moves[i].to.boot_id;
		texts[i] = moves[i].text;
	}
	db_arg_uuids(a, mem, ids, count);
	db_arg_xids(a, mem, versions, count);
	for (int k = 0; k < MOVE_NUMBERS; k++)
		db_arg_i64s(a, mem, columns[k], count);
	db_arg_byteas(a, mem, boots, count);
	db_arg_texts(a, mem, texts, count);
}

enum rc job_store_move(struct db *db, int32_t tenant, struct arena *mem, struct job_move *moves,
		       size_t count)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	move_args(&a, mem, moves, count);
	enum rc rc = db_run(db, &stmts[MOVE], &a, &rows);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		moves[i].moved = false;
	for (int i = 0; i < db_rows_count(rows); i++) {
		struct job_move *m = &moves[db_row_i64(rows, i, "place") - 1];
		m->to.row_version = db_row_i64(rows, i, "row_version");
		m->moved = true;
	}
	return RC_OK;
}

enum rc job_store_variants(struct db *db, int32_t tenant, struct arena *mem,
			   const struct uuid *device_ids, const int64_t *job_ids, size_t count,
			   struct job_variant *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, device_ids, count);
	db_arg_i64s(&a, mem, job_ids, count);
	enum rc rc = db_run(db, &stmts[VARIANTS], &a, &rows);
	for (int i = 0; rc == RC_OK && i < db_rows_count(rows); i++)
		ret[db_row_i64(rows, i, "place") - 1] = (struct job_variant){
			.variant = {
				.needs = db_row_text(rows, i, "needs", mem),
				.base_component = db_row_text(rows, i, "base_component", mem),
				.base_digest = db_row_digest(rows, i, "base_digest"),
				.bytes = db_row_i64(rows, i, "bytes"),
				.image_bytes = db_row_i64(rows, i, "image_bytes"),
				.envelope_bytes = db_row_i64(rows, i, "envelope_bytes"),
			},
			.fell_back = db_row_bool(rows, i, "fell_back"),
			.max_attempts = (int32_t)db_row_i64(rows, i, "max_attempts"),
		};
	return rc;
}

enum rc job_store_choose(struct db *db, int32_t tenant, struct job *job)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &job->device_id);
	db_arg_i64(&a, job->job_id);
	db_arg_digest(&a, &job->manifest);
	db_arg_i64(&a, job->bytes_saved);
	db_arg_i64(&a, job->bytes_total);
	arg_digest_or_null(&a, &job->from_digest);
	enum rc rc = db_run_one(db, &stmts[CHOOSE], &a, &rows);
	if (rc == RC_OK)
		job->row_version = db_row_i64(rows, 0, "row_version");
	return rc;
}

enum rc job_store_forget_choice(struct db *db, int32_t tenant, struct arena *mem,
				const struct job *const *jobs, size_t count)
{
	struct uuid *devices = arena_array(mem, count, sizeof(*devices));
	int64_t *ids = arena_array(mem, count, sizeof(*ids));
	int64_t *fell_back = arena_array(mem, count, sizeof(*fell_back));
	struct db_args a = { 0 };

	for (size_t i = 0; i < count; i++) {
		devices[i] = jobs[i]->device_id;
		ids[i] = jobs[i]->job_id;
		fell_back[i] = jobs[i]->fell_back;
	}
	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, devices, count);
	db_arg_i64s(&a, mem, ids, count);
	db_arg_i64s(&a, mem, fell_back, count);
	return db_run(db, &stmts[FORGET_CHOICE], &a, NULL);
}

enum rc job_store_list(struct db *db, int32_t tenant, const struct job_filter *filter,
		       struct arena *mem, struct job_item **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &filter->campaign_id);
	db_arg_uuid(&a, &filter->after);
	db_arg_i64(&a, filter->state);
	db_arg_i64(&a, filter->stage);
	db_arg_i64(&a, filter->limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct job_item *items = arena_array(mem, (size_t)n + 1, sizeof(*items));
	for (int i = 0; i < n; i++) {
		read_job(rows, i, mem, &items[i].job);
		items[i].endpoint = db_row_text(rows, i, "endpoint", mem);
		items[i].text = db_row_text(rows, i, "text", mem);
	}
	*ret = items;
	*ret_count = n;
	return RC_OK;
}

static enum rc of_campaign(struct db *db, int statement, int32_t tenant,
			   const struct job_place *after, struct arena *mem,
			   struct job_row **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &after->campaign_id);
	db_arg_uuid(&a, &after->device_id);
	db_arg_i64(&a, after->job_id);
	enum rc rc = db_run(db, &stmts[statement], &a, &rows);
	if (rc == RC_OK)
		read_job_rows(rows, mem, ret, ret_count);
	return rc;
}

enum rc job_store_open_of_campaign(struct db *db, int32_t tenant, const struct job_place *after,
				   struct arena *mem, struct job_row **ret, int *ret_count)
{
	return of_campaign(db, OPEN_OF_CAMPAIGN, tenant, after, mem, ret, ret_count);
}

enum rc job_store_unbegun_of_campaign(struct db *db, int32_t tenant,
				      const struct job_place *after, struct arena *mem,
				      struct job_row **ret, int *ret_count)
{
	return of_campaign(db, UNBEGUN_OF_CAMPAIGN, tenant, after, mem, ret, ret_count);
}
