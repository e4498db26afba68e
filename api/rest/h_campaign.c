/* Campaigns over REST. */

#include "api/rest/rest.h"

#include "api/cursor.h"
#include "api/rest/campaign_json.h"
#include "core/campaign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const no_filters[] = { NULL };

static void answer_campaign(struct call *c, struct res *res, const struct campaign_item *item)
{
	entity_tag(c, res, item->row.campaign.revision);
	res->moves = true; /* progress raises no revision */
	js_answer(c, res, campaign_json(c->mem, item));
}

/* A position is "created_at campaign_id". */
static enum rc read_position(struct call *c, const char *position, struct campaign_page *ret)
{
	const char *space = strchr(position, ' ');
	uint64_t before;

	if (!space || uuid_parse(space + 1, &ret->after_id) != RC_OK ||
	    parse_u64((struct bytes){ (const uint8_t *)position, (size_t)(space - position) },
		      INT64_MAX, &before) != RC_OK)
		return call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	ret->before = (int64_t)before;
	return RC_OK;
}

enum rc h_campaign_list(struct call *c, const struct req *req, struct res *res)
{
	struct campaign_page from = { .before = INT64_MAX, .mem = c->mem };
	struct campaign_items list;
	struct page page;
	const char *next = NULL;
	char id[UUID_TEXT_SIZE];

	enum rc rc = page_open(c, req, no_filters, &page);
	if (rc == RC_OK && page.position)
		rc = read_position(c, page.position, &from);
	if (rc != RC_OK)
		return rc;
	from.limit = page.size;
	rc = campaign_list(c, &from, &list);
	if (rc != RC_OK)
		return rc;
	if (list.more) {
		const struct campaign *last = &list.items[list.count - 1].row.campaign;
		next = page_next(c, &page, "%" PRId64 " %s", last->created_at,
				 uuid_format(&last->campaign_id, id));
	}
	json_t *items = json_array();
	for (int i = 0; i < list.count; i++)
		json_array_append_new(items, campaign_json(c->mem, &list.items[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}

static enum rc preview(struct call *c, struct res *res, const struct campaign_new *in)
{
	struct campaign_preview p;

	enum rc rc = campaign_preview(c, in, &p);
	if (rc == RC_OK)
		js_answer(c, res, campaign_preview_json(c->mem, in, &p));
	return rc;
}

enum rc h_campaign_create(struct call *c, const struct req *req, struct res *res)
{
	struct campaign_new in;
	struct campaign_item item;
	char id[UUID_TEXT_SIZE];
	bool validate_only;

	enum rc rc = campaign_read(c, req, &in, &validate_only);
	if (rc != RC_OK)
		return rc;
	if (validate_only)
		return preview(c, res, &in);
	rc = campaign_create(c, &in, &item);
	if (rc != RC_OK)
		return rc;
	res->status = 201;
	res->location = arena_printf(c->mem, "/v1/campaigns/%s",
				     uuid_format(&item.row.campaign.campaign_id, id));
	answer_campaign(c, res, &item);
	return RC_OK;
}

enum rc h_campaign_get(struct call *c, const struct req *req, struct res *res)
{
	struct campaign_item item;
	struct uuid id;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = campaign_get(c, &id, &item);
	if (rc == RC_OK)
		answer_campaign(c, res, &item);
	return rc;
}

static enum rc move(struct call *c, const struct req *req, struct res *res,
		    enum campaign_move move)
{
	struct campaign_item item;
	struct uuid id;
	int64_t revision;

	enum rc rc = param_uuid(c, req, 0, &id);
	if (rc == RC_OK)
		rc = entity_revision(c, req, &revision);
	if (rc == RC_OK)
		rc = campaign_move(c, &id, move, revision, &item);
	if (rc == RC_OK)
		answer_campaign(c, res, &item);
	return rc;
}

enum rc h_campaign_start(struct call *c, const struct req *req, struct res *res)
{
	res->status = 202;
	return move(c, req, res, MOVE_START);
}

enum rc h_campaign_pause(struct call *c, const struct req *req, struct res *res)
{
	return move(c, req, res, MOVE_PAUSE);
}

enum rc h_campaign_resume(struct call *c, const struct req *req, struct res *res)
{
	return move(c, req, res, MOVE_RESUME);
}

enum rc h_campaign_abort(struct call *c, const struct req *req, struct res *res)
{
	return move(c, req, res, MOVE_ABORT);
}

/* --- jobs --- */

static enum rc query_state(struct call *c, const struct req *req, int32_t *ret)
{
	const char *text = req_query(req, "state");

	*ret = -1;
	if (!text)
		return RC_OK;
	for (int s = 0; s < JOB_STATE_END; s++)
		if ((s <= JOB_REBOOTING || s >= JOB_SUCCEEDED) &&
		    strcmp(job_state_name((enum job_state)s), text) == 0)
			*ret = s;
	return *ret >= 0 ? RC_OK : call_field(c, "state", "no state of a job");
}

static enum rc jobs_filter(struct call *c, const struct req *req, const struct page *page,
			   struct job_filter *ret)
{
	int64_t stage = -1;

	*ret = (struct job_filter){ .limit = page->size + 1 };
	enum rc rc = param_uuid(c, req, 0, &ret->campaign_id);
	if (rc == RC_OK)
		rc = query_state(c, req, &ret->state);
	if (rc == RC_OK)
		rc = query_i64(c, req, "stage", 0, &stage);
	if (rc == RC_OK && stage >= STAGES_MAX)
		rc = call_field(c, "stage", "stages are counted from 0 to %d", STAGES_MAX - 1);
	if (rc == RC_OK && page->position && uuid_parse(page->position, &ret->after) != RC_OK)
		rc = call_fail(c, ERR_BAD_CURSOR, "the token has no position of this list");
	ret->stage = (int32_t)stage;
	return rc;
}

enum rc h_campaign_jobs(struct call *c, const struct req *req, struct res *res)
{
	struct job_filter filter;
	struct job_item *list = NULL;
	struct page page;
	const char *next = NULL;
	char id[UUID_TEXT_SIZE];
	int n = 0;

	enum rc rc = page_open(c, req, (const char *[]){ "state", "stage", NULL }, &page);
	if (rc == RC_OK)
		rc = jobs_filter(c, req, &page, &filter);
	if (rc == RC_OK)
		rc = campaign_jobs(c, &filter, &list, &n);
	if (rc != RC_OK)
		return rc;
	if (n > page.size) {
		n = page.size;
		next = page_next(c, &page, "%s", uuid_format(&list[n - 1].job.device_id, id));
	}
	json_t *items = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(items, job_json(&list[i]));
	js_answer_page(c, res, items, next);
	return RC_OK;
}
