/* Campaigns and whom they are aimed at. */

#include "db/campaign_store.h"

#include "base/clean.h"
#include "db/stage_store.h"
#include "db/release_sql.h"
#include "db/target_sql.h"

#include <string.h>

#define CAMPAIGN_COLUMNS                                                                       \
	"SELECT c.campaign_id, c.release_id, c.name, c.state, c.pause_reason, "                \
	"c.stage, c.members, c.silent_after_s, c.max_attempts, "                               \
	"c.revision, c.created_at, c.started_at, c.ended_at, r.version, r.components, "        \
	"r.vendor_id, r.class_id FROM campaign c "                                             \
	"JOIN release r ON r.tenant_id = c.tenant_id AND r.release_id = c.release_id "

/* What a list of campaigns may take, roughly, as long as it has more than one.  A stage is some
 * hundred bytes of counts, a target up to megabytes of names. */
#define LIST_BYTES     (INT64_C(3) << 20)
#define CAMPAIGN_BYTES 1024
#define STAGE_BYTES    512

#define WRONG_CLASS "(t.vendor_id IS DISTINCT FROM $3 OR t.class_id IS DISTINCT FROM $4)"

/* A turn at the campaign: an advisory lock, whose waiters are served in order.  A row's lock is
 * not fair: who would share a row that others share does not wait behind one who would have it
 * alone, so as long as offers are made in transactions that overlap, nobody would ever stop
 * them.  The row is locked all the same, for it is the truth wherever one is connected. */
#define TURN(id) "(uuid_hash_extended(" id ", 1667329392))"
/* Those who make offers wait behind whoever waits for his turn: not for too long. */
#define TURN_TIMEOUT_MS "3000" /* longer than a batch of offers takes */

#define NEWER_RELEASES                                                                         \
	"SELECT 1 FROM release n WHERE n.tenant_id = $1 AND n.vendor_id = $3 "                 \
	"AND n.class_id = $4 AND n.components = $5 AND n.sequence > $6"

enum {
	INSERT,
	GET,
	TAKE_TURN,
	TAKE_TURNS,
	LOCK,
	LIST,
	TARGET,
	ACTIVE,
	JUDGED,
	MOVE,
	HOLD,
	STOP_OFFERS,
	WITHDRAWN,
	AUDIENCE,
	CURRENT,
	SAMPLE,
	WRONG,
	NEWER,
	MISSING,
	BYTES,
	DELTAS
};

static const struct db_stmt stmts[] = {
	[INSERT] = { "campaign_insert",
		     "INSERT INTO campaign (tenant_id, campaign_id, name, release_id, target, "
		     "salt, silent_after_s, max_attempts, created_by, created_at, "
		     "members) "
		     "VALUES ($1, $2, $3, $4, $5::jsonb, ARRAY[$6, $7, $8, $9, $10, "
		     "$11]::bigint[], "
		     "$12, $13, $14, $15, $16)" },
	[GET] = { "campaign_get",
		  CAMPAIGN_COLUMNS "WHERE c.tenant_id = $1 AND c.campaign_id = $2" },
	/* Statements of their own: what is read next is read after the wait. */
	[TAKE_TURN] = { "campaign_turn", "SELECT pg_advisory_xact_lock" TURN("$1::uuid") },
	/* Offers are made of running ones alone.  Everybody who takes several turns does so in
	 * this order. */
	[TAKE_TURNS] = { "campaign_turns_of_release",
			 "SELECT pg_advisory_xact_lock" TURN(
				 "c.campaign_id") " FROM (SELECT campaign_id FROM "
						  "campaign WHERE tenant_id = $1 AND "
						  "release_id = $2 AND state = 2 "
						  "ORDER BY campaign_id) c" },
	[LOCK] = { "campaign_lock",
		   CAMPAIGN_COLUMNS "WHERE c.tenant_id = $1 AND c.campaign_id = $2 "
				    "FOR UPDATE OF c" },
	[LIST] = { "campaign_list",
		   CAMPAIGN_COLUMNS "WHERE c.tenant_id = $1 AND (c.created_at < $2 "
				    "OR (c.created_at = $2 AND c.campaign_id > $3)) "
				    "ORDER BY c.created_at DESC, c.campaign_id LIMIT $4" },
	[TARGET] = { "campaign_target", "SELECT target::text AS target FROM campaign "
					"WHERE tenant_id = $1 AND campaign_id = $2" },
	[ACTIVE] = { "campaign_active", "SELECT campaign_id FROM campaign WHERE tenant_id = $1 "
					"AND state IN (1, 2) "
					"ORDER BY started_at, campaign_id" },
	[JUDGED] = { "campaign_judged",
		     "SELECT c.campaign_id FROM campaign c WHERE c.tenant_id = $1 "
		     "AND (c.state IN (1, 2) OR (c.state = 3 AND EXISTS (SELECT FROM stage t "
		     "WHERE t.tenant_id = $1 AND t.campaign_id = c.campaign_id "
		     "AND t.forgiven > 0))) ORDER BY c.started_at, c.campaign_id" },
	[MOVE] = { "campaign_move",
		   "UPDATE campaign SET state = $4::smallint, pause_reason = $5, stage = $6, "
		   "members = "
		   "$7, "
		   "revision = revision + 1, "
		   "started_at = CASE WHEN $4::smallint = 1 THEN $8 ELSE started_at END, "
		   "ended_at = CASE WHEN $4::smallint IN (4, 5) THEN $8 ELSE ended_at END "
		   "WHERE tenant_id = $1 AND campaign_id = $2 AND state = $3" },
	/* The turn first, with what the scan finds; then the row, as it is after that wait. */
	[HOLD] = { "campaign_hold",
		   "SELECT state, pg_advisory_xact_lock_shared" TURN(
			   "campaign_id") " FROM campaign WHERE tenant_id = $1 AND campaign_id "
					  "= $2 FOR SHARE" },
	[STOP_OFFERS] = { "campaign_stop_offers",
			  "SELECT campaign_id FROM campaign WHERE tenant_id = $1 AND "
			  "release_id = $2 AND state IN (0, 1, 2, 3) "
			  "ORDER BY campaign_id "
			  "FOR NO KEY UPDATE" },
	[WITHDRAWN] = { "campaign_withdrawn",
			"SELECT c.campaign_id FROM campaign c JOIN release r ON r.tenant_id = "
			"c.tenant_id AND r.release_id = c.release_id WHERE c.tenant_id = $1 "
			"AND c.state IN (0, 1, 2, 3) AND r.withdrawn_at >= $2 "
			"ORDER BY c.campaign_id" },
	[AUDIENCE] = { "campaign_audience",
		       "SELECT count(*) AS members, count(*) FILTER (WHERE " WRONG_CLASS
		       ") AS wrong FROM " TARGET_DEVICES("$1", "$2::jsonb") " t" },
	/* offer_runs_release() of core/offer_rules.h, for many devices: components first, of
	 * which mostly none is left for the join. */
	[CURRENT] = { "campaign_current",
		      "WITH r AS MATERIALIZED (SELECT r.version, "
		      "string_to_array(r.components, ',') AS names, "
		      "coalesce(y.confirm, 0) = 1 AS by_version FROM release r "
		      "LEFT JOIN class y ON y.tenant_id = $1 AND y.vendor_id = r.vendor_id "
		      "AND y.class_id = r.class_id WHERE r.tenant_id = $1 "
		      "AND r.release_id = $3) "
		      "SELECT count(*) AS n FROM (SELECT t.device_id "
		      "FROM " TARGET_DEVICES(
			      "$1",
			      "$2::jsonb") " t "
					   "JOIN component k ON k.tenant_id = $1 "
					   "AND k.device_id = t.device_id "
					   "WHERE k.name = ANY ((SELECT names FROM r)::text[]) "
					   "AND CASE WHEN (SELECT by_version FROM r) "
					   "THEN k.version = (SELECT version FROM r) "
					   "ELSE (k.name, k.digest) IN (SELECT component, "
					   "digest "
					   "FROM release_installed WHERE tenant_id = $1 "
					   "AND release_id = $3) END "
					   "GROUP BY t.device_id "
					   "HAVING count(*) = cardinality((SELECT names FROM "
					   "r))) c" },
	[SAMPLE] = { "campaign_sample",
		     "SELECT endpoint FROM " TARGET_DEVICES(
			     "$1", "$2::jsonb") " t ORDER BY endpoint LIMIT 10" },
	[WRONG] = { "campaign_wrong",
		    "SELECT endpoint FROM " TARGET_DEVICES(
			    "$1", "$2::jsonb") " t WHERE " WRONG_CLASS
					       " ORDER BY endpoint LIMIT 10" },
	/* Most releases are the newest: then the audience is not looked through. */
	[NEWER] = { "campaign_newer",
		    "SELECT endpoint, count(*) OVER () AS newer FROM " TARGET_DEVICES(
			    "$1",
			    "$2::jsonb") " t WHERE EXISTS (" NEWER_RELEASES
					 ") AND EXISTS (SELECT 1 FROM component k "
					 "JOIN release_installed i "
					 "ON i.tenant_id = k.tenant_id "
					 "AND i.component = k.name "
					 "AND i.digest = k.digest "
					 "WHERE k.tenant_id = $1 "
					 "AND k.device_id = t.device_id "
					 "AND EXISTS (" NEWER_RELEASES
					 " AND n.release_id = i.release_id "
					 "AND " RUNS_RELEASE(
						 "n",
						 "t.device_id") ")) "
								"ORDER BY endpoint LIMIT 10" },
	[MISSING] = { "campaign_missing",
		      "SELECT DISTINCT n.name AS endpoint "
		      "FROM jsonb_array_elements_text($2::jsonb -> 'devices') AS n (name) "
		      "WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.tenant_id = $1 "
		      "AND d.endpoint = n.name AND d.lifecycle <> 2) ORDER BY n.name LIMIT "
		      "10" },
	[BYTES] = { "campaign_bytes",
		    "SELECT coalesce(max(bytes), 0) AS bytes, "
		    "count(base_component) > 0 AS has_delta "
		    "FROM manifest WHERE tenant_id = $1 AND release_id = $2" },
	/* variant_fits() of core/variant_rules.h, for many devices: a join of whole tables,
	 * where the devices' own manifests would be asked one by one for ten times as long. */
	[DELTAS] = { "campaign_deltas",
		     "WITH v AS MATERIALIZED (SELECT base_component, base_digest, "
		     "ARRAY(SELECT w FROM unnest(needs) w WHERE left(w, 4) <> 'key-') AS "
		     "needs, "
		     "ARRAY(SELECT w FROM unnest(needs) w WHERE left(w, 4) = 'key-') AS keys, "
		     "octet_length(envelope) AS envelope_bytes, image_bytes, needs && "
		     "ARRAY['aes-kw', 'ecdh-es', 'aes-kw|ecdh-es', 'gcm', 'ctr', 'chacha20'] "
		     "AS encrypted "
		     "FROM manifest WHERE tenant_id = $1 AND release_id = $3 "
		     "AND base_component IS NOT NULL) "
		     "SELECT count(*) AS n FROM " TARGET_DEVICES(
			     "$1",
			     "$2::jsonb") " t WHERE EXISTS (SELECT 1 FROM component k JOIN v "
					  "ON k.name = v.base_component "
					  "AND k.digest = v.base_digest "
					  "WHERE k.tenant_id = $1 "
					  "AND k.device_id = t.device_id "
					  "AND NOT EXISTS (SELECT FROM unnest(v.needs) n "
					  "WHERE NOT string_to_array(n, '|') && t.formats) "
					  "AND (v.keys = '{}' OR v.keys && t.formats) "
					  "AND (NOT t.only_encrypted OR v.encrypted) "
					  "AND (t.max_envelope = 0 "
					  "OR v.envelope_bytes <= t.max_envelope) "
					  "AND (t.max_image = 0 OR v.image_bytes <= "
					  "t.max_image))" },
};
DB_STMTS(stmts)

enum rc campaign_store_insert(struct db *db, int32_t tenant, const struct campaign_insert *in)
{
	const struct campaign *c = in->campaign;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &c->campaign_id);
	db_arg_text(&a, c->name);
	db_arg_uuid(&a, &c->release_id);
	db_arg_text(&a, in->target);
	for (int i = 0; i < BUCKET_SALTS; i++)
		db_arg_i64(&a, c->salt.s[i]);
	db_arg_i64(&a, c->silent_after_s);
	db_arg_i64(&a, c->max_attempts);
	db_arg_uuid(&a, in->created_by);
	db_arg_i64(&a, c->created_at);
	db_arg_i64(&a, c->members);
	enum rc rc = db_run(db, &stmts[INSERT], &a, NULL);
	for (int i = 0; rc == RC_OK && i < c->stage_count; i++)
		rc = stage_store_insert(db, tenant, &c->campaign_id, &c->stages[i]);
	return rc;
}

static void read_campaign(const struct db_rows *rows, int i, struct arena *mem,
			  struct campaign_row *ret)
{
	struct campaign *c = &ret->campaign;

	*c = (struct campaign){
		.campaign_id = db_row_uuid(rows, i, "campaign_id"),
		.release_id = db_row_uuid(rows, i, "release_id"),
		.name = db_row_text(rows, i, "name", mem),
		.state = (enum campaign_state)db_row_i64(rows, i, "state"),
		.pause_reason = db_row_text(rows, i, "pause_reason", mem),
		.revision = db_row_i64(rows, i, "revision"),
		.members = db_row_i64(rows, i, "members"),
		.stage = (int32_t)db_row_i64(rows, i, "stage"),
		.silent_after_s = (int32_t)db_row_i64(rows, i, "silent_after_s"),
		.max_attempts = (int32_t)db_row_i64(rows, i, "max_attempts"),
		.created_at = db_row_i64(rows, i, "created_at"),
		.started_at = db_row_i64(rows, i, "started_at"),
		.ended_at = db_row_i64(rows, i, "ended_at"),
	};
	bucket_salt_derive(&c->campaign_id, &c->salt);
	ret->release_version = db_row_text(rows, i, "version", mem);
	ret->components = db_row_text(rows, i, "components", mem);
	ret->vendor_id = db_row_uuid(rows, i, "vendor_id");
	ret->class_id = db_row_uuid(rows, i, "class_id");
}

static enum rc read_stages(struct db *db, int32_t tenant, struct arena *mem,
			   struct campaign_row *row)
{
	struct campaign *c = &row->campaign;

	return stage_store_list(db, tenant, &c->campaign_id, mem, &c->stages, &c->stage_count);
}

static enum rc read_target(struct db *db, int32_t tenant, struct arena *mem,
			   struct campaign_row *row)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &row->campaign.campaign_id);
	enum rc rc = db_run_one(db, &stmts[TARGET], &a, &rows);
	if (rc == RC_OK)
		row->target = db_row_text(rows, 0, "target", mem);
	return rc;
}

static enum rc complete(struct db *db, int32_t tenant, struct arena *mem,
			struct campaign_row *row)
{
	enum rc rc = read_target(db, tenant, mem, row);

	return rc == RC_OK ? read_stages(db, tenant, mem, row) : rc;
}

static enum rc get_by(struct db *db, const struct db_stmt *stmt, const struct db_args *a,
		      struct arena *mem, struct campaign_row *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run_one(db, stmt, a, &rows);
	if (rc != RC_OK)
		return rc;
	read_campaign(rows, 0, mem, ret);
	return RC_OK;
}

enum rc campaign_store_get(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			   struct arena *mem, struct campaign_row *ret)
{
	struct db_args a = { 0 };
	struct campaign_row row;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	enum rc rc = get_by(db, &stmts[GET], &a, mem, &row);
	if (rc == RC_OK)
		rc = complete(db, tenant, mem, &row);
	if (rc == RC_OK)
		*ret = row;
	return rc;
}

/* RC_UNAVAILABLE when those before take too long. */
static enum rc take_turn(struct db *db, int statement, const struct db_args *a)
{
	enum rc rc = db_exec(db, "SET LOCAL lock_timeout = " TURN_TIMEOUT_MS);

	if (rc == RC_OK)
		rc = db_run(db, &stmts[statement], a, NULL);
	return rc == RC_OK ? db_exec(db, "SET LOCAL lock_timeout = DEFAULT") : rc;
}

enum rc campaign_store_lock(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			    struct arena *mem, struct campaign_row *ret)
{
	struct db_args a = { 0 }, turn = { 0 };
	struct campaign_row row;

	db_arg_uuid(&turn, campaign_id);
	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	enum rc rc = take_turn(db, TAKE_TURN, &turn);
	if (rc == RC_OK)
		rc = get_by(db, &stmts[LOCK], &a, mem, &row);
	if (rc == RC_OK)
		rc = complete(db, tenant, mem, &row);
	if (rc == RC_OK)
		*ret = row;
	return rc;
}

static int64_t size_in_list(const struct campaign_row *row)
{
	return CAMPAIGN_BYTES + row->campaign.stage_count * STAGE_BYTES +
	       (int64_t)strlen(row->target);
}

/* One by one, so that a page of long targets is not read to the end only to be cut. */
static enum rc read_page(struct db *db, int32_t tenant, const struct db_rows *rows,
			 const struct campaign_page *page, struct campaign_rows *out)
{
	int n = db_rows_count(rows);
	int64_t bytes = 0;
	enum rc rc = RC_OK;

	out->rows = arena_array(page->mem, (size_t)n + 1, sizeof(*out->rows));
	for (out->count = 0; out->count < n && out->count < page->limit; out->count++) {
		struct campaign_row *row = &out->rows[out->count];
		read_campaign(rows, out->count, page->mem, row);
		rc = complete(db, tenant, page->mem, row);
		if (rc != RC_OK)
			return rc;
		bytes += size_in_list(row);
		if (out->count && bytes > LIST_BYTES)
			break;
	}
	out->more = out->count < n;
	return RC_OK;
}

enum rc campaign_store_list(struct db *db, int32_t tenant, const struct campaign_page *page,
			    struct campaign_rows *ret)
{
	struct db_args a = { 0 };
	struct campaign_rows out;
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, page->before);
	db_arg_uuid(&a, &page->after_id);
	db_arg_i64(&a, page->limit + 1);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc == RC_OK)
		rc = read_page(db, tenant, rows, page, &out);
	if (rc == RC_OK)
		*ret = out;
	return rc;
}

static void read_ids(const struct db_rows *rows, struct arena *mem, struct uuid **ret,
		     int *ret_count)
{
	int n = db_rows_count(rows);
	struct uuid *ids = arena_array(mem, (size_t)n + 1, sizeof(*ids));

	for (int i = 0; i < n; i++)
		ids[i] = db_row_uuid(rows, i, "campaign_id");
	*ret = ids;
	*ret_count = n;
}

enum rc campaign_store_move(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			    const struct campaign_move_row *move)
{
	struct db_args a = { 0 };
	int64_t n;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	db_arg_i64(&a, move->from);
	db_arg_i64(&a, move->to);
	db_arg_text(&a, move->pause_reason);
	db_arg_i64(&a, move->stage);
	db_arg_i64(&a, move->members);
	db_arg_i64(&a, move->now);
	enum rc rc = db_run_count(db, &stmts[MOVE], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n == 1 ? RC_OK : RC_RETRY;
}

enum rc campaign_store_hold(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			    enum campaign_state *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, campaign_id);
	enum rc rc = db_run_one(db, &stmts[HOLD], &a, &rows);
	if (rc != RC_OK)
		return rc;
	*ret = (enum campaign_state)db_row_i64(rows, 0, "state");
	return RC_OK;
}

static enum rc find_ids(struct db *db, int statement, const struct db_args *a,
			struct arena *mem, struct uuid **ret, int *ret_count)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run(db, &stmts[statement], a, &rows);
	if (rc == RC_OK)
		read_ids(rows, mem, ret, ret_count);
	return rc;
}

enum rc campaign_store_active(struct db *db, int32_t tenant, struct arena *mem,
			      struct uuid **ret, int *ret_count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	return find_ids(db, ACTIVE, &a, mem, ret, ret_count);
}

enum rc campaign_store_judged(struct db *db, int32_t tenant, struct arena *mem,
			      struct uuid **ret, int *ret_count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	return find_ids(db, JUDGED, &a, mem, ret, ret_count);
}

enum rc campaign_store_stop_offers(struct db *db, int32_t tenant, const struct uuid *release_id,
				   struct arena *mem, struct uuid **ret, int *ret_count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, release_id);
	enum rc rc = take_turn(db, TAKE_TURNS, &a);
	return rc == RC_OK ? find_ids(db, STOP_OFFERS, &a, mem, ret, ret_count) : rc;
}

enum rc campaign_store_withdrawn(struct db *db, int32_t tenant, int64_t since,
				 struct arena *mem, struct uuid **ret, int *ret_count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, since);
	return find_ids(db, WITHDRAWN, &a, mem, ret, ret_count);
}

/* --- the audience --- */

static void arg_audience(struct db_args *a, int32_t tenant, const struct audience_query *q)
{
	db_arg_i64(a, tenant);
	db_arg_text(a, q->target);
	db_arg_uuid(a, q->vendor_id);
	db_arg_uuid(a, q->class_id);
}

struct names {
	const char **out;
	int *count;
};

static enum rc read_names(struct db *db, const struct db_stmt *stmt, const struct db_args *a,
			  struct arena *mem, const struct names *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run(db, stmt, a, &rows);
	if (rc != RC_OK)
		return rc;
	*ret->count = db_rows_count(rows);
	for (int i = 0; i < *ret->count; i++)
		ret->out[i] = db_row_text(rows, i, "endpoint", mem);
	return RC_OK;
}

static enum rc audience_names(struct db *db, int32_t tenant, const struct audience_query *q,
			      struct arena *mem, struct audience *au)
{
	struct db_args two = { 0 }, four = { 0 };

	db_arg_i64(&two, tenant);
	db_arg_text(&two, q->target);
	arg_audience(&four, tenant, q);
	enum rc rc = RC_OK;
	if (q->sample)
		rc = read_names(db, &stmts[SAMPLE], &two, mem,
				&(struct names){ au->sample, &au->sample_count });
	if (rc == RC_OK)
		rc = read_names(db, &stmts[MISSING], &two, mem,
				&(struct names){ au->missing, &au->missing_count });
	if (rc == RC_OK && au->wrong)
		rc = read_names(db, &stmts[WRONG], &four, mem,
				&(struct names){ au->wrong_sample, &au->wrong_count });
	return rc;
}

static enum rc audience_newer(struct db *db, int32_t tenant, const struct audience_query *q,
			      struct arena *mem, struct audience *au)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	arg_audience(&a, tenant, q);
	db_arg_text(&a, q->components);
	db_arg_i64(&a, q->sequence);
	enum rc rc = db_run(db, &stmts[NEWER], &a, &rows);
	if (rc != RC_OK)
		return rc;
	au->newer_count = db_rows_count(rows);
	for (int i = 0; i < au->newer_count; i++)
		au->newer_sample[i] = db_row_text(rows, i, "endpoint", mem);
	au->newer = au->newer_count ? db_row_i64(rows, 0, "newer") : 0;
	return RC_OK;
}

/* Of the target, those that the statement counts for this release. */
static enum rc audience_count(struct db *db, int32_t tenant, const struct audience_query *q,
			      const struct db_stmt *stmt, int64_t *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_text(&a, q->target);
	db_arg_uuid(&a, q->release_id);
	enum rc rc = db_run_one(db, stmt, &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_i64(rows, 0, "n");
	return rc;
}

static enum rc audience_bytes(struct db *db, int32_t tenant, const struct audience_query *q,
			      struct audience *au)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, q->release_id);
	enum rc rc = db_run(db, &stmts[BYTES], &a, &rows);
	if (rc != RC_OK)
		return rc;
	au->bytes = db_row_i64(rows, 0, "bytes");
	return q->sample && db_row_bool(rows, 0, "has_delta")
		       ? audience_count(db, tenant, q, &stmts[DELTAS], &au->deltas)
		       : RC_OK;
}

enum rc campaign_store_audience(struct db *db, int32_t tenant,
				const struct audience_query *query, struct arena *mem,
				struct audience *ret)
{
	struct db_args a = { 0 };
	struct audience au = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_audience(&a, tenant, query);
	enum rc rc = db_run(db, &stmts[AUDIENCE], &a, &rows);
	if (rc != RC_OK)
		return rc;
	au.members = db_row_i64(rows, 0, "members");
	au.wrong = db_row_i64(rows, 0, "wrong");
	rc = audience_names(db, tenant, query, mem, &au);
	if (rc == RC_OK)
		rc = audience_newer(db, tenant, query, mem, &au);
	if (rc == RC_OK)
		rc = audience_count(db, tenant, query, &stmts[CURRENT], &au.current);
	if (rc == RC_OK)
		rc = audience_bytes(db, tenant, query, &au);
	if (rc == RC_OK)
		*ret = au;
	return rc;
}
