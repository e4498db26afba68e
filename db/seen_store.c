/* Signs of life. */

#include "db/seen_store.h"

enum { PUT };

/* The later one, unless it is so much later that a clock was ahead when it was written: daemons
 * write what they have heard within minutes. */
#define LATER(column)                                                                          \
	column " = CASE WHEN device_seen." column                                              \
	       " > EXCLUDED.seen_at + 86400000000 THEN EXCLUDED." column                       \
	       " ELSE greatest(device_seen." column ", EXCLUDED." column ") END"

static const struct db_stmt stmts[] = {
	[PUT] = { "seen_put",
		  "INSERT INTO device_seen (tenant_id, device_id, seen_at, fetched_at) "
		  "SELECT $1::integer, id, seen, fetched "
		  "FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS u (id, seen, "
		  "fetched) "
		  "ON CONFLICT (tenant_id, device_id) DO UPDATE "
		  "SET " LATER("seen_at") ", " LATER("fetched_at") },
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
