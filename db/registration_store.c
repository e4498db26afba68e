/* Registrations.  Attributes are merged: what the device says replaces what had the same name,
 * labels by operators stay. */

#include "db/registration_store.h"

#include "base/clean.h"
#include "db/member_store.h"

#include <string.h>

#define DEVICE_SELECT                                                                          \
	"SELECT lifecycle, vendor_id, class_id, boot_id, registration, max_envelope, "         \
	"max_image, array_to_string(formats, ',') AS formats, only_encrypted FROM device "
#define DEVICE_WHERE "WHERE tenant_id = $1 AND device_id = $2"

enum { LOCK, LOCK_LOOKING, GET, COMPONENTS, PUT, PUT_COMPONENTS, DROP_COMPONENTS };

static const struct db_stmt stmts[] = {
	[LOCK] = { "registration_lock", DEVICE_SELECT DEVICE_WHERE " FOR NO KEY UPDATE" },
	[LOCK_LOOKING] = { "registration_lock_looking",
			   DEVICE_SELECT ", pg_advisory_xact_lock_shared" MEMBER_LOCK
					 " " DEVICE_WHERE " FOR NO KEY UPDATE OF device" },
	[GET] = { "registration_get", DEVICE_SELECT DEVICE_WHERE },
	[COMPONENTS] = { "registration_components",
			 "SELECT name, digest, version FROM component "
			 "WHERE tenant_id = $1 AND device_id = $2 ORDER BY name" },
	[PUT] = { "registration_put",
		  "UPDATE device SET vendor_id = $3, class_id = $4, boot_id = $5, "
		  "registration = $6, max_envelope = $7, max_image = $8, block_size = $9, "
		  "next_wake_at = $10, lifecycle = 1, "
		  "formats = $15::text[], only_encrypted = $16, "
		  "attributes = attributes || jsonb_object($11::text[], $12::text[]), "
		  "registered_at = coalesce(registered_at, $13), revision = revision + 1 "
		  "WHERE tenant_id = $1 AND device_id = $2 AND lifecycle <> 2 "
		  "AND (SELECT count(*) FROM jsonb_object_keys(attributes || "
		  "jsonb_object($11::text[], $12::text[]))) <= $14" },
	[PUT_COMPONENTS] = { "registration_put_components",
			     "INSERT INTO component (tenant_id, device_id, name, digest, "
			     "version, "
			     "version_key, updated_at) "
			     "SELECT $1::integer, $2::uuid, name, decode(digest, 'hex'), "
			     "version, "
			     "decode(version_key, 'hex'), $7::bigint "
			     "FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) "
			     "AS u (name, digest, version, version_key) ORDER BY name "
			     "ON CONFLICT (tenant_id, device_id, name) DO UPDATE "
			     "SET digest = EXCLUDED.digest, version = EXCLUDED.version, "
			     "version_key = EXCLUDED.version_key, "
			     "updated_at = EXCLUDED.updated_at "
			     "WHERE (component.digest, component.version) IS DISTINCT FROM "
			     "(EXCLUDED.digest, EXCLUDED.version)" },
	[DROP_COMPONENTS] = { "registration_drop_components",
			      "DELETE FROM component WHERE tenant_id = $1 AND device_id = $2 "
			      "AND name <> ALL($3::text[])" },
};
DB_STMTS(stmts)

static void arg_device(struct db_args *a, int32_t tenant, const struct uuid *device_id)
{
	db_arg_i64(a, tenant);
	db_arg_uuid(a, device_id);
}

static enum rc read_components(struct db *db, int32_t tenant, struct arena *mem,
			       struct device_row *row)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_device(&a, tenant, &row->device_id);
	enum rc rc = db_run(db, &stmts[COMPONENTS], &a, &rows);
	if (rc != RC_OK)
		return rc;
	row->component_count = db_rows_count(rows);
	row->components =
		arena_array(mem, (size_t)row->component_count + 1, sizeof(*row->components));
	for (int i = 0; i < row->component_count; i++)
		row->components[i] = (struct component){
			.name = db_row_text(rows, i, "name", mem),
			.has_digest = !db_row_is_null(rows, i, "digest"),
			.digest = db_row_digest(rows, i, "digest"),
			.version = db_row_text(rows, i, "version", mem),
		};
	return RC_OK;
}

static enum rc read_device(struct db *db, int statement, const struct db_args *a,
			   struct arena *mem, struct device_row *ret)
{
	CLEAN(rows) struct db_rows *rows = NULL;

	enum rc rc = db_run_one(db, &stmts[statement], a, &rows);
	if (rc != RC_OK)
		return rc;
	*ret = (struct device_row){
		.lifecycle = (enum device_lifecycle)db_row_i64(rows, 0, "lifecycle"),
		.vendor_id = db_row_uuid(rows, 0, "vendor_id"),
		.class_id = db_row_uuid(rows, 0, "class_id"),
		.boot_id = db_row_bytes(rows, 0, "boot_id", mem),
		.registration = db_row_digest(rows, 0, "registration"),
		.max_envelope = db_row_i64(rows, 0, "max_envelope"),
		.max_image = db_row_i64(rows, 0, "max_image"),
		.formats = db_row_text(rows, 0, "formats", mem),
		.only_encrypted = db_row_bool(rows, 0, "only_encrypted"),
	};
	return RC_OK;
}

static enum rc get(struct db *db, int statement, int32_t tenant, const struct uuid *device_id,
		   struct arena *mem, struct device_row *ret)
{
	struct db_args a = { 0 };

	arg_device(&a, tenant, device_id);
	enum rc rc = read_device(db, statement, &a, mem, ret);
	ret->device_id = *device_id;
	return rc == RC_OK ? read_components(db, tenant, mem, ret) : rc;
}

enum rc registration_store_lock(struct db *db, int32_t tenant, const struct uuid *device_id,
				struct arena *mem, struct device_row *ret)
{
	struct db_args a = { 0 };

	arg_device(&a, tenant, device_id);
	enum rc rc = read_device(db, LOCK, &a, mem, ret);
	ret->device_id = *device_id;
	return rc;
}

enum rc registration_store_lock_looking(struct db *db, int32_t tenant,
					const struct uuid *device_id, struct arena *mem,
					struct device_row *ret)
{
	return get(db, LOCK_LOOKING, tenant, device_id, mem, ret);
}

enum rc registration_store_get(struct db *db, int32_t tenant, const struct uuid *device_id,
			       struct arena *mem, struct device_row *ret)
{
	return get(db, GET, tenant, device_id, mem, ret);
}

static void arg_attributes(struct db_args *a, struct arena *mem, const struct registration *r)
{
	size_t n = (size_t)r->attribute_count;
	const char **names = arena_array(mem, n + 1, sizeof(*names));
	const char **values = arena_array(mem, n + 1, sizeof(*values));

	for (size_t i = 0; i < n; i++) {
		names[i] = r->attributes[i].name;
		values[i] = r->attributes[i].value;
	}
	db_arg_texts(a, mem, names, n);
	db_arg_texts(a, mem, values, n);
}

static enum rc put_device(struct db *db, int32_t tenant, struct arena *mem,
			  const struct registration_put *in)
{
	const struct registration *r = in->registration;
	struct db_args a = { 0 };
	int64_t n;

	arg_device(&a, tenant, in->device_id);
	db_arg_uuid(&a, &r->vendor_id);
	db_arg_uuid(&a, &r->class_id);
	db_arg_bytes(&a, r->boot_id);
	db_arg_digest(&a, in->digest);
	db_arg_i64(&a, r->max_envelope);
	db_arg_i64(&a, r->max_image);
	db_arg_i64(&a, r->block_size);
	if (r->next_wake_s < 0)
		db_arg_null(&a);
	else
		db_arg_i64(&a, in->now + r->next_wake_s * INT64_C(1000000));
	arg_attributes(&a, mem, r);
	db_arg_i64(&a, in->now);
	db_arg_i64(&a, 2 * ATTRIBUTES_MAX);
	db_arg_texts(&a, mem, r->formats, (size_t)r->format_count);
	db_arg_bool(&a, r->only_encrypted);
	enum rc rc = db_run_count(db, &stmts[PUT], &a, &n);
	if (rc != RC_OK)
		return rc;
	return n == 1 ? RC_OK : RC_UNPROCESSABLE;
}

static enum rc put_components(struct db *db, int32_t tenant, struct arena *mem,
			      const struct registration_put *in)
{
	const struct registration *r = in->registration;
	const char *columns[4][COMPONENTS_MAX];
	struct db_args put = { 0 }, drop = { 0 };
	size_t n = (size_t)r->component_count;

	for (size_t i = 0; i < n; i++) {
		const struct component *k = &r->components[i];
		struct bytes digest = { k->digest.b, sizeof(k->digest.b) };
		columns[0][i] = k->name;
		columns[1][i] = k->has_digest ? hex_encode(mem, digest) : NULL;
		columns[2][i] = k->version;
		columns[3][i] =
			in->version_keys[i].n ? hex_encode(mem, in->version_keys[i]) : NULL;
	}
	arg_device(&put, tenant, in->device_id);
	for (int i = 0; i < 4; i++)
		db_arg_texts(&put, mem, columns[i], n);
	db_arg_i64(&put, in->now);
	enum rc rc = db_run(db, &stmts[PUT_COMPONENTS], &put, NULL);
	if (rc != RC_OK)
		return rc;
	arg_device(&drop, tenant, in->device_id);
	db_arg_texts(&drop, mem, columns[0], n);
	return db_run(db, &stmts[DROP_COMPONENTS], &drop, NULL);
}

enum rc registration_store_put(struct db *db, int32_t tenant, struct arena *mem,
			       const struct registration_put *in)
{
	enum rc rc = put_device(db, tenant, mem, in);

	return rc == RC_OK ? put_components(db, tenant, mem, in) : rc;
}
