/* Writing JSON.  Texts come from the database or were checked on their way in, so they are
 * UTF-8 and only a lack of memory can stop a tree from being built.  Then it stays as it is:
 * the call is refused (base/memory.h). */

#include "api/json.h"

#include "base/clean.h"
#include "base/clock.h"

#include <assert.h>

#define ANSWER_USUAL 2048 /* more is printed twice, because its length is not known before */

void js_put(json_t *o, const char *name, json_t *value)
{
	int failed = json_object_set_new(o, name, value);

	assert(!failed || memory_is_short());
	(void)failed;
}

void js_put_text(json_t *o, const char *name, const char *value)
{
	if (value)
		js_put(o, name, json_string(value));
}

void js_put_i64(json_t *o, const char *name, int64_t value)
{
	js_put(o, name, json_integer(value));
}

void js_put_bool(json_t *o, const char *name, bool value)
{
	js_put(o, name, json_boolean(value));
}

void js_put_time(json_t *o, const char *name, int64_t wall_us)
{
	char text[TIME_TEXT_SIZE];

	if (wall_us != 0)
		js_put_text(o, name, clock_format(wall_us, text));
}

void js_put_uuid(json_t *o, const char *name, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];

	if (!uuid_is_zero(id))
		js_put_text(o, name, uuid_format(id, text));
}

void js_put_digest(json_t *o, const char *name, const struct digest *d)
{
	char text[DIGEST_TEXT_SIZE];

	js_put_text(o, name, digest_format(d, text));
}

void js_put_hex(json_t *o, const char *name, struct bytes b)
{
	CLEAN(arena) struct arena *mem = arena_create();

	js_put_text(o, name, hex_encode(mem, b));
}

void js_put_base64(json_t *o, const char *name, struct bytes b)
{
	CLEAN(arena) struct arena *mem = arena_create();

	js_put_text(o, name, base64_encode(mem, b));
}

void js_put_raw(json_t *o, const char *name, const char *text)
{
	json_t *value = text && *text ? json_loads(text, 0, NULL) : NULL;

	js_put(o, name, value ? value : json_object());
}

void js_answer(struct call *c, struct res *res, json_t *o)
{
	char *text = arena_alloc(c->mem, ANSWER_USUAL);
	size_t n = json_dumpb(o, text, ANSWER_USUAL, JSON_COMPACT);

	if (n > ANSWER_USUAL) {
		text = arena_alloc(c->mem, n);
		n = json_dumpb(o, text, n, JSON_COMPACT);
	}
	assert(n > 0 || memory_is_short());
	json_decref(o);
	res->body = (struct bytes){ (const uint8_t *)text, n };
	res->format = FORMAT_JSON;
}

void js_answer_page(struct call *c, struct res *res, json_t *items, const char *next)
{
	json_t *page = json_object();

	js_put(page, "items", items);
	js_put_text(page, "next_page_token", next);
	js_answer(c, res, page);
}
