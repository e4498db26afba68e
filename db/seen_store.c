/* Signs of life. */

#include "db/seen_store.h"

enum { PUT };

static const struct db_stmt stmts[] = {
	[PUT] = { "seen_put", "INSERT INTO device_seen (tenant_id, device_id, seen_at) "
			      "SELECT $1::integer, id, at FROM unnest($2::uuid[], "
			      "$3::bigint[]) AS u (id, at) "
			      "ON CONFLICT (tenant_id, device_id) DO UPDATE "
			      "SET seen_at = EXCLUDED.seen_at WHERE device_seen.seen_at < "
			      "EXCLUDED.seen_at" },
};
DB_STMTS(stmts)

enum rc seen_store_put(struct db *db, int32_t tenant, struct arena *mem, const struct uuid *ids,
		       const int64_t *seen_at, size_t count)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, ids, count);
	db_arg_i64s(&a, mem, seen_at, count);
	return db_run(db, &stmts[PUT], &a, NULL);
}
