/* Registrations, many at once.  Attributes are merged: what the device says replaces what had
 * the same name, labels by operators stay. */

#include "db/registration_store.h"

#include "base/clean.h"
#include "db/member_store.h"

#include <stdio.h>
#include <string.h>

#define DEVICE_COLUMNS                                                                         \
	"lifecycle, vendor_id, class_id, boot_id, registration, max_envelope, max_image, "     \
	"array_to_string(formats, ',') AS formats, only_encrypted"
#define DEVICE_WHERE "FROM device WHERE tenant_id = $1 AND device_id = $2"

/* What a device says of its attributes comes as names and values in turns: neither can hold
 * what is between them. */
#define BETWEEN         "\x1f"
#define SAID_ATTRIBUTES "jsonb_object(string_to_array(u.attributes, chr(31)))"

enum { LOCK, LOCK_LOOKING, GET, COMPONENTS, PUT, PUT_COMPONENTS, DROP_COMPONENTS };

static const struct db_stmt stmts[] = {
	/* Everybody who locks several does so in this order. */
	[LOCK] = { "registration_lock",
		   "SELECT u.place, " DEVICE_COLUMNS
		   " FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, place) "
		   "JOIN device d ON d.tenant_id = $1 AND d.device_id = u.id "
		   "ORDER BY d.device_id FOR NO KEY UPDATE OF d" },
	[LOCK_LOOKING] = { "registration_lock_looking",
			   "SELECT " DEVICE_COLUMNS ", pg_advisory_xact_lock_shared" MEMBER_LOCK
			   " " DEVICE_WHERE " FOR NO KEY UPDATE OF device" },
	[GET] = { "registration_get", "SELECT " DEVICE_COLUMNS " " DEVICE_WHERE },
	[COMPONENTS] = { "registration_components",
			 "SELECT name, digest, version FROM component "
			 "WHERE tenant_id = $1 AND device_id = $2 ORDER BY name" },
	[PUT] = { "registration_put",
		  "UPDATE device d SET vendor_id = u.vendor_id, class_id = u.class_id, "
		  "boot_id = u.boot_id, registration = u.registration, "
		  "max_envelope = u.max_envelope, max_image = u.max_image, "
		  "block_size = u.block_size, next_wake_at = nullif(u.next_wake_at, 0), "
		  "lifecycle = 1, formats = string_to_array(u.formats, ','), "
		  "only_encrypted = u.only_encrypted <> 0, "
		  "attributes = d.attributes || " SAID_ATTRIBUTES ", "
		  "registered_at = coalesce(d.registered_at, u.at), revision = d.revision + 1 "
		  "FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bytea[], $6::bytea[], "
		  "$7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], "
		  "$12::bigint[], $13::text[], $14::text[]) WITH ORDINALITY "
		  "AS u (device_id, vendor_id, class_id, boot_id, registration, max_envelope, "
		  "max_image, block_size, next_wake_at, only_encrypted, at, formats, "
		  "attributes, place) WHERE d.tenant_id = $1 AND d.device_id = u.device_id "
		  "AND d.lifecycle <> 2 AND (SELECT count(*) FROM jsonb_object_keys("
		  "d.attributes || " SAID_ATTRIBUTES ")) <= $15 RETURNING u.place" },
	[PUT_COMPONENTS] = { "registration_put_components",
			     "INSERT INTO component (tenant_id, device_id, name, digest, "
			     "version, version_key, updated_at) "
			     "SELECT $1::integer, device_id, name, decode(digest, 'hex'), "
			     "version, decode(version_key, 'hex'), at "
			     "FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], "
			     "$6::text[], $7::bigint[]) "
			     "AS u (device_id, name, digest, version, version_key, at) "
			     "ORDER BY device_id, name "
			     "ON CONFLICT (tenant_id, device_id, name) DO UPDATE "
			     "SET digest = EXCLUDED.digest, version = EXCLUDED.version, "
			     "version_key = EXCLUDED.version_key, "
			     "updated_at = EXCLUDED.updated_at "
			     "WHERE (component.digest, component.version) IS DISTINCT FROM "
			     "(EXCLUDED.digest, EXCLUDED.version)" },
	[DROP_COMPONENTS] = { "registration_drop_components",
			      "DELETE FROM component k USING unnest($2::uuid[], $3::text[]) "
			      "AS u (device_id, names) WHERE k.tenant_id = $1 "
			      "AND k.device_id = u.device_id "
			      "AND k.name <> ALL(string_to_array(u.names, ','))" },
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

static struct device_row read_device(const struct db_rows *rows, int i, struct arena *mem,
				     const struct uuid *device_id)
{
	return (struct device_row){
		.device_id = *device_id,
		.lifecycle = (enum device_lifecycle)db_row_i64(rows, i, "lifecycle"),
		.vendor_id = db_row_uuid(rows, i, "vendor_id"),
		.class_id = db_row_uuid(rows, i, "class_id"),
		.boot_id = db_row_bytes(rows, i, "boot_id", mem),
		.registration = db_row_digest(rows, i, "registration"),
		.max_envelope = db_row_i64(rows, i, "max_envelope"),
		.max_image = db_row_i64(rows, i, "max_image"),
		.formats = db_row_text(rows, i, "formats", mem),
		.only_encrypted = db_row_bool(rows, i, "only_encrypted"),
	};
}

static enum rc get(struct db *db, int statement, int32_t tenant, const struct uuid *device_id,
		   struct arena *mem, struct device_row *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	arg_device(&a, tenant, device_id);
	enum rc rc = db_run_one(db, &stmts[statement], &a, &rows);
	if (rc != RC_OK)
		return rc;
	*ret = read_device(rows, 0, mem, device_id);
	return read_components(db, tenant, mem, ret);
}

enum rc registration_store_lock(struct db *db, int32_t tenant, struct arena *mem,
				const struct uuid *device_ids, size_t count,
				struct device_row *ret)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	for (size_t i = 0; i < count; i++)
		ret[i] = (struct device_row){ 0 };
	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, device_ids, count);
	enum rc rc = db_run(db, &stmts[LOCK], &a, &rows);
	for (int i = 0; rc == RC_OK && i < db_rows_count(rows); i++) {
		size_t place = (size_t)db_row_i64(rows, i, "place") - 1;
		ret[place] = read_device(rows, i, mem, &device_ids[place]);
	}
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

/* --- storing many --- */

/* The columns of [PUT] that are numbers, in its order. */
#define PUT_NUMBERS 6

static void put_numbers(const struct registration_put *in, int64_t ret[PUT_NUMBERS])
{
	const struct registration *r = in->registration;
	const int64_t numbers[PUT_NUMBERS] = {
		r->max_envelope,
		r->max_image,
		r->block_size,
		r->next_wake_s < 0 ? 0 : in->now + r->next_wake_s * INT64_C(1000000),
		r->only_encrypted,
		in->now,
	};

	memcpy(ret, numbers, sizeof(numbers));
}

static const char *joined(struct arena *mem, const char *const *texts, size_t n,
			  const char *between)
{
	size_t size = 1, at = 0;

	for (size_t i = 0; i < n; i++)
		size += strlen(texts[i]) + 1;
	char *text = arena_alloc(mem, size);
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? between : "",
				       texts[i]);
	return text;
}

static const char *joined_attributes(struct arena *mem, const struct registration *r)
{
	const char *texts[2 * ATTRIBUTES_MAX];
	size_t n = 0;

	for (int i = 0; i < r->attribute_count; i++) {
		texts[n++] = r->attributes[i].name;
		texts[n++] = r->attributes[i].value;
	}
	return joined(mem, texts, n, BETWEEN);
}

static void arg_ids(struct db_args *a, struct arena *mem, const struct registration_put *puts,
		    size_t count)
{
	struct uuid *devices = arena_array(mem, count, sizeof(*devices));
	struct uuid *vendors = arena_array(mem, count, sizeof(*vendors));
	struct uuid *classes = arena_array(mem, count, sizeof(*classes));

	for (size_t i = 0; i < count; i++) {
		devices[i] = *puts[i].device_id;
		vendors[i] = puts[i].registration->vendor_id;
		classes[i] = puts[i].registration->class_id;
	}
	db_arg_uuids(a, mem, devices, count);
	db_arg_uuids(a, mem, vendors, count);
	db_arg_uuids(a, mem, classes, count);
}

static void arg_bytes(struct db_args *a, struct arena *mem, const struct registration_put *puts,
		      size_t count)
{
	struct bytes *boots = arena_array(mem, count, sizeof(*boots));
	struct bytes *digests = arena_array(mem, count, sizeof(*digests));

	for (size_t i = 0; i < count; i++) {
		boots[i] = puts[i].registration->boot_id;
		digests[i] = (struct bytes){ puts[i].digest->b, sizeof(puts[i].digest->b) };
	}
	db_arg_byteas(a, mem, boots, count);
	db_arg_byteas(a, mem, digests, count);
}

static void arg_numbers(struct db_args *a, struct arena *mem,
			const struct registration_put *puts, size_t count)
{
	int64_t *columns[PUT_NUMBERS], row[PUT_NUMBERS];

	for (int k = 0; k < PUT_NUMBERS; k++)
		columns[k] = arena_array(mem, count, sizeof(*columns[k]));
	for (size_t i = 0; i < count; i++) {
		put_numbers(&puts[i], row);
		for (int k = 0; k < PUT_NUMBERS; k++)
			columns[k][i] = row[k];
	}
	for (int k = 0; k < PUT_NUMBERS; k++)
		db_arg_i64s(a, mem, columns[k], count);
}

static void arg_lists(struct db_args *a, struct arena *mem, const struct registration_put *puts,
		      size_t count)
{
	const char **formats = arena_array(mem, count, sizeof(*formats));
	const char **attributes = arena_array(mem, count, sizeof(*attributes));

	for (size_t i = 0; i < count; i++) {
		const struct registration *r = puts[i].registration;
		formats[i] = joined(mem, r->formats, (size_t)r->format_count, ",");
		attributes[i] = joined_attributes(mem, r);
	}
	db_arg_texts(a, mem, formats, count);
	db_arg_texts(a, mem, attributes, count);
}

static enum rc put_devices(struct db *db, int32_t tenant, struct arena *mem,
			   struct registration_put *puts, size_t count)
{
	struct db_args a = { 0 };
	CLEAN(rows) struct db_rows *rows = NULL;

	db_arg_i64(&a, tenant);
	arg_ids(&a, mem, puts, count);
	arg_bytes(&a, mem, puts, count);
	arg_numbers(&a, mem, puts, count);
	arg_lists(&a, mem, puts, count);
	db_arg_i64(&a, 2 * ATTRIBUTES_MAX);
	enum rc rc = db_run(db, &stmts[PUT], &a, &rows);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		puts[i].stored = false;
	for (int i = 0; i < db_rows_count(rows); i++)
		puts[db_row_i64(rows, i, "place") - 1].stored = true;
	return RC_OK;
}

/* The columns of [PUT_COMPONENTS] that are texts, in its order. */
enum { NAME, DIGEST, VERSION, VERSION_KEY, COMPONENT_TEXTS };

struct component_columns {
	struct uuid *devices;
	const char **texts[COMPONENT_TEXTS];
	int64_t *at;
	size_t count;
};

static void add_component(struct component_columns *to, struct arena *mem,
			  const struct registration_put *in, int i)
{
	const struct component *k = &in->registration->components[i];
	struct bytes digest = { k->digest.b, sizeof(k->digest.b) };
	struct bytes key = in->version_keys[i];
	size_t at = to->count++;

	to->devices[at] = *in->device_id;
	to->texts[NAME][at] = k->name;
	to->texts[DIGEST][at] = k->has_digest ? hex_encode(mem, digest) : NULL;
	to->texts[VERSION][at] = k->version;
	to->texts[VERSION_KEY][at] = key.n ? hex_encode(mem, key) : NULL;
	to->at[at] = in->now;
}

static struct component_columns components_of(struct arena *mem,
					      const struct registration_put *puts, size_t count)
{
	size_t most = count * COMPONENTS_MAX;
	struct component_columns c = { .devices = arena_array(mem, most, sizeof(*c.devices)),
				       .at = arena_array(mem, most, sizeof(*c.at)) };

	for (int k = 0; k < COMPONENT_TEXTS; k++)
		c.texts[k] = arena_array(mem, most, sizeof(*c.texts[k]));
	for (size_t i = 0; i < count; i++)
		for (int k = 0; puts[i].stored && k < puts[i].registration->component_count;
		     k++)
			add_component(&c, mem, &puts[i], k);
	return c;
}

static enum rc put_components(struct db *db, int32_t tenant, struct arena *mem,
			      const struct registration_put *puts, size_t count)
{
	struct component_columns c = components_of(mem, puts, count);
	struct db_args a = { 0 };

	if (!c.count)
		return RC_OK;
	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, c.devices, c.count);
	for (int k = 0; k < COMPONENT_TEXTS; k++)
		db_arg_texts(&a, mem, c.texts[k], c.count);
	db_arg_i64s(&a, mem, c.at, c.count);
	return db_run(db, &stmts[PUT_COMPONENTS], &a, NULL);
}

/* Components that the devices do not name any more; a name has no comma. */
static enum rc drop_components(struct db *db, int32_t tenant, struct arena *mem,
			       const struct registration_put *puts, size_t count)
{
	struct uuid *devices = arena_array(mem, count, sizeof(*devices));
	const char **names = arena_array(mem, count, sizeof(*names));
	struct db_args a = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct registration *r = puts[i].registration;
		const char *its[COMPONENTS_MAX];
		for (int k = 0; k < r->component_count; k++)
			its[k] = r->components[k].name;
		if (!puts[i].stored)
			continue;
		devices[n] = *puts[i].device_id;
		names[n++] = joined(mem, its, (size_t)r->component_count, ",");
	}
	db_arg_i64(&a, tenant);
	db_arg_uuids(&a, mem, devices, n);
	db_arg_texts(&a, mem, names, n);
	return n ? db_run(db, &stmts[DROP_COMPONENTS], &a, NULL) : RC_OK;
}

enum rc registration_store_put(struct db *db, int32_t tenant, struct arena *mem,
			       struct registration_put *puts, size_t count)
{
	enum rc rc = put_devices(db, tenant, mem, puts, count);

	if (rc == RC_OK)
		rc = put_components(db, tenant, mem, puts, count);
	return rc == RC_OK ? drop_components(db, tenant, mem, puts, count) : rc;
}
