/* JSON in and out of handlers.
 *
 * Reading is strict: a member that nobody asked for is refused, as are members that come twice,
 * trees that are deep, and texts that are not clean UTF-8.  Each getter notes what is wrong
 * with its member and goes on, so that a client learns of all its mistakes at once:
 *
 *     CLEAN(js_body) struct js in = { 0 };
 *     enum rc rc = js_open(c, req, &in);
 *     if (rc != RC_OK)
 *             return rc;
 *     new.name = js_text(&in, "name", JS_REQUIRED, 1, 64);
 *     new.role = ...
 *     rc = js_done(&in);
 *     if (rc != RC_OK)
 *             return rc;
 *
 * Texts are copied into the call's arena.  JSON null counts as absent, except for js_nullable.
 */
#pragma once

#include "api/req.h"
#include "core/call.h"

#include <jansson.h>

/* Before anything else uses jansson: gives it the allocator of base/memory.h. */
void js_start(void);

#define JS_DEPTH_MAX   16
#define JS_MEMBERS_MAX 32

static inline void clean_json(json_t **o)
{
	json_decref(*o);
}

enum js_need { JS_OPTIONAL, JS_REQUIRED };

/* An object that is being read. */
struct js {
	struct call *c;
	const json_t *object;
	json_t *root;                      /* owned, only by what js_open made */
	const char *pointer;               /* of the object, "" for the body */
	const char *names[JS_MEMBERS_MAX]; /* asked for so far */
	int name_count;
};

void js_close(struct js *in);
static inline void clean_js_body(struct js *in)
{
	js_close(in);
}

/* The body as an object.  ERR_MEDIA_TYPE for another format, ERR_BAD_REQUEST for no JSON.  An
 * empty body is an empty object. */
enum rc js_open(struct call *c, const struct req *req, struct js *ret) MUST_CHECK;
/* Refuses members that nobody asked for; RC_UNPROCESSABLE when any field was noted as wrong. */
enum rc js_done(struct js *in) MUST_CHECK;

/* NULL when absent or wrong.  min and max in bytes. */
const char *js_text(struct js *in, const char *name, enum js_need need, size_t min, size_t max);
/* Likewise, and lines: newlines and tabs are fine.  For PEM and notes. */
const char *js_lines(struct js *in, const char *name, enum js_need need, size_t min,
		     size_t max);
int64_t js_i64(struct js *in, const char *name, int64_t absent, int64_t min, int64_t max);
/* A number that may have a fraction, such as a percentage; times 10^digits, rounded.  More
 * digits than that are refused. */
int64_t js_fixed(struct js *in, const char *name, int digits, int64_t absent, int64_t max);
bool js_bool(struct js *in, const char *name, bool absent);
/* False when absent or wrong. */
bool js_uuid(struct js *in, const char *name, enum js_need need, struct uuid *ret);
bool js_digest(struct js *in, const char *name, enum js_need need, struct digest *ret);
/* base64 with padding; empty bytes when absent or wrong.  min and max of what it stands for. */
struct bytes js_base64(struct js *in, const char *name, enum js_need need, size_t min,
		       size_t max);
/* One of the words, which end with NULL: its index; -1 when absent or wrong. */
int js_word(struct js *in, const char *name, enum js_need need, const char *const *words);
/* Is the member there and not null?  Does not count as asking. */
bool js_has(const struct js *in, const char *name);
/* Is the member there and null?  Does not count as asking. */
bool js_is_null(const struct js *in, const char *name);

/* A member that is an object; false when absent or wrong.  ret borrows from in: js_done(ret)
 * when its members were asked for; never js_close. */
bool js_object(struct js *in, const char *name, enum js_need need, struct js *ret);
/* A member that is an array of at most max items; -1 when absent or wrong. */
int js_array(struct js *in, const char *name, enum js_need need, int max);
/* The i-th item of that array. */
bool js_item_object(struct js *in, const char *name, int i, struct js *ret);
const char *js_item_text(struct js *in, const char *name, int i, size_t min, size_t max);

/* A member that is a map from names to texts, of at most max; -1 when absent or wrong.  With
 * nullable a value may be null and reads as NULL. */
struct js_pair {
	const char *name;
	const char *value;
};
struct js_map {
	const char *name; /* of the member */
	int max;          /* pairs; size of the array */
	size_t name_max;  /* bytes */
	size_t value_max; /* bytes */
	bool nullable;
};
int js_pairs(struct js *in, const struct js_map *map, struct js_pair *ret);

/* Notes what is wrong with a member of in; returns RC_UNPROCESSABLE. */
enum rc js_wrong(struct js *in, const char *name, const char *why);

/* --- writing: into objects made by json_object(); out of memory aborts --- */

void js_put(json_t *o, const char *name, json_t *value);          /* takes value over */
void js_put_text(json_t *o, const char *name, const char *value); /* NULL: left out */
void js_put_i64(json_t *o, const char *name, int64_t value);
void js_put_bool(json_t *o, const char *name, bool value);
void js_put_time(json_t *o, const char *name, int64_t wall_us);       /* 0: left out */
void js_put_uuid(json_t *o, const char *name, const struct uuid *id); /* zero: left out */
void js_put_digest(json_t *o, const char *name, const struct digest *d);
void js_put_hex(json_t *o, const char *name, struct bytes b);
void js_put_base64(json_t *o, const char *name, struct bytes b);
/* JSON text that we made ourselves earlier, such as an event's detail; {} when it is none. */
void js_put_raw(json_t *o, const char *name, const char *text);

/* Writes o into res as the body, and frees o. */
void js_answer(struct call *c, struct res *res, json_t *o);
/* { "items": items, "next_page_token": ... }; frees items.  next NULL: the last page. */
void js_answer_page(struct call *c, struct res *res, json_t *items, const char *next);
