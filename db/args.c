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

/* An array as text: {a,b}.  Each item brings its own writer; item_max bounds one. */
struct array {
	char *text;
	size_t len;
};

static struct array array_begin(struct arena *mem, size_t n, size_t item_max)
{
	struct array list = { arena_array(mem, n + 3, item_max + 1), 0 };

	list.text[list.len++] = '{';
	return list;
}

static void array_comma(struct array *list)
{
	if (list->len > 1)
		list->text[list->len++] = ',';
}

static void array_end(struct array *list, struct db_args *a)
{
	list->text[list->len] = '}';
	add_text(a, list->text);
}

void db_arg_i64s(struct db_args *a, struct arena *mem, const int64_t *v, size_t n)
{
	struct array list = array_begin(mem, n, 21);

	for (size_t i = 0; i < n; i++) {
		array_comma(&list);
		list.len += (size_t)snprintf(list.text + list.len, 22, "%lld", (long long)v[i]);
	}
	array_end(&list, a);
}

void db_arg_uuids(struct db_args *a, struct arena *mem, const struct uuid *v, size_t n)
{
	struct array list = array_begin(mem, n, UUID_TEXT_SIZE);

	for (size_t i = 0; i < n; i++) {
		array_comma(&list);
		uuid_format(&v[i], list.text + list.len);
		list.len += UUID_TEXT_SIZE - 1;
	}
	array_end(&list, a);
}

static void array_quote(struct array *list, const char *text)
{
	list->text[list->len++] = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			list->text[list->len++] = '\\';
		list->text[list->len++] = *text;
	}
	list->text[list->len++] = '"';
}

void db_arg_texts(struct db_args *a, struct arena *mem, const char *const *v, size_t n)
{
	size_t longest = 4;

	for (size_t i = 0; i < n; i++) {
		size_t len = v[i] ? strlen(v[i]) : 0;

		longest = len > longest ? len : longest;
	}
	struct array list = array_begin(mem, n, 2 * longest + 3);
	for (size_t i = 0; i < n; i++) {
		array_comma(&list);
		if (v[i]) {
			array_quote(&list, v[i]);
		} else {
			memcpy(list.text + list.len, "NULL", 4);
			list.len += 4;
		}
	}
	array_end(&list, a);
}
