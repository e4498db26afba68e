/* Manifests. */
#include "db/manifest_store.h"

#include "base/clean.h"

enum { INSERT, INSERT_IMAGE, GET, LIST, IMAGES, UNSURVEYED, SURVEYED, GIVEN_UP };

static const struct db_stmt stmts[] = {
	[INSERT] = { "manifest_insert",
		     "INSERT INTO manifest (tenant_id, digest, release_id, envelope, needs, "
		     "base_component, base_digest, bytes, image_bytes, surveyed) VALUES ($1, "
		     "$2, "
		     "$3, $4, string_to_array($5, ','), $6, $7, $8, $9, true) "
		     "ON CONFLICT DO NOTHING" },
	[INSERT_IMAGE] = { "manifest_insert_image",
			   "INSERT INTO manifest_image (tenant_id, manifest_digest, "
			   "image_digest) "
			   "VALUES ($1, $2, $3) ON CONFLICT DO NOTHING" },
	[GET] = { "manifest_get",
		  "SELECT m.envelope, r.withdrawn_at IS NOT NULL AS withdrawn FROM manifest m "
		  "JOIN release r ON r.tenant_id = m.tenant_id AND r.release_id = m.release_id "
		  "WHERE m.tenant_id = $1 AND m.digest = $2" },
	[LIST] = { "manifest_list",
		   "SELECT digest, envelope, array_to_string(needs, ',') AS needs, "
		   "base_component, base_digest, bytes, image_bytes, count(*) OVER () AS total "
		   "FROM manifest WHERE tenant_id = $1 AND release_id = $2 "
		   "ORDER BY base_digest IS NOT NULL, cardinality(needs), digest LIMIT $3" },
	[IMAGES] = { "manifest_images",
		     "SELECT i.digest, i.size, i.created_at FROM manifest_image m "
		     "JOIN image i ON i.tenant_id = m.tenant_id AND i.digest = m.image_digest "
		     "WHERE m.tenant_id = $1 AND m.manifest_digest = $2 ORDER BY i.digest" },
	[UNSURVEYED] = { "manifest_unsurveyed",
			 "SELECT digest, envelope FROM manifest WHERE tenant_id = $1 "
			 "AND NOT surveyed ORDER BY digest LIMIT $2 FOR UPDATE" },
	[SURVEYED] = { "manifest_surveyed",
		       "UPDATE manifest SET needs = string_to_array($3, ','), "
		       "base_component = $4, base_digest = $5, bytes = $6, image_bytes = $7, "
		       "surveyed = true WHERE tenant_id = $1 AND digest = $2" },
	[GIVEN_UP] = { "manifest_given_up", "UPDATE manifest SET surveyed = true "
					    "WHERE tenant_id = $1 AND digest = $2" },
};
DB_STMTS(stmts)

enum rc manifest_store_insert(struct db *db, int32_t tenant, const struct uuid *release_id,
			      const struct manifest *m)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, &m->digest);
	db_arg_uuid(&a, release_id);
	db_arg_bytes(&a, m->envelope);
	db_arg_text(&a, m->needs);
	db_arg_text(&a, m->base_component);
	db_arg_digest(&a, m->base_component ? &m->base_digest : NULL);
	db_arg_i64(&a, m->bytes);
	db_arg_i64(&a, m->image_bytes);
	enum rc rc = db_run_count(db, &stmts[INSERT], &a, &n);
	if (rc == RC_OK && !n)
		return RC_CONFLICT;
	for (int i = 0; rc == RC_OK && i < m->image_count; i++) {
		struct db_args image = { 0 };
		db_arg_i64(&image, tenant);
		db_arg_digest(&image, &m->digest);
		db_arg_digest(&image, &m->images[i].digest);
		rc = db_run(db, &stmts[INSERT_IMAGE], &image, NULL);
	}
	return rc;
}

static enum rc read_images(struct db *db, int32_t tenant, struct arena *mem, struct manifest *m)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, &m->digest);
	enum rc rc = db_run(db, &stmts[IMAGES], &a, &rows);
	if (rc != RC_OK)
		return rc;
	m->image_count = db_rows_count(rows);
	m->images = arena_array(mem, (size_t)m->image_count, sizeof(*m->images));
	for (int i = 0; i < m->image_count; i++) {
		m->images[i].digest = db_row_digest(rows, i, "digest");
		m->images[i].size = db_row_i64(rows, i, "size");
		m->images[i].created_at = db_row_i64(rows, i, "created_at");
	}
	return RC_OK;
}

enum rc manifest_store_get(struct db *db, int32_t tenant, const struct digest *digest,
			   struct arena *mem, struct manifest_row *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, digest);
	enum rc rc = db_run_one(db, &stmts[GET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	*ret = (struct manifest_row){
		.envelope = db_row_bytes(rows, 0, "envelope", mem),
		.withdrawn = db_row_bool(rows, 0, "withdrawn"),
	};
	return RC_OK;
}

static void read_manifest(const struct db_rows *rows, int i, struct arena *mem,
			  struct manifest *ret)
{
	*ret = (struct manifest){
		.digest = db_row_digest(rows, i, "digest"),
		.envelope = db_row_bytes(rows, i, "envelope", mem),
		.needs = db_row_text(rows, i, "needs", mem),
		.base_component = db_row_text(rows, i, "base_component", mem),
		.base_digest = db_row_digest(rows, i, "base_digest"),
		.bytes = db_row_i64(rows, i, "bytes"),
		.image_bytes = db_row_i64(rows, i, "image_bytes"),
	};
}

enum rc manifest_store_list(struct db *db, int32_t tenant, int limit, struct arena *mem,
			    struct release *r)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &r->release_id);
	db_arg_i64(&a, limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct manifest *list = arena_array(mem, (size_t)n, sizeof(*list));
	for (int i = 0; rc == RC_OK && i < n; i++) {
		read_manifest(rows, i, mem, &list[i]);
		rc = read_images(db, tenant, mem, &list[i]);
	}
	if (rc != RC_OK)
		return rc;
	r->manifests = list;
	r->manifest_count = n;
	r->variant_count = n ? (int)db_row_i64(rows, 0, "total") : 0;
	return RC_OK;
}

enum rc manifest_store_unsurveyed(struct db *db, int32_t tenant, int limit, struct arena *mem,
				  struct manifest **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, limit);
	enum rc rc = db_run(db, &stmts[UNSURVEYED], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct manifest *list = arena_array(mem, (size_t)n + 1, sizeof(*list));
	for (int i = 0; i < n; i++)
		list[i] = (struct manifest){
			.digest = db_row_digest(rows, i, "digest"),
			.envelope = db_row_bytes(rows, i, "envelope", mem),
		};
	*ret = list;
	*ret_count = n;
	return RC_OK;
}

enum rc manifest_store_surveyed(struct db *db, int32_t tenant, const struct manifest *m)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, &m->digest);
	if (!m->needs)
		return db_run(db, &stmts[GIVEN_UP], &a, NULL);
	db_arg_text(&a, m->needs);
	db_arg_text(&a, m->base_component);
	db_arg_digest(&a, m->base_component ? &m->base_digest : NULL);
	db_arg_i64(&a, m->bytes);
	db_arg_i64(&a, m->image_bytes);
	return db_run(db, &stmts[SURVEYED], &a, NULL);
}
