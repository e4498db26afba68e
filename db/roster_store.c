/* The roster's queries.  A member is exposed while a running campaign's open stage reaches it
 * and it has no job there: asked for a few devices here, for all by db/member_store.c. */

#include "db/roster_store.h"

#include "base/clean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROSTER_COLUMNS                                                                         \
	"d.device_id, d.lifecycle, d.credential, encode(coalesce(d.psk_sealed, "               \
	"d.certificate), 'hex') AS proof, "                                                    \
	"encode(substring(d.registration for 8), 'hex') AS registration, s.seen_at, "          \
	"j.job_id, j.attempt, encode(j.manifest_digest, 'hex') AS manifest, "
#define ROSTER_EXPOSED                                                                         \
	"EXISTS (SELECT 1 FROM campaign c "                                                    \
	"JOIN stage t ON t.tenant_id = c.tenant_id AND t.campaign_id = c.campaign_id "         \
	"AND t.stage = c.stage "                                                               \
	"JOIN member m ON m.campaign_id = c.campaign_id AND m.device_id = d.device_id "        \
	"WHERE c.tenant_id = d.tenant_id AND c.state = 2 AND m.bucket < t.threshold "          \
	"AND NOT EXISTS (SELECT 1 FROM job o WHERE o.tenant_id = d.tenant_id "                 \
	"AND o.device_id = d.device_id AND o.campaign_id = c.campaign_id)) AS exposed "
#define ROSTER_TABLES                                                                          \
	" FROM device d "                                                                      \
	"LEFT JOIN device_seen s ON s.tenant_id = d.tenant_id AND s.device_id = d.device_id "  \
	"LEFT JOIN slot l ON l.tenant_id = d.tenant_id AND l.device_id = d.device_id "         \
	"LEFT JOIN job j ON j.tenant_id = l.tenant_id AND j.device_id = l.device_id "          \
	"AND j.job_id = l.job_id "

enum { GET, ACTIVE_MANIFESTS, MANIFEST, MANIFEST_IMAGES };

static const struct db_stmt stmts[] = {
	[GET] = { "roster_get", "SELECT " ROSTER_COLUMNS ROSTER_EXPOSED ROSTER_TABLES
				"WHERE d.tenant_id = $1 AND d.device_id = ANY($2::uuid[])" },
	[ACTIVE_MANIFESTS] = { "roster_active_manifests",
			       "SELECT digest FROM manifest WHERE tenant_id = $1 "
			       "AND release_id IN (SELECT release_id FROM campaign "
			       "WHERE tenant_id = $1 AND state IN (1, 2, 3))" },
	[MANIFEST] = { "roster_manifest", "SELECT release_id, envelope FROM manifest "
					  "WHERE tenant_id = $1 AND digest = $2" },
	[MANIFEST_IMAGES] = { "roster_manifest_images",
			      "SELECT image_digest FROM manifest_image "
			      "WHERE tenant_id = $1 AND manifest_digest = $2 ORDER BY 1" },
};
DB_STMTS(stmts)

/* --- COPY: text fields, in the order of ROSTER_COLUMNS --- */

enum {
	F_ID,
	F_LIFECYCLE,
	F_CREDENTIAL,
	F_PROOF,
	F_REG,
	F_SEEN,
	F_JOB,
	F_ATTEMPT,
	F_MANIFEST,
	F_EXPOSED,
	F_COUNT
};

struct copy {
	struct arena *mem;
	roster_store_row *row;
	void *arg;
};

static int64_t field_i64(const char *field, int base)
{
	if (!field)
		return 0;
	return base == 16 ? (int64_t)strtoull(field, NULL, 16) : strtoll(field, NULL, 10);
}

static bool copy_row(void *arg, char *const *fields, int count)
{
	struct copy *copy = arg;
	struct roster_row row = { 0 };

	arena_reset(copy->mem);
	if (count != F_COUNT || !fields[F_ID] ||
	    uuid_parse(fields[F_ID], &row.device_id) != RC_OK)
		return false;
	if (fields[F_PROOF] &&
	    hex_decode(copy->mem, bytes_of(fields[F_PROOF]), &row.proof) != RC_OK)
		return false;
	if (fields[F_MANIFEST] && digest_parse(fields[F_MANIFEST], &row.manifest) != RC_OK)
		return false;
	row.lifecycle = (enum device_lifecycle)field_i64(fields[F_LIFECYCLE], 10);
	row.credential = (enum credential_kind)field_i64(fields[F_CREDENTIAL], 10);
	row.registration = (uint64_t)field_i64(fields[F_REG], 16);
	row.seen_at = field_i64(fields[F_SEEN], 10);
	row.job_id = field_i64(fields[F_JOB], 10);
	row.attempt = (int32_t)field_i64(fields[F_ATTEMPT], 10);
	row.exposed = fields[F_EXPOSED] && fields[F_EXPOSED][0] == 't';
	copy->row(copy->arg, &row);
	return true;
}

enum rc roster_store_copy(struct db *db, int32_t tenant, roster_store_row *row, void *arg)
{
	char query[1536];
	CLEAN(arena) struct arena *mem = arena_create();
	struct copy copy = { mem, row, arg };

	snprintf(query, sizeof(query),
		 "SELECT " ROSTER_COLUMNS "false AS exposed" ROSTER_TABLES
		 "WHERE d.tenant_id = %d",
		 tenant);
	return db_copy_out(db, query, copy_row, &copy);
}

/* --- rows --- */

static void read_row(const struct db_rows *rows, int i, struct arena *mem,
		     struct roster_row *ret)
{
	const char *proof = db_row_text(rows, i, "proof", mem);
	const char *registration = db_row_text(rows, i, "registration", mem);
	const char *manifest = db_row_text(rows, i, "manifest", mem);

	*ret = (struct roster_row){
		.device_id = db_row_uuid(rows, i, "device_id"),
		.lifecycle = (enum device_lifecycle)db_row_i64(rows, i, "lifecycle"),
		.credential = (enum credential_kind)db_row_i64(rows, i, "credential"),
		.registration = (uint64_t)field_i64(registration, 16),
		.seen_at = db_row_i64(rows, i, "seen_at"),
		.job_id = db_row_i64(rows, i, "job_id"),
		.attempt = (int32_t)db_row_i64(rows, i, "attempt"),
		.exposed = db_row_bool(rows, i, "exposed"),
	};
	if (proof && hex_decode(mem, bytes_of(proof), &ret->proof) != RC_OK)
		ret->proof = (struct bytes){ 0 };
	if (manifest && digest_parse(manifest, &ret->manifest) != RC_OK)
		ret->manifest = (struct digest){ 0 };
}

enum rc roster_store_get(struct db *db, int32_t tenant, struct arena *mem,
			 const struct uuid *ids, size_t count, roster_store_row *row, void *arg)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, ids, count);
	enum rc rc = db_run(db, &stmts[GET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	for (int i = 0; i < db_rows_count(rows); i++) {
		struct roster_row one;
		read_row(rows, i, mem, &one);
		row(arg, &one);
	}
	return RC_OK;
}

enum rc roster_store_active_manifests(struct db *db, int32_t tenant, struct arena *mem,
				      struct digest **ret, size_t *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	enum rc rc = db_run(db, &stmts[ACTIVE_MANIFESTS], &a, &rows);
	if (rc != RC_OK)
		return rc;
	size_t n = (size_t)db_rows_count(rows);
	struct digest *digests = arena_array(mem, n + 1, sizeof(*digests));
	for (size_t i = 0; i < n; i++)
		digests[i] = db_row_digest(rows, (int)i, "digest");
	*ret = digests;
	*ret_count = n;
	return RC_OK;
}

static enum rc manifest_images(struct db *db, const struct db_args *a, struct arena *mem,
			       struct manifest_row *m)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run(db, &stmts[MANIFEST_IMAGES], a, &rows);
	if (rc != RC_OK)
		return rc;
	m->image_count = db_rows_count(rows);
	m->images = arena_array(mem, (size_t)m->image_count + 1, sizeof(*m->images));
	for (int i = 0; i < m->image_count; i++)
		m->images[i] = db_row_digest(rows, i, "image_digest");
	return RC_OK;
}

enum rc roster_store_manifest(struct db *db, int32_t tenant, const struct digest *digest,
			      struct arena *mem, struct manifest_row *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, digest);
	enum rc rc = db_run_one(db, &stmts[MANIFEST], &a, &rows);
	if (rc != RC_OK)
		return rc;
	struct manifest_row m = {
		.release_id = db_row_uuid(rows, 0, "release_id"),
		.envelope = db_row_bytes(rows, 0, "envelope", mem),
	};
	rc = manifest_images(db, &a, mem, &m);
	if (rc == RC_OK)
		*ret = m;
	return rc;
}
