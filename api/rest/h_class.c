/* Classes, author keys and the CA's certificates over REST. */
#include "api/rest/rest.h"

#include "api/cursor.h"
#include "api/rest/fleet_json.h"
#include "base/clean.h"
#include "certs/certs.h"
#include "core/author_key.h"
#include "core/class.h"
#include "core/core.h"

#include <string.h>

static const char *const confirm_words[] = { "digest", "version", NULL };

static const char *const no_filters[] = { NULL };

static void answer_class(struct call *c, struct res *res, const struct device_class *k)
{
	entity_tag(c, res, k->revision);
	js_answer(c, res, class_json(k));
}

/* The position of a page is the two ids of the class before it. */
static bool read_position(const char *position, struct device_class *ret)
{
	char vendor[UUID_TEXT_SIZE] = "";

	if (strlen(position) != 2 * (UUID_TEXT_SIZE - 1) + 1)
		return false;
	memcpy(vendor, position, UUID_TEXT_SIZE - 1);
	return uuid_parse(vendor, &ret->vendor_id) == RC_OK &&
	       uuid_parse(position + UUID_TEXT_SIZE, &ret->class_id) == RC_OK;
}

static const char *class_position(struct call *c, const struct page *page,
				  const struct device_class *k)
{
	char vendor[UUID_TEXT_SIZE], class[UUID_TEXT_SIZE];

	return page_next(c, page, "%s/%s", uuid_format(&k->vendor_id, vendor),
			 uuid_format(&k->class_id, class));
}

enum rc h_class_list(struct call *c, const struct req *req, struct res *res)
{
	struct device_class after = { 0 }, *list = NULL;
	struct page page;
	const char *next = NULL;
	int n = 0;

	enum rc rc = page_open(c, req, no_filters, &page);
	if (rc == RC_OK && page.position && !read_position(page.position, &after))
		rc = call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	if (rc == RC_OK)
		rc = class_list(c, &after, page.size + 1, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = class_position(c, &page, &list[n - 1]);
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, class_json(&list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}

static void read_class(struct js *in, struct class_new *new)
{
	new->has_ids = js_has(in, "vendor_id") || js_has(in, "class_id");
	enum js_need need = new->has_ids ? JS_REQUIRED : JS_OPTIONAL;

	js_uuid(in, "vendor_id", need, &new->vendor_id);
	js_uuid(in, "class_id", need, &new->class_id);
	need = new->has_ids ? JS_OPTIONAL : JS_REQUIRED;
	new->vendor = js_text(in, "vendor", need, 1, CLASS_NAME_MAX);
	new->name = js_text(in, "name", need, 1, CLASS_NAME_MAX);
	int confirm = js_word(in, "confirm", JS_OPTIONAL, confirm_words);
	new->confirm = confirm == CONFIRM_VERSION ? CONFIRM_VERSION : CONFIRM_DIGEST;
}

enum rc h_class_create(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct class_new new = { 0 };
	struct device_class k;
	char vendor[UUID_TEXT_SIZE], class[UUID_TEXT_SIZE];

	enum rc rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	read_class(&in, &new);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = class_create(c, &new, &k);
	if (rc != RC_OK)
		return rc;
	res->status = 201;
	res->location =
		arena_printf(c->mem, "/v1/classes/%s/%s", uuid_format(&k.vendor_id, vendor),
			     uuid_format(&k.class_id, class));
	answer_class(c, res, &k);
	return RC_OK;
}

static enum rc param_class(struct call *c, const struct req *req, struct uuid *ret_vendor,
			   struct uuid *ret_class)
{
	enum rc rc = param_uuid(c, req, 0, ret_vendor);

	return rc == RC_OK ? param_uuid(c, req, 1, ret_class) : rc;
}

enum rc h_class_get(struct call *c, const struct req *req, struct res *res)
{
	struct uuid vendor_id, class_id;
	struct device_class k;

	enum rc rc = param_class(c, req, &vendor_id, &class_id);
	if (rc == RC_OK)
		rc = class_get(c, &vendor_id, &class_id, &k);
	if (rc == RC_OK)
		answer_class(c, res, &k);
	return rc;
}

enum rc h_class_update(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct class_update change = { 0 };
	struct device_class k;

	enum rc rc = param_class(c, req, &change.vendor_id, &change.class_id);
	if (rc == RC_OK)
		rc = entity_revision(c, req, &change.revision);
	if (rc == RC_OK)
		rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	change.name = js_text(&in, "name", JS_OPTIONAL, 1, CLASS_NAME_MAX);
	int confirm = js_word(&in, "confirm", JS_OPTIONAL, confirm_words);
	change.has_confirm = confirm >= 0;
	change.confirm = confirm == CONFIRM_VERSION ? CONFIRM_VERSION : CONFIRM_DIGEST;
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = class_update(c, &change, &k);
	if (rc == RC_OK)
		answer_class(c, res, &k);
	return rc;
}

enum rc h_class_digests(struct call *c, const struct req *req, struct res *res)
{
	static const char *const names[] = { "component", NULL };
	const char *component = req_query(req, "component");
	struct device_class key = { 0 };
	struct class_digests digests;

	if (!component)
		component = "main";
	enum rc rc = query_only(c, req, names);
	if (rc == RC_OK)
		rc = param_class(c, req, &key.vendor_id, &key.class_id);
	if (rc == RC_OK)
		rc = class_digests_of(c, &key, component, &digests);
	if (rc == RC_OK)
		js_answer(c, res, class_digests_json(component, &digests));
	return rc;
}

/* --- author keys --- */

static enum rc read_key_filter(struct call *c, const struct req *req, const struct page *page,
			       struct author_key_filter *f, struct uuid *after)
{
	bool vendor = req_query(req, "vendor_id"), class = req_query(req, "class_id");

	f->limit = page->size + 1;
	f->has_class = vendor && class;
	if (vendor != class)
		return call_field(c, vendor ? "class_id" : "vendor_id",
				  "vendor_id and class_id come together");
	if (page->position && uuid_parse(page->position, after) != RC_OK)
		return call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	f->after = page->position ? after : NULL;
	enum rc rc = query_uuid(c, req, "vendor_id", &f->vendor_id);
	return rc == RC_OK ? query_uuid(c, req, "class_id", &f->class_id) : rc;
}

enum rc h_author_key_list(struct call *c, const struct req *req, struct res *res)
{
	static const char *const names[] = { "vendor_id", "class_id", NULL };
	struct author_key_filter f = { 0 };
	struct author_key *list = NULL;
	struct uuid after;
	struct page page;
	const char *next = NULL;
	int n = 0;

	enum rc rc = page_open(c, req, names, &page);
	if (rc == RC_OK)
		rc = read_key_filter(c, req, &page, &f, &after);
	if (rc == RC_OK)
		rc = author_key_list(c, &f, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		char id[UUID_TEXT_SIZE];
		n = page.size;
		next = page_next(c, &page, "%s", uuid_format(&list[n - 1].author_key_id, id));
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, author_key_json(c->mem, &list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}

#define PUBLIC_KEY_PEM_MAX 2048

enum rc h_author_key_create(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct author_key_new new = { 0 };
	struct author_key k;

	enum rc rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	js_uuid(&in, "vendor_id", JS_REQUIRED, &new.vendor_id);
	js_uuid(&in, "class_id", JS_REQUIRED, &new.class_id);
	new.component = js_text(&in, "component", JS_OPTIONAL, 0, COMPONENT_NAME_MAX);
	new.public_key_pem =
		js_lines(&in, "public_key_pem", JS_REQUIRED, 1, PUBLIC_KEY_PEM_MAX);
	new.name = js_text(&in, "name", JS_OPTIONAL, 0, AUTHOR_NAME_MAX);
	new.delegate = js_bool(&in, "delegate", false);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = author_key_create(c, &new, &k);
	if (rc != RC_OK)
		return rc;
	res->status = 201;
	js_answer(c, res, author_key_json(c->mem, &k));
	return RC_OK;
}

enum rc h_author_key_delete(struct call *c, const struct req *req, struct res *res)
{
	struct uuid id;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = author_key_revoke(c, &id);
	if (rc == RC_OK)
		res->status = 204;
	return rc;
}

/* --- the CA --- */

enum rc h_ca_get(struct call *c, const struct req *req, struct res *res)
{
	(void)req;
	json_t *o = json_object();

	js_put_text(o, "root_pem", certs_root_pem(c->core->certs));
	js_put_text(o, "chain_pem", certs_chain_pem(c->core->certs));
	js_answer(c, res, o);
	return RC_OK;
}
