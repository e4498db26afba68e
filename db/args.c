/* Parameters of a statement. */

#include "db/db.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static int take(struct db_args *a)
{
	assert(a->count < DB_ARGS_MAX);
	a->lengths[a->count] = 0;
	a->formats[a->count] = 0;
	return a->count++;
}

static void add_text(struct db_args *a, const char *text)
{
	a->values[take(a)] = text;
}

static void add_binary(struct db_args *a, const void *p, size_t n)
{
	int i = take(a);

	assert(n <= INT_MAX);
	a->values[i] = n ? p : "";
	a->lengths[i] = (int)n;
	a->formats[i] = 1;
}

void db_arg_i64(struct db_args *a, int64_t v)
{
	int i = take(a);

	snprintf(a->scratch[i], sizeof(a->scratch[i]), "%lld", (long long)v);
	a->values[i] = a->scratch[i];
}

void db_arg_bool(struct db_args *a, bool v)
{
	add_text(a, v ? "t" : "f");
}

void db_arg_text(struct db_args *a, const char *v)
{
	add_text(a, v);
}

void db_arg_bytes(struct db_args *a, struct bytes v)
{
	add_binary(a, v.p, v.n);
}

void db_arg_uuid(struct db_args *a, const struct uuid *v)
{
	if (!v) {
		db_arg_null(a);
		return;
	}
	int i = take(a);

	a->values[i] = uuid_format(v, a->scratch[i]);
}

void db_arg_digest(struct db_args *a, const struct digest *v)
{
	if (v)
		add_binary(a, v->b, sizeof(v->b));
	else
		db_arg_null(a);
}

void db_arg_null(struct db_args *a)
{
	add_text(a, NULL);
}

/* --- arrays, in PostgreSQL's binary form: what array_send() makes --- */

enum { OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25, OID_XID = 28, OID_UUID = 2950 };

struct array {
	uint8_t *p;
	size_t len;
};

static void put_u32(struct array *list, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		list->p[list->len++] = (uint8_t)(v >> shift);
}

/* bytes: what the items take, without their lengths.  An empty array has no dimension. */
static struct array array_begin(struct arena *mem, uint32_t oid, size_t n, size_t bytes)
{
	struct array list = { arena_alloc(mem, (n + 5) * 4 + bytes), 0 };

	put_u32(&list, n ? 1 : 0);
	put_u32(&list, 1); /* NULLs may come */
	put_u32(&list, oid);
	if (n) {
		put_u32(&list, (uint32_t)n);
		put_u32(&list, 1); /* lower bound */
	}
	return list;
}

static void array_item(struct array *list, const void *p, size_t n)
{
	put_u32(list, (uint32_t)n);
	if (n)
		memcpy(list->p + list->len, p, n);
	list->len += n;
}

static void array_null(struct array *list)
{
	put_u32(list, UINT32_MAX);
}

void db_arg_i64s(struct db_args *a, struct arena *mem, const int64_t *v, size_t n)
{
	struct array list = array_begin(mem, OID_INT8, n, n * sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		put_u32(&list, sizeof(*v));
		put_u32(&list, (uint32_t)((uint64_t)v[i] >> 32));
		put_u32(&list, (uint32_t)v[i]);
	}
	add_binary(a, list.p, list.len);
}

void db_arg_xids(struct db_args *a, struct arena *mem, const uint32_t *v, size_t n)
{
	struct array list = array_begin(mem, OID_XID, n, n * sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		put_u32(&list, sizeof(*v));
		put_u32(&list, v[i]);
	}
	add_binary(a, list.p, list.len);
}

void db_arg_uuids(struct db_args *a, struct arena *mem, const struct uuid *v, size_t n)
{
	struct array list = array_begin(mem, OID_UUID, n, n * sizeof(*v));

	for (size_t i = 0; i < n; i++)
		array_item(&list, v[i].b, sizeof(v[i].b));
	add_binary(a, list.p, list.len);
}

void db_arg_texts(struct db_args *a, struct arena *mem, const char *const *v, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += v[i] ? strlen(v[i]) : 0;
	struct array list = array_begin(mem, OID_TEXT, n, bytes);
	for (size_t i = 0; i < n; i++) {
		if (v[i])
			array_item(&list, v[i], strlen(v[i]));
		else
			array_null(&list);
	}
	add_binary(a, list.p, list.len);
}

void db_arg_byteas(struct db_args *a, struct arena *mem, const struct bytes *v, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += v[i].n;
	struct array list = array_begin(mem, OID_BYTEA, n, bytes);
	for (size_t i = 0; i < n; i++)
		array_item(&list, v[i].p, v[i].n);
	add_binary(a, list.p, list.len);
}
