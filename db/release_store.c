/* Releases, and the digests that prove them. */
#include "db/release_store.h"

#include "base/clean.h"

#define RELEASE_COLUMNS                                                                        \
	"r.release_id, r.vendor_id, r.class_id, r.components, r.version, r.version_key, "      \
	"r.sequence, r.notes, r.withdrawn_at, r.revision, r.created_at, "                      \
	"c.name AS class_name FROM release r "                                                 \
	"LEFT JOIN class c ON c.tenant_id = r.tenant_id AND c.vendor_id = r.vendor_id "        \
	"AND c.class_id = r.class_id "

enum { INSERT, INSERT_INSTALLED, GET, LIST, INSTALLED, WITHDRAW, IS_WITHDRAWN, LOCK, TOUCH };

static const struct db_stmt stmts[] = {
	[INSERT] = { "release_insert",
		     "INSERT INTO release (tenant_id, release_id, vendor_id, class_id, "
		     "components, version, version_key, sequence, notes, created_by, "
		     "created_at) "
		     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
		     "ON CONFLICT DO NOTHING" },
	[INSERT_INSTALLED] = { "release_insert_installed",
			       "INSERT INTO release_installed (tenant_id, release_id, "
			       "component, "
			       "digest) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING" },
	[GET] = { "release_get",
		  "SELECT " RELEASE_COLUMNS "WHERE r.tenant_id = $1 AND r.release_id = $2" },
	[LIST] = { "release_list", "SELECT " RELEASE_COLUMNS "WHERE r.tenant_id = $1 "
				   "AND (r.created_at, r.release_id) < ($2, $3) "
				   "ORDER BY r.created_at DESC, r.release_id DESC LIMIT $4" },
	[INSTALLED] = { "release_installed_list",
			"SELECT release_id, component, digest FROM release_installed "
			"WHERE tenant_id = $1 AND release_id = $2 "
			"ORDER BY component COLLATE \"C\", digest" },
	[WITHDRAW] = { "release_withdraw",
		       "UPDATE release SET withdrawn_at = coalesce(withdrawn_at, $4), "
		       "revision = revision + 1 WHERE tenant_id = $1 AND release_id = $2 "
		       "AND revision = $3" },
	[IS_WITHDRAWN] = { "release_is_withdrawn",
			   "SELECT withdrawn_at IS NOT NULL AS withdrawn FROM release "
			   "WHERE tenant_id = $1 AND release_id = $2" },
	[LOCK] = { "release_lock", "SELECT release_id FROM release WHERE tenant_id = $1 "
				   "AND release_id = $2 FOR UPDATE" },
	[TOUCH] = { "release_touch", "UPDATE release SET revision = revision + 1 "
				     "WHERE tenant_id = $1 AND release_id = $2" },
};
DB_STMTS(stmts)

static void arg_release(struct db_args *a, int32_t tenant, const struct uuid *release_id)
{
	db_arg_i64(a, tenant);
	db_arg_uuid(a, release_id);
}

static enum rc insert_installed(struct db *db, int32_t tenant, const struct release *r)
{
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i < r->installed_count; i++) {
		struct db_args a = { 0 };
		arg_release(&a, tenant, &r->release_id);
		db_arg_text(&a, r->installed[i].component);
		db_arg_digest(&a, &r->installed[i].digest);
		rc = db_run(db, &stmts[INSERT_INSTALLED], &a, NULL);
	}
	return rc;
}

enum rc release_store_insert(struct db *db, int32_t tenant, const struct release *r,
			     const struct uuid *operator_id)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	arg_release(&a, tenant, &r->release_id);
	db_arg_uuid(&a, &r->vendor_id);
	db_arg_uuid(&a, &r->class_id);
	db_arg_text(&a, r->components);
	db_arg_text(&a, r->version);
	db_arg_bytes(&a, r->version_key);
	db_arg_i64(&a, r->sequence);
	db_arg_text(&a, r->notes);
	db_arg_uuid(&a, operator_id);
	db_arg_i64(&a, r->created_at);
	enum rc rc = db_run_count(db, &stmts[INSERT], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? insert_installed(db, tenant, r) : RC_CONFLICT;
}

static enum rc read_installed(struct db *db, int32_t tenant, struct arena *mem,
			      struct release *r)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_release(&a, tenant, &r->release_id);
	enum rc rc = db_run(db, &stmts[INSTALLED], &a, &rows);
	if (rc != RC_OK)
		return rc;
	r->installed_count = db_rows_count(rows);
	r->installed = arena_array(mem, (size_t)r->installed_count, sizeof(*r->installed));
	for (int i = 0; i < r->installed_count; i++) {
		r->installed[i].component = db_row_text(rows, i, "component", mem);
		r->installed[i].digest = db_row_digest(rows, i, "digest");
	}
	return RC_OK;
}

static enum rc read_release(struct db *db, int32_t tenant, const struct db_rows *rows, int row,
			    struct release *ret, struct arena *mem)
{
	*ret = (struct release){
		.release_id = db_row_uuid(rows, row, "release_id"),
		.vendor_id = db_row_uuid(rows, row, "vendor_id"),
		.class_id = db_row_uuid(rows, row, "class_id"),
		.class_name = db_row_text(rows, row, "class_name", mem),
		.components = db_row_text(rows, row, "components", mem),
		.version = db_row_text(rows, row, "version", mem),
		.version_key = db_row_bytes(rows, row, "version_key", mem),
		.sequence = db_row_i64(rows, row, "sequence"),
		.notes = db_row_text(rows, row, "notes", mem),
		.withdrawn_at = db_row_i64(rows, row, "withdrawn_at"),
		.revision = db_row_i64(rows, row, "revision"),
		.created_at = db_row_i64(rows, row, "created_at"),
	};
	if (ret->class_name && !*ret->class_name)
		ret->class_name = NULL;
	return read_installed(db, tenant, mem, ret);
}

enum rc release_store_get(struct db *db, int32_t tenant, const struct uuid *release_id,
			  struct arena *mem, struct release *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;
	struct release r;

	arg_release(&a, tenant, release_id);
	enum rc rc = db_run_one(db, &stmts[GET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	rc = read_release(db, tenant, rows, 0, &r, mem);
	if (rc == RC_OK)
		*ret = r;
	return rc;
}

enum rc release_store_list(struct db *db, int32_t tenant, const struct release *after,
			   int limit, struct arena *mem, struct release **ret, int *ret_count)
{
	static const struct release newest = { .created_at = INT64_MAX };
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	if (!after)
		after = &newest;
	db_arg_i64(&a, tenant);
	db_arg_i64(&a, after->created_at);
	db_arg_uuid(&a, &after->release_id);
	db_arg_i64(&a, limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct release *list = arena_array(mem, (size_t)n, sizeof(*list));
	for (int i = 0; rc == RC_OK && i < n; i++)
		rc = read_release(db, tenant, rows, i, &list[i], mem);
	if (rc != RC_OK)
		return rc;
	*ret = list;
	*ret_count = n;
	return RC_OK;
}

enum rc release_store_withdraw(struct db *db, int32_t tenant, const struct release *r,
			       int64_t now)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	arg_release(&a, tenant, &r->release_id);
	db_arg_i64(&a, r->revision);
	db_arg_i64(&a, now);
	enum rc rc = db_run_count(db, &stmts[WITHDRAW], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? RC_OK : RC_STALE;
}

enum rc release_store_is_withdrawn(struct db *db, int32_t tenant, const struct uuid *release_id,
				   bool *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_release(&a, tenant, release_id);
	enum rc rc = db_run_one(db, &stmts[IS_WITHDRAWN], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_bool(rows, 0, "withdrawn");
	return rc;
}

enum rc release_store_lock(struct db *db, int32_t tenant, const struct uuid *release_id)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_release(&a, tenant, release_id);
	return db_run_one(db, &stmts[LOCK], &a, &rows);
}

enum rc release_store_touch(struct db *db, int32_t tenant, const struct uuid *release_id)
{
	struct db_args a = { 0 };

	arg_release(&a, tenant, release_id);
	return db_run(db, &stmts[TOUCH], &a, NULL);
}
