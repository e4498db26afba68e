/* Author keys: public keys of authors, by class and component. */
#include "db/author_key_store.h"

#include "base/clean.h"

#define KEY_COLUMNS                                                                            \
	"author_key_id, vendor_id, class_id, component, delegate, kid, public_key, name, "     \
	"revoked_at, created_at FROM author_key "

enum { INSERT, FIND, GET, LIST, REVOKE };

static const struct db_stmt stmts[] = {
	[INSERT] = { "author_key_insert",
		     "INSERT INTO author_key (tenant_id, author_key_id, vendor_id, class_id, "
		     "component, kid, public_key, name, created_at, delegate) "
		     "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO "
		     "NOTHING" },
	[FIND] = { "author_key_find",
		   "SELECT " KEY_COLUMNS "WHERE tenant_id = $1 AND vendor_id = $2 "
		   "AND class_id = $3 AND kid = $4 AND revoked_at IS NULL "
		   "ORDER BY component COLLATE \"C\" LIMIT 64" },
	[GET] = { "author_key_get",
		  "SELECT " KEY_COLUMNS "WHERE tenant_id = $1 AND author_key_id = $2" },
	[LIST] = { "author_key_list",
		   "SELECT " KEY_COLUMNS "WHERE tenant_id = $1 "
		   "AND ($2::uuid IS NULL OR (vendor_id = $2 AND class_id = $3::uuid)) "
		   "AND author_key_id > $4 ORDER BY author_key_id LIMIT $5" },
	[REVOKE] = { "author_key_revoke",
		     "UPDATE author_key SET revoked_at = coalesce(revoked_at, $3) "
		     "WHERE tenant_id = $1 AND author_key_id = $2" },
};
DB_STMTS(stmts)

static void read_key(const struct db_rows *rows, int row, struct arena *mem,
		     struct author_key *ret)
{
	*ret = (struct author_key){
		.author_key_id = db_row_uuid(rows, row, "author_key_id"),
		.vendor_id = db_row_uuid(rows, row, "vendor_id"),
		.class_id = db_row_uuid(rows, row, "class_id"),
		.component = db_row_text(rows, row, "component", mem),
		.delegate = db_row_bool(rows, row, "delegate"),
		.kid = db_row_bytes(rows, row, "kid", mem),
		.public_key = db_row_bytes(rows, row, "public_key", mem),
		.name = db_row_text(rows, row, "name", mem),
		.revoked_at = db_row_i64(rows, row, "revoked_at"),
		.created_at = db_row_i64(rows, row, "created_at"),
	};
}

static enum rc read_keys(struct db *db, const struct db_stmt *stmt, const struct db_args *a,
			 struct arena *mem, struct author_key **ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run(db, stmt, a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	/* One more, all zero, ends the list. */
	struct author_key *list = arena_array(mem, (size_t)n + 1, sizeof(*list));
	for (int i = 0; i < n; i++)
		read_key(rows, i, mem, &list[i]);
	*ret = list;
	return RC_OK;
}

static int count_keys(const struct author_key *list)
{
	int n = 0;

	while (list[n].component)
		n++;
	return n;
}

enum rc author_key_store_insert(struct db *db, int32_t tenant, const struct author_key *k)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &k->author_key_id);
	db_arg_uuid(&a, &k->vendor_id);
	db_arg_uuid(&a, &k->class_id);
	db_arg_text(&a, k->component);
	db_arg_bytes(&a, k->kid);
	db_arg_bytes(&a, k->public_key);
	db_arg_text(&a, k->name);
	db_arg_i64(&a, k->created_at);
	db_arg_bool(&a, k->delegate);
	enum rc rc = db_run_count(db, &stmts[INSERT], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? RC_OK : RC_CONFLICT;
}

enum rc author_key_store_find(struct db *db, int32_t tenant, const struct author_key *key,
			      struct arena *mem, struct author_key **ret, int *ret_count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &key->vendor_id);
	db_arg_uuid(&a, &key->class_id);
	db_arg_bytes(&a, key->kid);
	enum rc rc = read_keys(db, &stmts[FIND], &a, mem, ret);
	if (rc == RC_OK)
		*ret_count = count_keys(*ret);
	return rc;
}

enum rc author_key_store_get(struct db *db, int32_t tenant, const struct uuid *author_key_id,
			     struct arena *mem, struct author_key *ret)
{
	struct db_args a = { 0 };
	struct author_key *list = NULL;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, author_key_id);
	enum rc rc = read_keys(db, &stmts[GET], &a, mem, &list);
	if (rc != RC_OK)
		return rc;
	if (count_keys(list) == 0)
		return RC_NOT_FOUND;
	*ret = list[0];
	return RC_OK;
}

enum rc author_key_store_list(struct db *db, int32_t tenant, const struct author_key_filter *f,
			      struct arena *mem, struct author_key **ret, int *ret_count)
{
	static const struct uuid start;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	if (f->has_class) {
		db_arg_uuid(&a, &f->vendor_id);
		db_arg_uuid(&a, &f->class_id);
	} else {
		db_arg_null(&a);
		db_arg_null(&a);
	}
	db_arg_uuid(&a, f->after ? f->after : &start);
	db_arg_i64(&a, f->limit);
	enum rc rc = read_keys(db, &stmts[LIST], &a, mem, ret);
	if (rc == RC_OK)
		*ret_count = count_keys(*ret);
	return rc;
}

enum rc author_key_store_revoke(struct db *db, int32_t tenant, const struct uuid *author_key_id,
				int64_t now)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, author_key_id);
	db_arg_i64(&a, now);
	enum rc rc = db_run_count(db, &stmts[REVOKE], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? RC_OK : RC_NOT_FOUND;
}
