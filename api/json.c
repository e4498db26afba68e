/* Reading JSON strictly: see api/json.h.  The tree is jansson's; what leaves it is copied into
 * the call's arena, so the tree can go when the handler has read it. */

#include "api/json.h"

#include <stdlib.h>
#include <string.h>

void js_start(void)
{
	json_set_alloc_funcs(memory_library_alloc, free);
}

/* jansson stops at a fixed depth of 2048; ours is checked on the tree. */
static bool depth_fits(const json_t *v, int left)
{
	size_t i;
	json_t *item;
	const char *key;

	if (!json_is_object(v) && !json_is_array(v))
		return true;
	if (left == 0)
		return false;
	json_array_foreach(v, i, item) if (!depth_fits(item, left - 1)) return false;
	json_object_foreach((json_t *)(uintptr_t)v, key,
			    item) if (!depth_fits(item, left - 1)) return false;
	return true;
}

enum rc js_open(struct call *c, const struct req *req, struct js *ret)
{
	json_error_t error;

	*ret = (struct js){ .c = c, .pointer = "" };
	if (req->body.n == 0) {
		ret->object = ret->root = json_object();
		return RC_OK;
	}
	if (req->format != FORMAT_JSON)
		return call_fail(c, ERR_MEDIA_TYPE, "send application/json");
	ret->root = json_loadb((const char *)req->body.p, req->body.n, JSON_REJECT_DUPLICATES,
			       &error);
	if (!ret->root)
		return call_fail(c, ERR_BAD_REQUEST, "the body is no JSON: line %d, column %d",
				 error.line, error.column);
	if (!json_is_object(ret->root))
		return call_fail(c, ERR_BAD_REQUEST, "the body is no JSON object");
	if (!depth_fits(ret->root, JS_DEPTH_MAX))
		return call_fail(c, ERR_BAD_REQUEST, "the body is nested too deeply");
	ret->object = ret->root;
	return RC_OK;
}

void js_close(struct js *in)
{
	json_decref(in->root);
	in->root = NULL;
	in->object = NULL;
}

/* RFC 6901: '~' and '/' in a name are written ~0 and ~1. */
static const char *pointer_to(struct js *in, const char *name)
{
	size_t n = strlen(in->pointer);
	char *out = arena_alloc(in->c->mem, n + 2 * strlen(name) + 2);

	memcpy(out, in->pointer, n);
	out[n++] = '/';
	for (const char *p = name; *p; p++) {
		if (*p == '~' || *p == '/') {
			out[n++] = '~';
			out[n++] = *p == '~' ? '0' : '1';
		} else {
			out[n++] = *p;
		}
	}
	return out;
}

enum rc js_wrong(struct js *in, const char *name, const char *why)
{
	return call_field(in->c, pointer_to(in, name), "%s", why);
}

static bool was_asked(const struct js *in, const char *name)
{
	for (int i = 0; i < in->name_count; i++)
		if (strcmp(in->names[i], name) == 0)
			return true;
	return false;
}

enum rc js_done(struct js *in)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)in->object, name,
			    value) if (!was_asked(in, name))
		js_wrong(in, text_is_clean(bytes_of(name)) && strlen(name) < 128 ? name : "?",
			 "there is no such member");
	return in->c->fields ? err_rc(ERR_VALIDATION) : RC_OK;
}

/* The member, or NULL when it is absent or null; notes a required one that is missing. */
static const json_t *member(struct js *in, const char *name, enum js_need need)
{
	const json_t *v = json_object_get(in->object, name);

	if (!was_asked(in, name) && in->name_count < JS_MEMBERS_MAX)
		in->names[in->name_count++] = name;
	if (json_is_null(v))
		v = NULL;
	if (!v && need == JS_REQUIRED)
		js_wrong(in, name, "is required");
	return v;
}

bool js_has(const struct js *in, const char *name)
{
	const json_t *v = json_object_get(in->object, name);

	return v && !json_is_null(v);
}

bool js_is_null(const struct js *in, const char *name)
{
	return json_is_null(json_object_get(in->object, name));
}

/* Clean but for newlines and tabs: each stretch between them is clean. */
static bool lines_are_clean(struct bytes b)
{
	size_t begin = 0;

	for (size_t i = 0; i <= b.n; i++) {
		if (i < b.n && b.p[i] != '\n' && b.p[i] != '\r' && b.p[i] != '\t')
			continue;
		if (!text_is_clean((struct bytes){ b.p + begin, i - begin }))
			return false;
		begin = i + 1;
	}
	return true;
}

struct text_rule {
	size_t min, max; /* bytes */
	bool lines;
};

/* Checks a text value; where is its JSON pointer. */
static const char *checked_text(struct call *c, const char *where, const json_t *v,
				const struct text_rule *rule)
{
	if (!json_is_string(v)) {
		(void)call_field(c, where, "must be a text");
		return NULL;
	}
	const char *text = json_string_value(v);
	size_t n = json_string_length(v);
	if (n < rule->min || n > rule->max) {
		(void)call_field(c, where, "must have %zu to %zu bytes", rule->min, rule->max);
		return NULL;
	}
	struct bytes b = { (const uint8_t *)text, n };
	if (!(rule->lines ? lines_are_clean(b) : text_is_clean(b))) {
		(void)call_field(c, where, "must not hold control characters");
		return NULL;
	}
	return arena_text(c->mem, text);
}

const char *js_text(struct js *in, const char *name, enum js_need need, size_t min, size_t max)
{
	const json_t *v = member(in, name, need);

	struct text_rule rule = { min, max, false };
	return v ? checked_text(in->c, pointer_to(in, name), v, &rule) : NULL;
}

const char *js_lines(struct js *in, const char *name, enum js_need need, size_t min, size_t max)
{
	const json_t *v = member(in, name, need);

	struct text_rule rule = { min, max, true };
	return v ? checked_text(in->c, pointer_to(in, name), v, &rule) : NULL;
}

int64_t js_i64(struct js *in, const char *name, int64_t absent, int64_t min, int64_t max)
{
	const json_t *v = member(in, name, JS_OPTIONAL);

	if (!v)
		return absent;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
		(void)call_field(in->c, pointer_to(in, name),
				 "must be a whole number from %lld to %lld", (long long)min,
				 (long long)max);
		return absent;
	}
	return json_integer_value(v);
}

int64_t js_fixed(struct js *in, const char *name, int digits, int64_t absent, int64_t max)
{
	const json_t *v = member(in, name, JS_OPTIONAL);
	double scale = 1;

	if (!v)
		return absent;
	for (int i = 0; i < digits; i++)
		scale *= 10;
	double d = json_is_number(v) ? json_number_value(v) * scale : -1;
	bool fits = d >= 0 && d <= (double)max;
	int64_t whole = fits ? (int64_t)(d + 0.5) : 0;
	double off = d - (double)whole;
	if (!fits || off > 1e-6 || off < -1e-6) {
		(void)call_field(in->c, pointer_to(in, name),
				 "must be a number from 0 to %g with at most %d decimals",
				 (double)max / scale, digits);
		return absent;
	}
	return whole;
}

bool js_bool(struct js *in, const char *name, bool absent)
{
	const json_t *v = member(in, name, JS_OPTIONAL);

	if (v && !json_is_boolean(v)) {
		js_wrong(in, name, "must be true or false");
		return absent;
	}
	return v ? json_is_true(v) : absent;
}

bool js_uuid(struct js *in, const char *name, enum js_need need, struct uuid *ret)
{
	const json_t *v = member(in, name, need);

	if (!v)
		return false;
	if (json_is_string(v) && uuid_parse(json_string_value(v), ret) == RC_OK)
		return true;
	js_wrong(in, name, "must be a UUID");
	return false;
}

bool js_digest(struct js *in, const char *name, enum js_need need, struct digest *ret)
{
	const json_t *v = member(in, name, need);

	if (!v)
		return false;
	if (json_is_string(v) && digest_parse(json_string_value(v), ret) == RC_OK)
		return true;
	js_wrong(in, name, "must be 64 hexadecimal digits");
	return false;
}

struct bytes js_base64(struct js *in, const char *name, enum js_need need, size_t min,
		       size_t max)
{
	const json_t *v = member(in, name, need);
	struct bytes got = { 0 };

	if (!v)
		return got;
	struct bytes text = { (const uint8_t *)json_string_value(v), json_string_length(v) };
	if (!json_is_string(v) || text.n > max / 3 * 4 + 8 ||
	    base64_decode(in->c->mem, text, &got) != RC_OK || got.n < min || got.n > max) {
		(void)call_field(in->c, pointer_to(in, name),
				 "must be base64 of %zu to %zu bytes", min, max);
		return (struct bytes){ 0 };
	}
	return got;
}

int js_word(struct js *in, const char *name, enum js_need need, const char *const *words)
{
	const json_t *v = member(in, name, need);
	const char *all = "";

	if (!v)
		return -1;
	for (int i = 0; words[i]; i++) {
		if (json_is_string(v) && strcmp(json_string_value(v), words[i]) == 0)
			return i;
		all = arena_printf(in->c->mem, "%s%s%s", all, *all ? ", " : "", words[i]);
	}
	(void)call_field(in->c, pointer_to(in, name), "must be one of: %s", all);
	return -1;
}

/* --- members that hold others --- */

bool js_object(struct js *in, const char *name, enum js_need need, struct js *ret)
{
	const json_t *v = member(in, name, need);

	if (!v)
		return false;
	if (!json_is_object(v)) {
		js_wrong(in, name, "must be an object");
		return false;
	}
	*ret = (struct js){ .c = in->c, .object = v, .pointer = pointer_to(in, name) };
	return true;
}

int js_array(struct js *in, const char *name, enum js_need need, int max)
{
	const json_t *v = member(in, name, need);

	if (!v)
		return -1;
	if (!json_is_array(v)) {
		js_wrong(in, name, "must be a list");
		return -1;
	}
	if (json_array_size(v) > (size_t)max) {
		(void)call_field(in->c, pointer_to(in, name), "must have at most %d items",
				 max);
		return -1;
	}
	return (int)json_array_size(v);
}

static const json_t *item_at(struct js *in, const char *name, int i, const char **ret_pointer)
{
	*ret_pointer = arena_printf(in->c->mem, "%s/%d", pointer_to(in, name), i);
	return json_array_get(json_object_get(in->object, name), (size_t)i);
}

bool js_item_object(struct js *in, const char *name, int i, struct js *ret)
{
	const char *where;
	const json_t *v = item_at(in, name, i, &where);

	if (!json_is_object(v)) {
		(void)call_field(in->c, where, "must be an object");
		return false;
	}
	*ret = (struct js){ .c = in->c, .object = v, .pointer = where };
	return true;
}

const char *js_item_text(struct js *in, const char *name, int i, size_t min, size_t max)
{
	const char *where;
	const json_t *v = item_at(in, name, i, &where);

	struct text_rule rule = { min, max, false };
	return checked_text(in->c, where, v, &rule);
}

/* One pair of a map into *ret. */
static bool pair_read(struct js *in, const struct js_map *map, const char *name,
		      const json_t *value, struct js_pair *ret)
{
	struct bytes text = bytes_of(name);

	if (text.n == 0 || text.n > map->name_max || !text_is_clean(text)) {
		(void)call_field(in->c, in->pointer, "names must have 1 to %zu bytes",
				 map->name_max);
		return false;
	}
	ret->name = arena_text(in->c->mem, name);
	ret->value = NULL;
	if (map->nullable && json_is_null(value))
		return true;
	struct text_rule rule = { 0, map->value_max, false };
	ret->value = checked_text(in->c, pointer_to(in, name), value, &rule);
	return ret->value != NULL;
}

int js_pairs(struct js *in, const struct js_map *map, struct js_pair *ret)
{
	struct js object;
	const char *name;
	json_t *value;
	int count = 0;

	if (!js_object(in, map->name, JS_OPTIONAL, &object))
		return -1;
	if (json_object_size(object.object) > (size_t)map->max) {
		(void)call_field(in->c, object.pointer, "must have at most %d members",
				 map->max);
		return -1;
	}
	json_object_foreach((json_t *)(uintptr_t)object.object, name,
			    value) if (pair_read(&object, map, name, value, &ret[count]))
		count++;
	return in->c->fields ? -1 : count;
}
