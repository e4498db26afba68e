/* Offers.  The candidates' query finds by membership and threshold alone; whether one is
 * offered is decided in core/offer_rules.c. */

#include "db/offer_store.h"

#include "base/clean.h"
#include "db/release_sql.h"

#define OFFER_COLUMNS                                                                          \
	"SELECT c.campaign_id, c.release_id, c.state, c.silent_after_s, "                      \
	"coalesce(t.threshold, 0) AS threshold, m.device_id IS NOT NULL AS is_member, "        \
	"coalesce(m.bucket, 0) AS bucket, (SELECT coalesce(min(u.stage), 0) FROM stage u "     \
	"WHERE u.tenant_id = c.tenant_id AND u.campaign_id = c.campaign_id "                   \
	"AND u.threshold > m.bucket) AS stage, j.job_id IS NOT NULL AS has_job, "              \
	"coalesce(j.state, 0) AS job_state FROM campaign c "                                   \
	"LEFT JOIN stage t ON t.tenant_id = c.tenant_id AND t.campaign_id = c.campaign_id "    \
	"AND t.stage = c.stage "                                                               \
	"LEFT JOIN member m ON m.campaign_id = c.campaign_id AND m.tenant_id = $1 "            \
	"AND m.device_id = $2 "                                                                \
	"LEFT JOIN job j ON j.tenant_id = $1 AND j.device_id = $2 "                            \
	"AND j.campaign_id = c.campaign_id "

enum { CANDIDATES, WAITING, GET, RELEASE, INSTALLED, VARIANTS, RUNS };

static const struct db_stmt stmts[] = {
	/* Campaigns of a withdrawn release run on, and must not take the place of others. */
	[CANDIDATES] = { "offer_candidates",
			 OFFER_COLUMNS "WHERE c.tenant_id = $1 AND c.state = 2 "
				       "AND m.bucket < t.threshold AND j.job_id IS NULL "
				       "AND EXISTS (SELECT FROM release r "
				       "WHERE r.tenant_id = c.tenant_id "
				       "AND r.release_id = c.release_id "
				       "AND r.withdrawn_at IS NULL) "
				       "ORDER BY c.started_at, c.campaign_id LIMIT 16" },
	[WAITING] = { "offer_waiting",
		      OFFER_COLUMNS "WHERE c.tenant_id = $1 AND c.state IN (2, 3) "
				    "AND m.device_id IS NOT NULL AND j.job_id IS NULL "
				    "ORDER BY c.campaign_id" },
	[GET] = { "offer_get", OFFER_COLUMNS "WHERE c.tenant_id = $1 AND c.campaign_id = $3" },
	[RELEASE] = { "offer_release",
		      "SELECT r.vendor_id, r.class_id, r.components, r.version, r.sequence, "
		      "r.withdrawn_at, coalesce(k.confirm, 0) AS confirm "
		      "FROM release r LEFT JOIN class k ON k.tenant_id = r.tenant_id "
		      "AND k.vendor_id = r.vendor_id AND k.class_id = r.class_id "
		      "WHERE r.tenant_id = $1 AND r.release_id = $2" },
	[INSTALLED] = { "offer_installed",
			"SELECT component, digest FROM release_installed "
			"WHERE tenant_id = $1 AND release_id = $2 ORDER BY component, digest" },
	/* The size of an envelope is known without reading it. */
	[VARIANTS] = { "offer_variants",
		       "SELECT digest, octet_length(envelope) AS envelope_bytes, bytes, "
		       "image_bytes, array_to_string(needs, ',') AS needs, base_component, "
		       "base_digest FROM manifest WHERE tenant_id = $1 AND release_id = $2 "
		       "ORDER BY bytes + octet_length(envelope), digest LIMIT $3" },
	[RUNS] = { "offer_runs_sequence",
		   "SELECT coalesce(max(r.sequence), 0) AS sequence FROM release r "
		   "JOIN release_installed i ON i.tenant_id = r.tenant_id "
		   "AND i.release_id = r.release_id "
		   "JOIN component k ON k.tenant_id = r.tenant_id AND k.device_id = $2 "
		   "AND k.name = i.component AND k.digest = i.digest "
		   "WHERE r.tenant_id = $1 AND r.vendor_id = $3 AND r.class_id = $4 "
		   "AND r.components = $5 AND r.sequence >= $6 "
		   "AND " RUNS_RELEASE("r", "$2") },
};
DB_STMTS(stmts)

static void read_offer(const struct db_rows *rows, int i, struct offer_row *ret)
{
	*ret = (struct offer_row){
		.campaign_id = db_row_uuid(rows, i, "campaign_id"),
		.release_id = db_row_uuid(rows, i, "release_id"),
		.state = (enum campaign_state)db_row_i64(rows, i, "state"),
		.threshold = db_row_i64(rows, i, "threshold"),
		.is_member = db_row_bool(rows, i, "is_member"),
		.bucket = db_row_i64(rows, i, "bucket"),
		.stage = (int32_t)db_row_i64(rows, i, "stage"),
		.has_job = db_row_bool(rows, i, "has_job"),
		.job_state = (enum job_state)db_row_i64(rows, i, "job_state"),
		.silent_after_s = (int32_t)db_row_i64(rows, i, "silent_after_s"),
	};
}

static enum rc read_installed(struct db *db, int32_t tenant, struct arena *mem,
			      struct release *release)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &release->release_id);
	enum rc rc = db_run(db, &stmts[INSTALLED], &a, &rows);
	if (rc != RC_OK)
		return rc;
	release->installed_count = db_rows_count(rows);
	release->installed = arena_array(mem, (size_t)release->installed_count + 1,
					 sizeof(*release->installed));
	for (int i = 0; i < release->installed_count; i++)
		release->installed[i] = (struct release_installed){
			.component = db_row_text(rows, i, "component", mem),
			.digest = db_row_digest(rows, i, "digest"),
		};
	return RC_OK;
}

enum rc offer_store_release(struct db *db, int32_t tenant, const struct uuid *release_id,
			    struct arena *mem, struct offer_row *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, release_id);
	enum rc rc = db_run_one(db, &stmts[RELEASE], &a, &rows);
	if (rc != RC_OK)
		return rc;
	ret->release = (struct release){
		.release_id = *release_id,
		.vendor_id = db_row_uuid(rows, 0, "vendor_id"),
		.class_id = db_row_uuid(rows, 0, "class_id"),
		.components = db_row_text(rows, 0, "components", mem),
		.version = db_row_text(rows, 0, "version", mem),
		.sequence = db_row_i64(rows, 0, "sequence"),
		.withdrawn_at = db_row_i64(rows, 0, "withdrawn_at"),
	};
	ret->confirm = (enum class_confirm)db_row_i64(rows, 0, "confirm");
	return read_installed(db, tenant, mem, &ret->release);
}

enum rc offer_store_variants(struct db *db, int32_t tenant, const struct uuid *release_id,
			     struct arena *mem, struct variant **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, release_id);
	db_arg_i64(&a, RELEASE_VARIANTS_MAX);
	enum rc rc = db_run(db, &stmts[VARIANTS], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct variant *out = arena_array(mem, (size_t)n + 1, sizeof(*out));
	for (int i = 0; i < n; i++)
		out[i] = (struct variant){
			.manifest = db_row_digest(rows, i, "digest"),
			.envelope_bytes = db_row_i64(rows, i, "envelope_bytes"),
			.bytes = db_row_i64(rows, i, "bytes"),
			.image_bytes = db_row_i64(rows, i, "image_bytes"),
			.needs = db_row_text(rows, i, "needs", mem),
			.base_component = db_row_text(rows, i, "base_component", mem),
			.base_digest = db_row_digest(rows, i, "base_digest"),
		};
	*ret = out;
	*ret_count = n;
	return RC_OK;
}

static enum rc read_offers(struct db *db, int32_t tenant, const struct db_stmt *stmt,
			   const struct uuid *device_id, struct arena *mem,
			   struct offer_row **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, device_id);
	enum rc rc = db_run(db, stmt, &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct offer_row *out = arena_array(mem, (size_t)n + 1, sizeof(*out));
	for (int i = 0; rc == RC_OK && i < n; i++) {
		read_offer(rows, i, &out[i]);
		rc = offer_store_release(db, tenant, &out[i].release_id, mem, &out[i]);
	}
	if (rc != RC_OK)
		return rc;
	*ret = out;
	*ret_count = n;
	return RC_OK;
}

enum rc offer_store_candidates(struct db *db, int32_t tenant, const struct uuid *device_id,
			       struct arena *mem, struct offer_row **ret, int *ret_count)
{
	return read_offers(db, tenant, &stmts[CANDIDATES], device_id, mem, ret, ret_count);
}

enum rc offer_store_waiting(struct db *db, int32_t tenant, const struct uuid *device_id,
			    struct arena *mem, struct offer_row **ret, int *ret_count)
{
	return read_offers(db, tenant, &stmts[WAITING], device_id, mem, ret, ret_count);
}

enum rc offer_store_get(struct db *db, int32_t tenant, const struct uuid *device_id,
			const struct uuid *campaign_id, struct arena *mem,
			struct offer_row *ret)
{
	struct db_args a = { 0 };
	struct offer_row row;
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, device_id);
	db_arg_uuid(&a, campaign_id);
	enum rc rc = db_run_one(db, &stmts[GET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	read_offer(rows, 0, &row);
	rc = offer_store_release(db, tenant, &row.release_id, mem, &row);
	if (rc == RC_OK)
		*ret = row;
	return rc;
}

enum rc offer_store_runs_sequence(struct db *db, int32_t tenant, const struct uuid *device_id,
				  const struct release *release, int64_t *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, device_id);
	db_arg_uuid(&a, &release->vendor_id);
	db_arg_uuid(&a, &release->class_id);
	db_arg_text(&a, release->components);
	db_arg_i64(&a, release->sequence);
	enum rc rc = db_run(db, &stmts[RUNS], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_i64(rows, 0, "sequence");
	return rc;
}
