/* Events: written with what they tell of, read by operators. */

#include "core/event.h"

#include "db/event_store.h"

enum rc event_add(struct call *c, const struct event *event)
{
	return event_store_add(c->db, c->tenant, c->mem, event, &c->now, 1);
}

/* Events are as old as their transaction at most (the call's time is read when it has begun),
 * so none comes from before the oldest one that still runs.  Its age is a span by the
 * database's clock, taken from our time: the two clocks need not agree. */
static enum rc settled(struct call *c, int64_t *ret)
{
	int64_t oldest_us = 0;

	enum rc rc = event_store_oldest_writer(c->db, &oldest_us);
	if (rc == RC_OK)
		*ret = c->now - oldest_us - EVENT_SETTLE_US;
	return rc;
}

enum rc event_list(struct call *c, const struct event_filter *f, struct event_item **ret,
		   int *ret_count)
{
	struct event_page page = {
		.device_id = f->device_id,
		.after_at = f->after_at,
		.after_seq = f->after_seq,
		.limit = f->limit,
		.mem = c->mem,
	};
	struct event_row *rows = NULL;
	int count = 0;

	/* (since - 1, last possible seq) is just before everything at `since`. */
	if (f->since > f->after_at) {
		page.after_at = f->since - 1;
		page.after_seq = INT64_MAX;
	}
	enum rc rc = uuid_is_zero(&f->device_id) ? settled(c, &page.before) : RC_OK;
	if (rc == RC_OK)
		rc = event_store_list(c->db, c->tenant, &page, &rows, &count);
	if (rc != RC_OK)
		return rc;

	struct event_item *items = arena_array(c->mem, (size_t)count, sizeof(*items));
	for (int i = 0; i < count; i++)
		items[i] = (struct event_item){ rows[i].event, rows[i].endpoint, rows[i].at,
						rows[i].seq };
	*ret = items;
	*ret_count = count;
	return RC_OK;
}
