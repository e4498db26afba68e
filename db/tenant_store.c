/* Tenants. */

#include "db/tenant_store.h"

#include "base/clean.h"

enum { SQL_SECRET, SQL_SET_SECRET };
static const struct db_stmt sql[] = {
	[SQL_SECRET] = { "tenant_secret",
			 "SELECT secret_sealed FROM tenant"
			 " WHERE tenant_id = $1 AND secret_sealed IS NOT NULL" },
	[SQL_SET_SECRET] = { "tenant_set_secret",
			     "UPDATE tenant SET secret_sealed = $2"
			     " WHERE tenant_id = $1 AND secret_sealed IS NULL" },
};
DB_STMTS(sql)

enum rc tenant_store_secret(struct db *db, int32_t tenant, struct arena *mem,
			    struct bytes *ret_sealed)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	enum rc rc = db_run_one(db, &sql[SQL_SECRET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	*ret_sealed = db_row_bytes(rows, 0, "secret_sealed", mem);
	return RC_OK;
}

enum rc tenant_store_set_secret(struct db *db, int32_t tenant, struct bytes sealed)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_bytes(&a, sealed);
	return db_run(db, &sql[SQL_SET_SECRET], &a, NULL);
}
