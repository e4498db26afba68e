/* Tokens. */

#include "db/token_store.h"

#include "base/clean.h"

enum { INSERT, LIST, DELETE };

static const struct db_stmt stmts[] = {
	[INSERT] = { "token_insert", "INSERT INTO token (tenant_id, token_id, operator_id, "
				     "hash, label, created_at, expires_at) "
				     "VALUES ($1, $2, $3, $4, $5, $6, $7)" },
	[LIST] = { "token_list", "SELECT token_id, label, created_at, expires_at FROM token "
				 "WHERE tenant_id = $1 AND operator_id = $2 AND token_id > $3 "
				 "ORDER BY token_id LIMIT $4" },
	[DELETE] = { "token_delete", "DELETE FROM token WHERE tenant_id = $1 AND "
				     "operator_id = $2 AND token_id = $3" },
};
DB_STMTS(stmts)

enum rc token_store_insert(struct db *db, int32_t tenant, const struct token_item *t,
			   const struct digest *hash)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &t->token_id);
	db_arg_uuid(&a, &t->operator_id);
	db_arg_digest(&a, hash);
	db_arg_text(&a, t->label);
	db_arg_i64(&a, t->created_at);
	if (t->expires_at)
		db_arg_i64(&a, t->expires_at);
	else
		db_arg_null(&a);
	return db_run(db, &stmts[INSERT], &a, NULL);
}

enum rc token_store_list(struct db *db, int32_t tenant, const struct token_page *page,
			 struct token_item **ret, int *ret_count)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &page->operator_id);
	db_arg_uuid(&a, &page->after);
	db_arg_i64(&a, page->limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;

	int count = db_rows_count(rows);
	struct token_item *items = arena_array(page->mem, (size_t)count, sizeof(*items));
	for (int i = 0; i < count; i++)
		items[i] = (struct token_item){
			.token_id = db_row_uuid(rows, i, "token_id"),
			.operator_id = page->operator_id,
			.label = db_row_text(rows, i, "label", page->mem),
			.created_at = db_row_i64(rows, i, "created_at"),
			.expires_at = db_row_i64(rows, i, "expires_at"),
		};
	*ret = items;
	*ret_count = count;
	return RC_OK;
}

enum rc token_store_delete(struct db *db, int32_t tenant, const struct token_item *key,
			   int64_t *ret_rows)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuid(&a, &key->operator_id);
	db_arg_uuid(&a, &key->token_id);
	return db_run_count(db, &stmts[DELETE], &a, ret_rows);
}
