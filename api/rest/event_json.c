/* Events of devices as JSON, page by page. */
#include "api/rest/event_json.h"

#include "api/cursor.h"

#include <inttypes.h>
#include <string.h>

json_t *event_json(const struct event_item *e)
{
	json_t *o = json_object();

	js_put_text(o, "endpoint", e->endpoint);
	js_put_uuid(o, "device_id", &e->event.device_id);
	js_put_time(o, "at", e->at);
	js_put_i64(o, "seq", e->seq);
	js_put_text(o, "kind", event_kind_name(e->event.kind));
	js_put_uuid(o, "campaign_id", &e->event.campaign_id);
	if (e->event.job_id)
		js_put_i64(o, "job_id", e->event.job_id);
	js_put_raw(o, "detail", e->event.detail);
	return o;
}

/* The position of a page is time and number of the event before it. */
static bool read_position(const char *position, struct event_filter *f)
{
	const char *slash = strchr(position, '/');

	if (!slash)
		return false;
	struct bytes at = { (const uint8_t *)position, (size_t)(slash - position) };
	return parse_i64(at, 0, INT64_MAX, &f->after_at) == RC_OK &&
	       parse_i64(bytes_of(slash + 1), 0, INT64_MAX, &f->after_seq) == RC_OK;
}

static enum rc read_filter(struct call *c, const struct req *req, const struct page *page,
			   struct event_filter *f)
{
	f->limit = page->size + 1;
	if (page->position && !read_position(page->position, f))
		return call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	return query_i64(c, req, "since", 0, &f->since);
}

enum rc event_page(struct call *c, const struct req *req, const struct uuid *device_id,
		   struct res *res)
{
	static const char *const names[] = { "since", NULL };
	struct event_filter f = { 0 };
	struct event_item *list = NULL;
	struct page page;
	const char *next = NULL;
	int n = 0;

	if (device_id)
		f.device_id = *device_id;
	enum rc rc = page_open(c, req, names, &page);
	if (rc == RC_OK)
		rc = read_filter(c, req, &page, &f);
	if (rc == RC_OK)
		rc = event_list(c, &f, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = page_next(c, &page, "%" PRId64 "/%" PRId64, list[n - 1].at,
				 list[n - 1].seq);
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, event_json(&list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}
