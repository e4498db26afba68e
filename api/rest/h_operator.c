/* Operators, their tokens, the audit and the events, over REST. */

#include "api/rest/rest.h"

#include "api/cursor.h"
#include "api/rest/event_json.h"
#include "api/rest/operator_json.h"
#include "base/clean.h"
#include "core/audit.h"

#include <inttypes.h>

#define PEM_TEXT_MAX   16384
#define SECRET_MAX     128
#define TOKEN_LIFE_MAX (INT64_C(10) * 366 * 86400) /* seconds */

static const char *const no_filters[] = { NULL };

/* --- who am I, and the first administrator --- */

enum rc h_bootstrap(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct operator_item admin;
	const char *token = NULL;

	enum rc rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	const char *secret = js_text(&in, "secret", JS_REQUIRED, 1, SECRET_MAX);
	const char *name = js_text(&in, "name", JS_REQUIRED, 1, OPERATOR_NAME_MAX);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = operator_bootstrap(c, secret, name, &admin, &token);
	if (rc != RC_OK)
		return rc;

	json_t *o = json_object();
	js_put(o, "operator", operator_json(&admin));
	js_put_text(o, "token", token);
	js_answer(c, res, o);
	res->status = 201;
	return RC_OK;
}

enum rc h_whoami(struct call *c, const struct req *req, struct res *res)
{
	json_t *o = json_object();

	(void)req;
	js_put_uuid(o, "operator_id", &c->actor.id);
	js_put_text(o, "name", c->actor.name);
	js_put_text(o, "role", role_name(c->actor.role));
	js_answer(c, res, o);
	return RC_OK;
}

/* --- operators --- */

static void answer_operator(struct call *c, struct res *res, const struct operator_item *o)
{
	entity_tag(c, res, o->revision);
	js_answer(c, res, operator_json(o));
}

enum rc h_operator_list(struct call *c, const struct req *req, struct res *res)
{
	struct operator_item *list = NULL;
	struct page page;
	const char *next = NULL;
	int n = 0;

	enum rc rc = page_open(c, req, no_filters, &page);
	if (rc == RC_OK)
		rc = operator_list(c, page.position, page.size + 1, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = page_next(c, &page, "%s", list[n - 1].name);
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, operator_json(&list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}

enum rc h_operator_create(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct operator_new new = { 0 };
	struct operator_item made;
	struct operator_issued issued;
	char id[UUID_TEXT_SIZE];

	enum rc rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	new.name = js_text(&in, "name", JS_REQUIRED, 1, OPERATOR_NAME_MAX);
	role_read(&in, JS_REQUIRED, &new.role);
	new.csr_pem = js_lines(&in, "csr", JS_OPTIONAL, 1, PEM_TEXT_MAX);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = operator_create(c, &new, &made, &issued);
	if (rc != RC_OK)
		return rc;

	json_t *o = operator_json(&made);
	operator_issued_json(o, &issued);
	js_answer(c, res, o);
	entity_tag(c, res, made.revision);
	res->status = 201;
	res->location =
		arena_printf(c->mem, "/v1/operators/%s", uuid_format(&made.operator_id, id));
	return RC_OK;
}

enum rc h_operator_get(struct call *c, const struct req *req, struct res *res)
{
	struct operator_item o;
	struct uuid id;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = operator_get(c, &id, &o);
	if (rc == RC_OK)
		answer_operator(c, res, &o);
	return rc;
}

enum rc h_operator_update(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct operator_change change = { 0 };
	struct operator_item o;

	enum rc rc = param_uuid(c, req, 0, &change.operator_id);
	if (rc == RC_OK)
		rc = entity_revision(c, req, &change.revision);
	if (rc == RC_OK)
		rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	change.has_role = role_read(&in, JS_OPTIONAL, &change.role);
	change.has_disabled = js_has(&in, "disabled");
	change.disabled = js_bool(&in, "disabled", false);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = operator_update(c, &change, &o);
	if (rc == RC_OK)
		answer_operator(c, res, &o);
	return rc;
}

enum rc h_operator_delete(struct call *c, const struct req *req, struct res *res)
{
	struct uuid id;
	int64_t revision = 0;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = entity_revision(c, req, &revision);
	if (rc == RC_OK)
		rc = operator_delete(c, &id, revision);
	res->status = 204;
	return rc;
}

/* --- tokens --- */

enum rc h_token_list(struct call *c, const struct req *req, struct res *res)
{
	struct token_item *list = NULL;
	struct uuid id, after = { 0 };
	struct page page;
	const char *next = NULL;
	char last[UUID_TEXT_SIZE];
	int n = 0;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = page_open(c, req, no_filters, &page);
	if (rc == RC_OK && page.position && uuid_parse(page.position, &after) != RC_OK)
		rc = call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	if (rc == RC_OK)
		rc = token_list(c, &id, &after, page.size + 1, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = page_next(c, &page, "%s", uuid_format(&list[n - 1].token_id, last));
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, token_json(&list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}

enum rc h_token_create(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct token_new new = { 0 };
	struct token_item made;
	const char *token = NULL;

	enum rc rc = param_uuid(c, req, 0, &new.operator_id);
	if (rc == RC_OK)
		rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	new.label = js_text(&in, "label", JS_OPTIONAL, 0, TOKEN_LABEL_MAX);
	new.expires_in_s = js_i64(&in, "expires_in_s", 0, 1, TOKEN_LIFE_MAX);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = token_create(c, &new, &made, &token);
	if (rc != RC_OK)
		return rc;

	json_t *o = token_json(&made);
	js_put_text(o, "token", token);
	js_answer(c, res, o);
	res->status = 201;
	return RC_OK;
}

enum rc h_token_delete(struct call *c, const struct req *req, struct res *res)
{
	struct uuid operator_id, token_id;

	enum rc rc = param_uuid(c, req, 0, &operator_id);
	if (rc == RC_OK)
		rc = param_uuid(c, req, 1, &token_id);
	if (rc == RC_OK)
		rc = token_delete(c, &operator_id, &token_id);
	res->status = 204;
	return rc;
}

/* --- what happened --- */

enum rc h_audit_list(struct call *c, const struct req *req, struct res *res)
{
	struct audit_entry *list = NULL;
	struct page page;
	const char *next = NULL;
	int64_t after = 0;
	int n = 0;

	enum rc rc = page_open(c, req, no_filters, &page);
	if (rc == RC_OK && page.position &&
	    parse_i64(bytes_of(page.position), 0, INT64_MAX, &after) != RC_OK)
		rc = call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	if (rc == RC_OK)
		rc = audit_list(c, after, page.size + 1, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = page_next(c, &page, "%" PRId64, list[n - 1].seq);
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, audit_json(&list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}

enum rc h_event_list(struct call *c, const struct req *req, struct res *res)
{
	return event_page(c, req, NULL, res);
}
