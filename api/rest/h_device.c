/* Devices over REST, the operator's side. */
#include "api/rest/rest.h"

#include "api/cursor.h"
#include "api/rest/event_json.h"
#include "api/rest/fleet_json.h"
#include "base/clean.h"
#include "core/device.h"
#include "core/signed_report.h"

#include <string.h>

static void answer_device(struct call *c, struct res *res, const struct device_item *item,
			  const struct credential_issued *issued)
{
	json_t *o = device_json(c->mem, item);

	if (issued)
		credential_json(o, issued);
	entity_tag(c, res, item->d.revision);
	res->moves = true; /* neither its job nor a sign of life raises the revision */
	js_answer(c, res, o);
}

/* No device has two values of an attribute; the database would look for the last one alone. */
static bool contradicts(const struct device_filter *f, const struct attribute *a)
{
	for (int i = 0; i < f->attribute_count; i++)
		if (strcmp(f->attributes[i].name, a->name) == 0 &&
		    strcmp(f->attributes[i].value, a->value) != 0)
			return true;
	return false;
}

/* attribute=name=value, several times: all of them hold. */
static enum rc read_attribute_filters(struct call *c, const struct req *req,
				      struct device_filter *f)
{
	for (int i = 0; i < req->query_count; i++) {
		if (strcmp(req->query[i].name, "attribute") != 0)
			continue;
		const char *text = req->query[i].value, *equals = strchr(text, '=');
		if (!equals)
			return call_field(c, "attribute", "must be name=value");
		if (f->attribute_count == DEVICE_FILTERS_MAX)
			return call_field(c, "attribute", "at most %d of them",
					  DEVICE_FILTERS_MAX);
		struct bytes name = { (const uint8_t *)text, (size_t)(equals - text) };
		struct attribute a = { bytes_text(c->mem, name), equals + 1 };
		if (contradicts(f, &a))
			return call_field(c, "attribute", "one name has two values");
		f->attributes[f->attribute_count++] = a;
	}
	return RC_OK;
}

static enum rc read_filter(struct call *c, const struct req *req, const struct page *page,
			   struct device_filter *f)
{
	f->after = page->position;
	f->limit = page->size + 1;
	f->has_class = req_query(req, "class") != NULL;
	f->endpoint_prefix = req_query(req, "endpoint_prefix");
	enum rc rc = query_uuid(c, req, "class", &f->class_id);
	return rc == RC_OK ? read_attribute_filters(c, req, f) : rc;
}

enum rc h_device_list(struct call *c, const struct req *req, struct res *res)
{
	static const char *const names[] = { "class", "attribute", "endpoint_prefix", NULL };
	struct device_filter f = { 0 };
	struct device_item *items = NULL;
	struct page page;
	const char *next = NULL;
	int n = 0;

	enum rc rc = page_open(c, req, names, &page);
	if (rc == RC_OK)
		rc = read_filter(c, req, &page, &f);
	if (rc == RC_OK)
		rc = device_list(c, &f, &items, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = page_next(c, &page, "%s", items[n - 1].d.endpoint);
	}
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, device_json(c->mem, &items[i]));
	js_answer_page(c, res, list, next);
	return RC_OK;
}

static const struct js_map attribute_map = { .name = "attributes",
					     .max = ATTRIBUTES_MAX,
					     .name_max = ATTRIBUTE_NAME_MAX,
					     .value_max = ATTRIBUTE_VALUE_MAX };

#define KEY_PEM_MAX 4096

static void read_attributes(struct js *in, struct device_new *new)
{
	struct js_pair pairs[ATTRIBUTES_MAX];
	int n = js_pairs(in, &attribute_map, pairs);

	for (int i = 0; i < n; i++)
		new->attributes[new->attribute_count++] =
			(struct attribute){ pairs[i].name, pairs[i].value };
}

enum rc h_device_create(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct device_new new = { 0 };
	struct device_item item;
	struct credential_issued issued;

	enum rc rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	new.endpoint = js_text(&in, "endpoint", JS_REQUIRED, 1, ENDPOINT_NAME_MAX);
	credential_read(&in, &new.credential);
	read_attributes(&in, &new);
	new.report_key_pem = js_lines(&in, "report_key_pem", JS_OPTIONAL, 1, KEY_PEM_MAX);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = device_create(c, &new, &item, &issued);
	if (rc != RC_OK)
		return rc;
	res->status = 201;
	res->location = arena_printf(c->mem, "/v1/devices/%s", item.d.endpoint);
	answer_device(c, res, &item, &issued);
	return RC_OK;
}

enum rc h_device_get(struct call *c, const struct req *req, struct res *res)
{
	struct device_item item;

	enum rc rc = device_get(c, req->params[0], &item);
	if (rc == RC_OK)
		answer_device(c, res, &item, NULL);
	return rc;
}

enum rc h_device_update(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct device_update change = { .endpoint = req->params[0] };
	struct js_map map = attribute_map;
	struct js_pair pairs[ATTRIBUTES_MAX];
	struct device_item item;

	map.nullable = true;
	enum rc rc = entity_revision(c, req, &change.revision);
	if (rc == RC_OK)
		rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	int n = js_pairs(&in, &map, pairs);
	for (int i = 0; i < n; i++)
		change.changes[change.change_count++] =
			(struct attribute_change){ pairs[i].name, pairs[i].value };
	change.sets_report_key =
		js_has(&in, "report_key_pem") || js_is_null(&in, "report_key_pem");
	change.report_key_pem = js_lines(&in, "report_key_pem", JS_OPTIONAL, 1, KEY_PEM_MAX);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = device_update(c, &change, &item);
	if (rc == RC_OK)
		answer_device(c, res, &item, NULL);
	return rc;
}

enum rc h_device_delete(struct call *c, const struct req *req, struct res *res)
{
	int64_t revision = 0;

	enum rc rc = entity_revision(c, req, &revision);
	if (rc == RC_OK)
		rc = device_delete(c, req->params[0], revision);
	if (rc == RC_OK)
		res->status = 204;
	return rc;
}

enum rc h_device_credential(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct credential_new new;
	struct device_item item;
	struct credential_issued issued;

	enum rc rc = js_open(c, req, &in);
	if (rc != RC_OK)
		return rc;
	credential_read(&in, &new);
	rc = js_done(&in);
	if (rc == RC_OK)
		rc = device_replace_credential(c, req->params[0], &new, &item, &issued);
	if (rc == RC_OK)
		answer_device(c, res, &item, &issued);
	return rc;
}

enum rc h_device_revoke(struct call *c, const struct req *req, struct res *res)
{
	CLEAN(js_body) struct js in = { 0 };
	struct device_item item;

	enum rc rc = js_open(c, req, &in);
	if (rc == RC_OK)
		rc = js_done(&in);
	if (rc == RC_OK)
		rc = device_revoke(c, req->params[0], &item);
	if (rc == RC_OK)
		answer_device(c, res, &item, NULL);
	return rc;
}

enum rc h_device_events(struct call *c, const struct req *req, struct res *res)
{
	struct device_item item;

	enum rc rc = device_get(c, req->params[0], &item);
	if (rc != RC_OK)
		return rc;
	return event_page(c, req, &item.d.device_id, res);
}

enum rc h_device_report(struct call *c, const struct req *req, struct res *res)
{
	uint64_t job_id;

	if (parse_u64(bytes_of(req->params[1]), INT64_MAX, &job_id) != RC_OK)
		return call_fail(c, ERR_NOT_FOUND, "there is no such job");
	enum rc rc = query_only(c, req, (const char *[]){ NULL });
	if (rc == RC_OK)
		rc = signed_report_get(c, req->params[0], (int64_t)job_id, &res->body);
	if (rc == RC_OK)
		res->format = FORMAT_SUIT_REPORT;
	return rc;
}

enum rc h_device_why(struct call *c, const struct req *req, struct res *res)
{
	struct device_item item;
	struct uuid campaign_id;
	struct explanation e;

	enum rc rc = query_only(c, req, (const char *[]){ "campaign", NULL });
	if (rc == RC_OK && !req_query(req, "campaign"))
		rc = call_field(c, "campaign", "name the campaign");
	if (rc == RC_OK)
		rc = query_uuid(c, req, "campaign", &campaign_id);
	if (rc == RC_OK)
		rc = device_get(c, req->params[0], &item);
	if (rc == RC_OK)
		rc = campaign_explain(c, &item.d.device_id, &campaign_id, &e);
	if (rc == RC_OK)
		js_answer(c, res, explanation_json(&e));
	return rc;
}
