/* Printing JSON.  Jansson's own printer asks the C library for each number, and keeps a table
 * of what it has passed, against circles that a tree of ours cannot have: on small answers that
 * is most of the work.  This one goes over the tree twice, first to learn how long it gets. */

#include "api/json.h"

#include <string.h>

struct printer {
	char *to; /* NULL: only counts */
	size_t n;
};

static void put(struct printer *p, const char *text, size_t n)
{
	if (p->to)
		memcpy(p->to + p->n, text, n);
	p->n += n;
}

static void put_i64(struct printer *p, int64_t value)
{
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char text[20], *at = text + sizeof(text);

	do
		*--at = (char)('0' + rest % 10);
	while (rest /= 10);
	if (value < 0)
		*--at = '-';
	put(p, at, (size_t)(text + sizeof(text) - at));
}

/* What may not stand in a string (RFC 8259 section 7). */
static void put_escape(struct printer *p, unsigned char c)
{
	static const char names[][2] = { ['\b'] = "b", ['\t'] = "t", ['\n'] = "n", ['\f'] = "f",
					 ['\r'] = "r", ['"'] = "\"", ['\\'] = "\\" };
	static const char hex[] = "0123456789ABCDEF";
	char text[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	if (!names[c][0]) {
		put(p, text, sizeof(text));
		return;
	}
	text[1] = names[c][0];
	put(p, text, 2);
}

static void put_string(struct printer *p, const char *text, size_t n)
{
	size_t done = 0;

	put(p, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		put(p, text + done, i - done);
		put_escape(p, c);
		done = i + 1;
	}
	put(p, text + done, n - done);
	put(p, "\"", 1);
}

/* Only from texts that others wrote; ours have none. */
static void put_real(struct printer *p, const json_t *value)
{
	char text[64];

	put(p, text, json_dumpb(value, text, sizeof(text), JSON_ENCODE_ANY));
}

static void put_value(struct printer *p, json_t *value);

static void put_object(struct printer *p, json_t *o)
{
	const char *name;
	json_t *value;
	bool first = true;

	put(p, "{", 1);
	json_object_foreach(o, name, value)
	{
		put(p, ",", !first);
		put_string(p, name, strlen(name));
		put(p, ":", 1);
		put_value(p, value);
		first = false;
	}
	put(p, "}", 1);
}

static void put_array(struct printer *p, json_t *list)
{
	size_t count = json_array_size(list);

	put(p, "[", 1);
	for (size_t i = 0; i < count; i++) {
		put(p, ",", i > 0);
		put_value(p, json_array_get(list, i));
	}
	put(p, "]", 1);
}

static void put_value(struct printer *p, json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		put_object(p, value);
		return;
	case JSON_ARRAY:
		put_array(p, value);
		return;
	case JSON_STRING:
		put_string(p, json_string_value(value), json_string_length(value));
		return;
	case JSON_INTEGER:
		put_i64(p, json_integer_value(value));
		return;
	case JSON_REAL:
		put_real(p, value);
		return;
	case JSON_TRUE:
		put(p, "true", 4);
		return;
	case JSON_FALSE:
		put(p, "false", 5);
		return;
	case JSON_NULL:
		put(p, "null", 4);
		return;
	}
}

struct bytes js_print(struct arena *mem, json_t *value)
{
	struct printer p = { 0 };

	if (!value)
		return (struct bytes){ 0 };
	put_value(&p, value);
	p.to = arena_alloc(mem, p.n + 1);
	p.n = 0;
	put_value(&p, value);
	return (struct bytes){ (const uint8_t *)p.to, p.n };
}
