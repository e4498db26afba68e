/* Devices, the operator's side.  A page is one query for the devices and one each for their
 * components, attributes and open jobs. */
#include "db/device_store.h"

#include "base/clean.h"
#include "base/hash.h"
#include "db/device_parts.h"

#include <string.h>

#define DEVICE_COLUMNS                                                                         \
	"d.device_id, d.endpoint, d.lifecycle, d.credential, d.vendor_id, d.class_id, "        \
	"d.boot_id, array_to_string(d.formats, ',') AS formats, d.only_encrypted, "            \
	"d.report_key, d.revision, d.created_at, d.registered_at, d.next_wake_at, s.seen_at, " \
	"c.name AS class_name "                                                                \
	"FROM device d "                                                                       \
	"LEFT JOIN device_seen s ON s.tenant_id = d.tenant_id AND s.device_id = d.device_id "  \
	"LEFT JOIN class c ON c.tenant_id = d.tenant_id AND c.vendor_id = d.vendor_id "        \
	"AND c.class_id = d.class_id "

enum {
	GET,
	LOCK,
	LIST,
	INSERT,
	CHANGE,
	SET_CREDENTIAL,
	REVOKE,
	DELETE,
	DELETE_COMPONENTS,
	DELETE_SEEN,
	DELETE_SESSION,
	DELETE_REPORTS,
};

static const struct db_stmt stmts[] = {
	[GET] = { "device_get",
		  "SELECT " DEVICE_COLUMNS "WHERE d.tenant_id = $1 AND d.device_id = $2" },
	[LOCK] = { "device_lock", "SELECT 1 FROM device WHERE tenant_id = $1 AND "
				  "device_id = $2 FOR UPDATE" },
	/* Names are ASCII and ordered by bytes, so a prefix is a range of the index. */
	[LIST] = { "device_list",
		   "SELECT " DEVICE_COLUMNS "WHERE d.tenant_id = $1 AND d.endpoint > $2 "
		   "AND d.endpoint >= $3 AND d.endpoint < $3 || chr(127) "
		   "AND ($4::uuid IS NULL OR d.class_id = $4) "
		   "AND d.attributes @> jsonb_object($5::text[], $6::text[]) "
		   "ORDER BY d.endpoint LIMIT $7" },
	[INSERT] = { "device_insert",
		     "INSERT INTO device (tenant_id, device_id, endpoint, hash, credential, "
		     "psk_sealed, certificate, attributes, created_at, report_key) "
		     "VALUES ($1, $2, $3, $4, $5, $6, $7, "
		     "jsonb_object($8::text[], $9::text[]), $10, $11) ON CONFLICT DO NOTHING" },
	[CHANGE] = { "device_change",
		     "UPDATE device SET attributes = (attributes - $4::text[]) || "
		     "jsonb_object($5::text[], $6::text[]), report_key = $7, "
		     "revision = revision + 1 WHERE tenant_id = $1 "
		     "AND device_id = $2 AND revision = $3" },
	[SET_CREDENTIAL] = { "device_set_credential",
			     "UPDATE device SET credential = $3, psk_sealed = $4, "
			     "certificate = $5, lifecycle = CASE WHEN lifecycle <> 2 THEN "
			     "lifecycle WHEN registered_at IS NULL THEN 0 ELSE 1 END, "
			     "revision = revision + 1 WHERE tenant_id = $1 AND device_id = "
			     "$2" },
	[REVOKE] = { "device_revoke",
		     "UPDATE device SET lifecycle = 2, credential = 0, psk_sealed = NULL, "
		     "certificate = NULL, revision = revision + 1 "
		     "WHERE tenant_id = $1 AND device_id = $2" },
	[DELETE] = { "device_delete", "DELETE FROM device WHERE tenant_id = $1 AND "
				      "device_id = $2 AND revision = $3" },
	[DELETE_COMPONENTS] = { "device_delete_components",
				"DELETE FROM component WHERE "
				"tenant_id = $1 AND device_id = $2" },
	[DELETE_SEEN] = { "device_delete_seen", "DELETE FROM device_seen WHERE "
						"tenant_id = $1 AND device_id = $2" },
	[DELETE_REPORTS] = { "device_delete_reports", "DELETE FROM job_report WHERE "
						      "tenant_id = $1 AND device_id = $2" },
	[DELETE_SESSION] = { "device_delete_session", "DELETE FROM device_session WHERE "
						      "tenant_id = $1 AND device_id = $2" },
};
DB_STMTS(stmts)

static void read_item(const struct db_rows *rows, int row, struct arena *mem,
		      struct device_item *ret)
{
	struct device *d = &ret->d;

	*ret = (struct device_item){ .next_wake_at = db_row_i64(rows, row, "next_wake_at"),
				     .class_name = db_row_text(rows, row, "class_name", mem) };
	if (ret->class_name && !*ret->class_name)
		ret->class_name = NULL;
	d->device_id = db_row_uuid(rows, row, "device_id");
	d->endpoint = db_row_text(rows, row, "endpoint", mem);
	d->vendor_id = db_row_uuid(rows, row, "vendor_id");
	d->class_id = db_row_uuid(rows, row, "class_id");
	d->lifecycle = (enum device_lifecycle)db_row_i64(rows, row, "lifecycle");
	d->credential = (enum credential_kind)db_row_i64(rows, row, "credential");
	d->boot_id = db_row_bytes(rows, row, "boot_id", mem);
	d->formats = db_row_text(rows, row, "formats", mem);
	d->only_encrypted = db_row_bool(rows, row, "only_encrypted");
	d->report_key = db_row_bytes(rows, row, "report_key", mem);
	d->revision = db_row_i64(rows, row, "revision");
	d->created_at = db_row_i64(rows, row, "created_at");
	d->registered_at = db_row_i64(rows, row, "registered_at");
	d->last_seen_at = db_row_i64(rows, row, "seen_at");
}

static enum rc read_items(struct db *db, int32_t tenant, const struct db_rows *rows,
			  struct arena *mem, struct device_page *ret)
{
	ret->count = db_rows_count(rows);
	ret->items = arena_array(mem, (size_t)ret->count, sizeof(*ret->items));
	for (int i = 0; i < ret->count; i++)
		read_item(rows, i, mem, &ret->items[i]);
	return device_parts_load(db, tenant, ret, mem);
}

static void arg_device(struct db_args *a, int32_t tenant, const struct uuid *device_id)
{
	db_arg_i64(a, tenant);
	db_arg_uuid(a, device_id);
}

enum rc device_store_get(struct db *db, int32_t tenant, const struct uuid *device_id,
			 struct arena *mem, struct device_item *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;
	struct device_page page;

	arg_device(&a, tenant, device_id);
	enum rc rc = db_run_one(db, &stmts[GET], &a, &rows);
	if (rc != RC_OK)
		return rc;
	rc = read_items(db, tenant, rows, mem, &page);
	if (rc == RC_OK)
		*ret = page.items[0];
	return rc;
}

enum rc device_store_lock(struct db *db, int32_t tenant, const struct uuid *device_id)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_device(&a, tenant, device_id);
	enum rc rc = db_run(db, &stmts[LOCK], &a, &rows);
	if (rc != RC_OK)
		return rc;
	return db_rows_count(rows) ? RC_OK : RC_NOT_FOUND;
}

static void arg_attributes(struct db_args *a, struct arena *mem, const struct attribute *list,
			   int count)
{
	const char **names = arena_array(mem, (size_t)count, sizeof(*names));
	const char **values = arena_array(mem, (size_t)count, sizeof(*values));

	for (int i = 0; i < count; i++) {
		names[i] = list[i].name;
		values[i] = list[i].value;
	}
	db_arg_texts(a, mem, names, (size_t)count);
	db_arg_texts(a, mem, values, (size_t)count);
}

enum rc device_store_list(struct db *db, int32_t tenant, const struct device_filter *f,
			  struct arena *mem, struct device_item **ret, int *ret_count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;
	struct device_page page;

	db_arg_i64(&a, tenant);
	db_arg_text(&a, f->after ? f->after : "");
	db_arg_text(&a, f->endpoint_prefix ? f->endpoint_prefix : "");
	if (f->has_class)
		db_arg_uuid(&a, &f->class_id);
	else
		db_arg_null(&a);
	arg_attributes(&a, mem, f->attributes, f->attribute_count);
	db_arg_i64(&a, f->limit);
	enum rc rc = db_run(db, &stmts[LIST], &a, &rows);
	if (rc == RC_OK)
		rc = read_items(db, tenant, rows, mem, &page);
	if (rc != RC_OK)
		return rc;
	*ret = page.items;
	*ret_count = page.count;
	return RC_OK;
}

static void arg_report_key(struct db_args *a, const struct device *d)
{
	if (d->report_key.n)
		db_arg_bytes(a, d->report_key);
	else
		db_arg_null(a);
}

static void arg_credential(struct db_args *a, const struct device_credential *c)
{
	db_arg_i64(a, c->kind);
	if (c->kind == CREDENTIAL_PSK)
		db_arg_bytes(a, c->psk_sealed);
	else
		db_arg_null(a);
	db_arg_digest(a, c->kind == CREDENTIAL_CERT ? &c->certificate : NULL);
}

enum rc device_store_insert(struct db *db, int32_t tenant, const struct device *d,
			    const struct device_credential *c, struct arena *mem)
{
	struct db_args a = { 0 };
	int64_t n = 0;

	arg_device(&a, tenant, &d->device_id);
	db_arg_text(&a, d->endpoint);
	db_arg_i64(&a, bucket_device_hash(&d->device_id));
	arg_credential(&a, c);
	arg_attributes(&a, mem, d->attributes, d->attribute_count);
	db_arg_i64(&a, d->created_at);
	arg_report_key(&a, d);
	enum rc rc = db_run_count(db, &stmts[INSERT], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? RC_OK : RC_CONFLICT;
}

enum rc device_store_change(struct db *db, int32_t tenant, const struct device *d,
			    const struct attribute_change *changes, int count,
			    struct arena *mem)
{
	struct db_args a = { 0 };
	const char **gone = arena_array(mem, (size_t)count, sizeof(*gone));
	struct attribute *set = arena_array(mem, (size_t)count, sizeof(*set));
	int gone_count = 0, set_count = 0;
	int64_t n = 0;

	for (int i = 0; i < count; i++)
		if (changes[i].value)
			set[set_count++] =
				(struct attribute){ changes[i].name, changes[i].value };
		else
			gone[gone_count++] = changes[i].name;
	arg_device(&a, tenant, &d->device_id);
	db_arg_i64(&a, d->revision);
	db_arg_texts(&a, mem, gone, (size_t)gone_count);
	arg_attributes(&a, mem, set, set_count);
	arg_report_key(&a, d);
	enum rc rc = db_run_count(db, &stmts[CHANGE], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n ? RC_OK : RC_STALE;
}

enum rc device_store_set_credential(struct db *db, int32_t tenant, const struct uuid *device_id,
				    const struct device_credential *c)
{
	struct db_args a = { 0 };

	arg_device(&a, tenant, device_id);
	arg_credential(&a, c);
	return db_run(db, &stmts[SET_CREDENTIAL], &a, NULL);
}

enum rc device_store_revoke(struct db *db, int32_t tenant, const struct uuid *device_id)
{
	struct db_args a = { 0 };

	arg_device(&a, tenant, device_id);
	return db_run(db, &stmts[REVOKE], &a, NULL);
}

enum rc device_store_delete(struct db *db, int32_t tenant, const struct uuid *device_id,
			    int64_t revision)
{
	struct db_args whole = { 0 }, parts = { 0 };
	int64_t n = 0;

	arg_device(&parts, tenant, device_id);
	arg_device(&whole, tenant, device_id);
	db_arg_i64(&whole, revision);
	enum rc rc = db_run_count(db, &stmts[DELETE], &whole, &n);
	if (rc != RC_OK)
		return rc;
	if (!n)
		return RC_STALE;
	for (int i = DELETE_COMPONENTS; rc == RC_OK && i <= DELETE_REPORTS; i++)
		rc = db_run(db, &stmts[i], &parts, NULL);
	return rc;
}
