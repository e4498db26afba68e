/* Operators.  Whether a token still counts is decided by the database's clock. */

#include "db/operator_store.h"

#include "base/clean.h"

#define OPERATOR_COLUMNS                                                                       \
	"o.operator_id, o.name, o.role, o.certificate, o.disabled, o.revision, o.created_at "  \
	"FROM operator o "
#define NOW_US "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

enum {
	INSERT,
	GET,
	LIST,
	UPDATE,
	DELETE,
	DELETE_TOKENS,
	LOCK_ADMINS,
	BY_TOKEN,
	BY_CERTIFICATE,
	BOOTSTRAP_PUT,
	BOOTSTRAP_USE,
};

static const struct db_stmt stmts[] = {
	[INSERT] = { "operator_insert",
		     "INSERT INTO operator (tenant_id, operator_id, name, role, certificate, "
		     "created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING" },
	[GET] = { "operator_get",
		  "SELECT " OPERATOR_COLUMNS "WHERE o.tenant_id = $1 AND o.operator_id = $2" },
	[LIST] = { "operator_list",
		   "SELECT " OPERATOR_COLUMNS "WHERE o.tenant_id = $1 AND o.name > $2 "
		   "ORDER BY o.name LIMIT $3" },
	[UPDATE] = { "operator_update", "UPDATE operator SET role = $3, disabled = $4, "
					"revision = revision + 1 WHERE tenant_id = $1 AND "
					"operator_id = $2 AND revision = $5" },
	[DELETE] = { "operator_delete", "DELETE FROM operator WHERE tenant_id = $1 AND "
					"operator_id = $2 AND revision = $3" },
	[DELETE_TOKENS] = { "operator_delete_tokens",
			    "DELETE FROM token WHERE tenant_id = $1 AND operator_id = $2" },
	[LOCK_ADMINS] = { "operator_lock_admins",
			  "SELECT operator_id FROM operator WHERE tenant_id = $1 AND "
			  "role = $2 AND NOT disabled ORDER BY operator_id FOR UPDATE" },
	[BY_TOKEN] = { "operator_by_token",
		       "SELECT " OPERATOR_COLUMNS
		       "JOIN token t ON t.tenant_id = o.tenant_id AND "
		       "t.operator_id = o.operator_id WHERE t.tenant_id = $1 AND t.hash = $2 "
		       "AND (t.expires_at IS NULL OR t.expires_at > $3) "
		       "AND NOT o.disabled" },
	[BY_CERTIFICATE] = { "operator_by_certificate",
			     "SELECT " OPERATOR_COLUMNS
			     "WHERE o.tenant_id = $1 AND o.certificate = $2 "
			     "AND NOT o.disabled" },
	[BOOTSTRAP_PUT] = { "bootstrap_put",
			    "INSERT INTO bootstrap (tenant_id, hash, created_at) "
			    "VALUES ($1, $2, " NOW_US ") ON CONFLICT (tenant_id) DO UPDATE "
			    "SET hash = excluded.hash, created_at = excluded.created_at, "
			    "used_at = NULL" },
	[BOOTSTRAP_USE] = { "bootstrap_use",
			    "UPDATE bootstrap SET used_at = " NOW_US
			    " WHERE tenant_id = $1 AND hash = $2 AND used_at IS NULL" },
};
DB_STMTS(stmts)

static void read_operator(const struct db_rows *rows, int row, struct arena *mem,
			  struct operator_item *ret)
{
	*ret = (struct operator_item){
		.operator_id = db_row_uuid(rows, row, "operator_id"),
		.name = db_row_text(rows, row, "name", mem),
		.role = (enum role)db_row_i64(rows, row, "role"),
		.disabled = db_row_bool(rows, row, "disabled"),
		.has_certificate = !db_row_is_null(rows, row, "certificate"),
		.certificate = db_row_digest(rows, row, "certificate"),
		.revision = db_row_i64(rows, row, "revision"),
		.created_at = db_row_i64(rows, row, "created_at"),
	};
}

/* Runs a statement that finds one operator or none. */
static enum rc find_one(struct db *db, const struct db_stmt *stmt, const struct db_args *a,
			struct arena *mem, struct operator_item *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run_one(db, stmt, a, &rows);
	if (rc != RC_OK)
		return rc;
	read_operator(rows, 0, mem, ret);
	return RC_OK;
}

enum rc operator_store_insert(struct db *db, int32_t tenant, const struct operator_item *o)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &o->operator_id);
	db_arg_text(&a, o->name);
	db_arg_i64(&a, o->role);
	db_arg_digest(&a, o->has_certificate ? &o->certificate : NULL);
	db_arg_i64(&a, o->created_at);
	enum rc rc = db_run_count(db, &stmts[INSERT], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n == 1 ? RC_OK : RC_CONFLICT;
}

enum rc operator_store_get(struct db *db, int32_t tenant, const struct uuid *id,
			   struct arena *mem, struct operator_item *ret)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, id);
	return find_one(db, &stmts[GET], &a, mem, ret);
}

enum rc operator_store_list(struct db *db, int32_t tenant, const struct operator_page *page,
			    struct operator_item **ret, int *ret_count)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_text(&a, page->after ? page->after : "");
	db_arg_i64(&a, page->limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;

	int count = db_rows_count(rows);
	struct operator_item *items = arena_array(page->mem, (size_t)count, sizeof(*items));
	for (int i = 0; i < count; i++)
		read_operator(rows, i, page->mem, &items[i]);
	*ret = items;
	*ret_count = count;
	return RC_OK;
}

enum rc operator_store_update(struct db *db, int32_t tenant, const struct operator_item *o,
			      int64_t *ret_rows)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &o->operator_id);
	db_arg_i64(&a, o->role);
	db_arg_bool(&a, o->disabled);
	db_arg_i64(&a, o->revision);
	return db_run_count(db, &stmts[UPDATE], &a, ret_rows);
}

enum rc operator_store_delete(struct db *db, int32_t tenant, const struct uuid *id,
			      int64_t revision, int64_t *ret_rows)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, id);
	struct db_args tokens = a;
	db_arg_i64(&a, revision);
	enum rc rc = db_run_count(db, &stmts[DELETE], &a, &n);
	if (rc == RC_OK && n == 1)
		rc = db_run(db, &stmts[DELETE_TOKENS], &tokens, NULL);
	if (rc == RC_OK)
		*ret_rows = n;
	return rc;
}

enum rc operator_store_lock_admins(struct db *db, int32_t tenant, int64_t *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_i64(&a, ROLE_ADMIN);
	enum rc rc = db_run(db, &stmts[LOCK_ADMINS], &a, &rows);
	if (rc == RC_OK)
		*ret = db_rows_count(rows);
	return rc;
}

enum rc operator_store_by_token(struct db *db, int32_t tenant, const struct digest *hash,
				int64_t now, struct arena *mem, struct operator_item *ret)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, hash);
	db_arg_i64(&a, now);
	return find_one(db, &stmts[BY_TOKEN], &a, mem, ret);
}

enum rc operator_store_by_certificate(struct db *db, int32_t tenant,
				      const struct digest *certificate, struct arena *mem,
				      struct operator_item *ret)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, certificate);
	return find_one(db, &stmts[BY_CERTIFICATE], &a, mem, ret);
}

enum rc bootstrap_store_put(struct db *db, int32_t tenant, const struct digest *hash)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, hash);
	return db_run(db, &stmts[BOOTSTRAP_PUT], &a, NULL);
}

enum rc bootstrap_store_use(struct db *db, int32_t tenant, const struct digest *hash, bool *ret)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, hash);
	enum rc rc = db_run_count(db, &stmts[BOOTSTRAP_USE], &a, &n);
	if (rc == RC_OK)
		*ret = n == 1;
	return rc;
}
