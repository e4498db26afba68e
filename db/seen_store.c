/* Signs of life. */

#include "db/seen_store.h"

enum { PUT };

static const struct db_stmt stmts[] = {
	[PUT] = { "seen_put",
		  "INSERT INTO device_seen (tenant_id, device_id, seen_at, fetched_at) "
		  "SELECT $1::integer, id, seen, fetched "
		  "FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS u (id, seen, "
		  "fetched) "
		  "ON CONFLICT (tenant_id, device_id) DO UPDATE "
		  "SET seen_at = greatest(device_seen.seen_at, EXCLUDED.seen_at), "
		  "fetched_at = greatest(device_seen.fetched_at, EXCLUDED.fetched_at)" },
};
DB_STMTS(stmts)

enum rc seen_store_put(struct db *db, int32_t tenant, struct arena *mem,
		       const struct seen_batch *batch)
{
	struct db_args a = { 0 };

	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, batch->ids, batch->count);
	db_arg_i64s(&a, mem, batch->seen_at, batch->count);
	db_arg_i64s(&a, mem, batch->fetched_at, batch->count);
	return db_run(db, &stmts[PUT], &a, NULL);
}
