/* Classes, and the highest sequence number released for each set of their components. */
#include "db/class_store.h"

#include "base/clean.h"

#define CLASS_COLUMNS                                                                          \
	"vendor_id, class_id, vendor, name, confirm, revision, created_at FROM class "

enum { INSERT, GET, LIST, UPDATE, HOLD, SEQUENCE, RAISE_SEQUENCE, DIGESTS };

static const struct db_stmt stmts[] = {
	[INSERT] = { "class_insert",
		     "INSERT INTO class (tenant_id, vendor_id, class_id, vendor, name, "
		     "confirm, "
		     "created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING" },
	[GET] = { "class_get", "SELECT " CLASS_COLUMNS
			       "WHERE tenant_id = $1 AND vendor_id = $2 AND class_id = $3" },
	[LIST] = { "class_list", "SELECT " CLASS_COLUMNS
				 "WHERE tenant_id = $1 AND (vendor_id, class_id) > ($2, $3) "
				 "ORDER BY vendor_id, class_id LIMIT $4" },
	[UPDATE] = { "class_update", "UPDATE class SET name = $4, confirm = $5, "
				     "revision = revision + 1 WHERE tenant_id = $1 AND "
				     "vendor_id = $2 AND class_id = $3 AND revision = $6" },
	/* Not FOR UPDATE: nobody who only refers to the class waits. */
	[HOLD] = { "class_hold",
		   "SELECT revision FROM class WHERE tenant_id = $1 AND vendor_id = $2 "
		   "AND class_id = $3 FOR NO KEY UPDATE" },
	/* Of every set that shares a component with this one. */
	[SEQUENCE] = { "class_sequence_get",
		       "SELECT coalesce(max(sequence), -1) AS sequence FROM class_sequence "
		       "WHERE tenant_id = $1 AND vendor_id = $2 AND class_id = $3 AND "
		       "string_to_array(components, ',') && string_to_array($4::text, ',')" },
	[RAISE_SEQUENCE] = { "class_sequence_raise",
			     "INSERT INTO class_sequence AS s (tenant_id, vendor_id, class_id, "
			     "components, sequence) VALUES ($1, $2, $3, $4, $5) "
			     "ON CONFLICT (tenant_id, vendor_id, class_id, components) "
			     "DO UPDATE SET sequence = excluded.sequence "
			     "WHERE s.sequence < excluded.sequence" },
	/* Device ids are HMACs: the first so many are as good as a draw. OFFSET 0 has each
	 * one's component looked up, where the planner would read those of all devices. */
	[DIGESTS] = { "class_digests",
		      "SELECT c.digest, count(*) AS devices, "
		      "(sum(count(*)) OVER ())::bigint AS counted "
		      "FROM (SELECT device_id FROM device WHERE tenant_id = $1 AND "
		      "vendor_id = $2 AND class_id = $3 AND lifecycle = 1 "
		      "ORDER BY device_id LIMIT $5) d "
		      "LEFT JOIN LATERAL (SELECT digest FROM component WHERE tenant_id = $1 "
		      "AND device_id = d.device_id AND name = $4 OFFSET 0) c ON true "
		      "GROUP BY c.digest "
		      "ORDER BY c.digest IS NOT NULL, devices DESC, c.digest LIMIT $6" },
};
DB_STMTS(stmts)

static void arg_class(struct db_args *a, int32_t tenant, const struct uuid *vendor_id,
		      const struct uuid *class_id)
{
	db_arg_i64(a, tenant);
	db_arg_uuid(a, vendor_id);
	db_arg_uuid(a, class_id);
}

static void read_class(const struct db_rows *rows, int row, struct arena *mem,
		       struct device_class *ret)
{
	*ret = (struct device_class){
		.vendor_id = db_row_uuid(rows, row, "vendor_id"),
		.class_id = db_row_uuid(rows, row, "class_id"),
		.vendor = db_row_text(rows, row, "vendor", mem),
		.name = db_row_text(rows, row, "name", mem),
		.confirm = (enum class_confirm)db_row_i64(rows, row, "confirm"),
		.revision = db_row_i64(rows, row, "revision"),
		.created_at = db_row_i64(rows, row, "created_at"),
	};
}

enum rc class_store_insert(struct db *db, int32_t tenant, const struct device_class *k)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	arg_class(&a, tenant, &k->vendor_id, &k->class_id);
	db_arg_text(&a, k->vendor);
	db_arg_text(&a, k->name);
	db_arg_i64(&a, k->confirm);
	db_arg_i64(&a, k->created_at);
	enum rc rc = db_run_count(db, &stmts[INSERT], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? RC_OK : RC_CONFLICT;
}

enum rc class_store_get(struct db *db, int32_t tenant, const struct device_class *key,
			struct arena *mem, struct device_class *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_class(&a, tenant, &key->vendor_id, &key->class_id);
	enum rc rc = db_run_one(db, &stmts[GET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	read_class(rows, 0, mem, ret);
	return RC_OK;
}

enum rc class_store_list(struct db *db, int32_t tenant, const struct device_class *after,
			 int limit, struct arena *mem, struct device_class **ret,
			 int *ret_count)
{
	static const struct device_class start;
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	if (!after)
		after = &start;
	arg_class(&a, tenant, &after->vendor_id, &after->class_id);
	db_arg_i64(&a, limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc != RC_OK)
		return rc;
	int n = db_rows_count(rows);
	struct device_class *list = arena_array(mem, (size_t)n, sizeof(*list));
	for (int i = 0; i < n; i++)
		read_class(rows, i, mem, &list[i]);
	*ret = list;
	*ret_count = n;
	return RC_OK;
}

enum rc class_store_update(struct db *db, int32_t tenant, const struct device_class *k)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	arg_class(&a, tenant, &k->vendor_id, &k->class_id);
	db_arg_text(&a, k->name);
	db_arg_i64(&a, k->confirm);
	db_arg_i64(&a, k->revision);
	enum rc rc = db_run_count(db, &stmts[UPDATE], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? RC_OK : RC_STALE;
}

enum rc class_store_sequence(struct db *db, int32_t tenant, const struct class_sequence *key,
			     int64_t *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_class(&a, tenant, &key->vendor_id, &key->class_id);
	enum rc rc = db_run(db, &stmts[HOLD], &a, NULL);
	if (rc != RC_OK)
		return rc;
	db_arg_text(&a, key->components);
	rc = db_run(db, &stmts[SEQUENCE], &a, &rows);
	if (rc == RC_OK)
		*ret = db_row_i64(rows, 0, "sequence");
	return rc;
}

enum rc class_store_raise_sequence(struct db *db, int32_t tenant,
				   const struct class_sequence *s)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	arg_class(&a, tenant, &s->vendor_id, &s->class_id);
	db_arg_text(&a, s->components);
	db_arg_i64(&a, s->sequence);
	enum rc rc = db_run_count(db, &stmts[RAISE_SEQUENCE], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? RC_OK : RC_CONFLICT;
}

/* The group without a digest comes first. */
static void read_digests(const struct db_rows *rows, struct arena *mem,
			 struct class_digests *ret)
{
	int n = db_rows_count(rows);
	int first = n > 0 && db_row_is_null(rows, 0, "digest") ? 1 : 0;

	*ret = (struct class_digests){
		.item = arena_array(mem, (size_t)n, sizeof(*ret->item)),
		.counted = n ? db_row_i64(rows, 0, "counted") : 0,
		.unknown = first ? db_row_i64(rows, 0, "devices") : 0,
	};
	for (int i = first; i < n && ret->count < CLASS_DIGESTS_MAX; i++)
		ret->item[ret->count++] = (struct class_digest){
			.digest = db_row_digest(rows, i, "digest"),
			.devices = db_row_i64(rows, i, "devices"),
		};
}

enum rc class_store_digests(struct db *db, int32_t tenant, const struct device_class *key,
			    const char *component, struct arena *mem, struct class_digests *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_class(&a, tenant, &key->vendor_id, &key->class_id);
	db_arg_text(&a, component);
	db_arg_i64(&a, CLASS_COUNTED_MAX);
	db_arg_i64(&a, CLASS_DIGESTS_MAX + 1);
	enum rc rc = db_run(db, &stmts[DIGESTS], &a, &rows);
	if (rc == RC_OK)
		read_digests(rows, mem, ret);
	return rc;
}
