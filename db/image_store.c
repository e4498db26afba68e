/* Images known by digest. */
#include "db/image_store.h"

#include "base/clean.h"

enum { ADD, GET, LIST };

static const struct db_stmt stmts[] = {
	[ADD] = { "image_add",
		  "INSERT INTO image (tenant_id, digest, size, created_by, created_at) "
		  "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING" },
	[GET] = { "image_get", "SELECT digest, size, created_at FROM image "
			       "WHERE tenant_id = $1 AND digest = $2" },
	[LIST] = { "image_list",
		   "SELECT digest, size, created_at FROM image "
		   "WHERE tenant_id = $1 AND digest > $2 ORDER BY digest LIMIT $3" },
};
DB_STMTS(stmts)

static struct image_item read_image(const struct db_rows *rows, int row)
{
	return (struct image_item){ .digest = db_row_digest(rows, row, "digest"),
				    .size = db_row_i64(rows, row, "size"),
				    .created_at = db_row_i64(rows, row, "created_at") };
}

enum rc image_store_add(struct db *db, int32_t tenant, const struct image_item *image,
			const struct uuid *operator_id, bool *ret_new)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, &image->digest);
	db_arg_i64(&a, image->size);
	db_arg_uuid(&a, operator_id);
	db_arg_i64(&a, image->created_at);
	enum rc rc = db_run_count(db, &stmts[ADD], &a, &n);
	if (rc == RC_OK)
		*ret_new = n > 0;
	return rc;
}

enum rc image_store_get(struct db *db, int32_t tenant, const struct digest *digest,
			struct image_item *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	db_arg_digest(&a, digest);
	enum rc rc = db_run_one(db, &stmts[GET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	*ret = read_image(rows, 0);
	return RC_OK;
}

enum rc image_store_list(struct db *db, int32_t tenant, const struct digest *after, int limit,
			 struct arena *mem, struct image_item **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	/* Every digest is more than no bytes. */
	db_arg_bytes(&a, after ? (struct bytes){ after->b, sizeof(after->b) } : bytes_of(""));
	db_arg_i64(&a, limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct image_item *list = arena_array(mem, (size_t)n, sizeof(*list));
	for (int i = 0; i < n; i++)
		list[i] = read_image(rows, i);
	*ret = list;
	*ret_count = n;
	return RC_OK;
}
