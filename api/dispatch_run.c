/* Workers: transactions around handlers.
 *
 * A call runs again when it lost a race in the database (RC_RETRY), at most RUNS_MAX times.  A
 * connection that breaks during COMMIT leaves it unknown whether the commit happened: the
 * answer is "try later", and handlers are written so that a second time does no harm. */

#include "api/dispatch_inner.h"

#include "api/idempotency.h"
#include "base/clock.h"
#include "core/images.h"
#include "core/roster_update.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX      4            /* the first one and three reruns */
#define BATCH_TIME_US USEC_PER_SEC /* for the handlers of one transaction */

/* So many go first where a route answers several together, and all the others with one stroke
 * when these were fast. */
#define FIRST_CALLS 20
#define FAST_US     (200 * USEC_PER_MS)

static const struct res fresh_res = { .format = FORMAT_NONE,
				      .max_age_s = -1,
				      .retry_after_s = -1 };

static void res_reset(struct req *req)
{
	image_close(req->res->image);
	*req->res = fresh_res;
}

/* The bytes of a streamed body get their name before the transaction: the file is there before
 * a row says so, and a rerun gets the same answer.  req_free() frees the upload. */
static enum rc upload_commit(struct call *c, struct req *req)
{
	struct digest d;

	if (!req->upload)
		return RC_OK;
	if (digest_parse(req->params[0], &d) != RC_OK)
		return call_fail(c, ERR_NOT_FOUND,
				 "the digest in the path is not 64 hexadecimal digits");
	enum rc rc = image_upload_commit(req->upload, &d, &req->uploaded_size);
	if (rc == RC_UNPROCESSABLE)
		return call_fail(c, ERR_DIGEST_MISMATCH, "the body has another SHA-256");
	return rc;
}

/* Inside the transaction. */
static enum rc run_call(struct call *c, struct req *req)
{
	bool replayed = false;

	enum rc rc = auth_check(c, req);
	if (rc != RC_OK || req->check_only)
		return rc;
	rc = upload_commit(c, req);
	if (rc == RC_OK)
		rc = idempotency_open(c, req, req->res, &replayed);
	if (rc != RC_OK || replayed)
		return rc;
	rc = req->route->handler(c, req, req->res);
	return rc == RC_OK ? idempotency_close(c, req, req->res) : rc;
}

static enum rc run_transaction(struct dispatcher *d, struct call *c, struct req *req)
{
	struct db *db = NULL;

	enum rc rc = db_acquire(d->pool, req->deadline - clock_monotonic(), &db);
	if (rc != RC_OK)
		return rc;
	c->db = db;
	c->work_clock = roster_work_clock(c->core->roster);
	rc = db_begin(db);
	c->now = clock_wall(); /* no event is older than its transaction (core/event.c) */
	if (rc == RC_OK)
		rc = run_call(c, req);
	if (rc == RC_OK) {
		call_before_commit(c);
		rc = db_commit(db);
	}
	if (rc != RC_OK)
		db_rollback(db);
	db_release(d->pool, db);
	c->db = NULL;
	return rc;
}

void run_single(struct dispatcher *d, struct req *req, int shard)
{
	enum rc rc = RC_UNAVAILABLE;
	struct call c;

	call_prepare(d, req, &c);
	c.shard = shard;
	req->by_worker = true;
	for (int run = 0; run < RUNS_MAX; run++) {
		if (call_expired(req, clock_monotonic())) {
			rc = RC_UNAVAILABLE;
			break;
		}
		call_clear(&c);
		res_reset(req);
		rc = run_transaction(d, &c, req);
		if (rc != RC_RETRY)
			break;
	}
	if (rc == RC_OK)
		call_run_hooks(&c);
	call_finish(d, req, &c, rc);
}

/* --- batches --- */

struct batch_call {
	struct req *req;
	struct call call;
	enum rc rc;
	int place; /* of arrival */
	int round; /* how many calls of the same device come before it */
};

/* The transaction at hand has the calls from `at` up to `end`. */
struct batch {
	struct batch_call *calls;
	int count, at, end;
	struct route_item *items; /* for calls that a route answers together */
	struct arena *mem;
};

/* By device, so that two workers lock rows in the same order; a device's own calls in the
 * order of their arrival. */
static int by_device(const void *a, const void *b)
{
	const struct batch_call *x = a, *y = b;
	int order = memcmp(x->req->actor.id.b, y->req->actor.id.b, sizeof(x->req->actor.id.b));

	return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Where its route stands among those that answer several calls together; the others are first.
 */
static uintptr_t group(const struct req *req)
{
	return req->route->many ? (uintptr_t)req->route : 0;
}

/* Rounds of at most one call of each device; in a round, those that a route answers together
 * stand together. */
static int by_round(const void *a, const void *b)
{
	const struct batch_call *x = a, *y = b;
	uintptr_t x_group = group(x->req), y_group = group(y->req);

	if (x->round != y->round)
		return x->round - y->round;
	return x_group != y_group ? (x_group > y_group) - (x_group < y_group) : by_device(a, b);
}

static void batch_order(struct batch *b)
{
	qsort(b->calls, (size_t)b->count, sizeof(*b->calls), by_device);
	for (int i = 1; i < b->count; i++) {
		const struct batch_call *before = &b->calls[i - 1];
		if (uuid_equal(&before->req->actor.id, &b->calls[i].req->actor.id))
			b->calls[i].round = before->round + 1;
	}
	qsort(b->calls, (size_t)b->count, sizeof(*b->calls), by_round);
}

static void batch_fill(struct dispatcher *d, struct queue_node *list, int shard,
		       struct batch *b)
{
	while (list) {
		struct req *req = container_of(list, struct req, node);
		list = list->next;
		assert(b->count < BATCH_MAX);
		struct batch_call *item = &b->calls[b->count];
		*item = (struct batch_call){ .req = req, .place = b->count };
		call_prepare(d, req, &item->call);
		item->call.shard = shard;
		req->by_worker = true;
		b->count++;
	}
	batch_order(b);
}

/* Answers those that have waited too long, here or in the lane. */
static void batch_expire(struct dispatcher *d, struct batch *b)
{
	int64_t now = clock_monotonic();
	int kept = b->at;

	for (int i = b->at; i < b->count; i++) {
		if (call_expired(b->calls[i].req, now))
			call_refuse(d, b->calls[i].req, ERR_UNAVAILABLE, NULL);
		else
			b->calls[kept++] = b->calls[i];
	}
	b->count = kept;
}

/* After these the transaction is lost for everybody in it. */
static bool loses_transaction(enum rc rc)
{
	return rc == RC_RETRY || rc == RC_UNAVAILABLE || rc == RC_STORAGE || rc == RC_INTERNAL;
}

/* How many calls from here on the route answers together, at most so many. */
static int batch_together(const struct batch *b, int from, int most)
{
	const struct batch_call *first = &b->calls[from];
	int to = from + 1;

	while (group(first->req) && to < b->count && to - from < most &&
	       b->calls[to].round == first->round &&
	       group(b->calls[to].req) == group(first->req))
		to++;
	return to - from;
}

static enum rc batch_many(struct batch *b, struct batch_call *calls, int n)
{
	for (int i = 0; i < n; i++)
		b->items[i] = (struct route_item){ &calls[i].call, calls[i].req,
						   calls[i].req->res, RC_OK };
	enum rc rc = calls[0].req->route->many(b->mem, b->items, (size_t)n);
	for (int i = 0; rc == RC_OK && i < n; i++)
		calls[i].rc = b->items[i].rc;
	return rc;
}

static enum rc batch_some(struct batch *b, struct db *db, int n)
{
	struct batch_call *calls = &b->calls[b->end];

	for (int i = 0; i < n; i++) {
		calls[i].call.db = db;
		res_reset(calls[i].req);
	}
	if (n > 1)
		return batch_many(b, calls, n);
	calls->rc = calls->req->route->handler(&calls->call, calls->req, calls->req->res);
	return loses_transaction(calls->rc) ? calls->rc : RC_OK;
}

/* Where the order of devices begins anew, in the next round or with those that another route
 * answers.  Going on there, a transaction would hold a late device's rows and wait for an early
 * one's; everybody else, such as an abort, takes them in order, and the database would end one
 * of the two. */
static bool batch_is_ordered(const struct batch *b)
{
	const struct batch_call *last = &b->calls[b->end - 1], *next = &b->calls[b->end];

	return last->round == next->round && group(last->req) == group(next->req);
}

/* RC_OK when the transaction may be committed.  It ends where the order does, and early when
 * the database is slow: a thousand calls that each take a second would all be answered too
 * late.  So a few show first how fast it is. */
static enum rc batch_handlers(struct batch *b, struct db *db)
{
	int64_t began = clock_monotonic(), at = began;
	bool fast = false;

	for (b->end = b->at; b->end < b->count;) {
		if (b->end > b->at && (!batch_is_ordered(b) || at - began > BATCH_TIME_US))
			break;
		int n = batch_together(b, b->end, fast ? BATCH_MAX : FIRST_CALLS);
		enum rc rc = batch_some(b, db, n);
		b->end += n;
		/* Who had no memory must not take the others along. */
		if (rc != RC_OK || memory_is_short())
			return RC_RETRY;
		int64_t now = clock_monotonic();
		if (n > 1)
			fast = now - at < FAST_US;
		at = now;
	}
	return RC_OK;
}

static enum rc batch_transaction(struct dispatcher *d, struct batch *b, bool *ret_unknown)
{
	struct db *db = NULL;
	int64_t patience = b->calls[b->at].req->deadline - clock_monotonic();

	enum rc rc = db_acquire(d->pool, patience, &db);
	if (rc != RC_OK)
		return rc;
	for (int i = b->at; i < b->count; i++)
		b->calls[i].call.work_clock = roster_work_clock(d->core->roster);
	rc = db_begin(db);
	for (int i = b->at; i < b->count; i++)
		b->calls[i].call.now = clock_wall();
	if (rc == RC_OK)
		rc = batch_handlers(b, db);
	if (rc == RC_OK) {
		for (int i = b->at; i < b->end; i++)
			call_before_commit(&b->calls[i].call);
		rc = db_commit(db);
		*ret_unknown = rc == RC_UNAVAILABLE;
	}
	if (rc != RC_OK)
		db_rollback(db);
	db_release(d->pool, db);
	return rc;
}

static void batch_finish(struct dispatcher *d, struct batch *b)
{
	for (int i = b->at; i < b->end; i++)
		if (b->calls[i].rc == RC_OK)
			call_run_hooks(&b->calls[i].call);
	for (int i = b->at; i < b->end; i++)
		call_finish(d, b->calls[i].req, &b->calls[i].call, b->calls[i].rc);
	b->at = b->end;
}

static void batch_fail(struct batch *b, enum rc rc)
{
	for (int i = b->at; i < b->end; i++)
		b->calls[i].rc = rc;
}

/* Each in a transaction of its own. */
static void batch_singly(struct dispatcher *d, struct batch *b, int shard)
{
	while (b->at < b->count)
		run_single(d, b->calls[b->at++].req, shard);
}

/* One transaction, for as many as it has time for. */
static void batch_step(struct dispatcher *d, struct batch *b, int shard)
{
	bool unknown = false;

	if (b->count - b->at < 2) {
		batch_singly(d, b, shard);
		return;
	}
	enum rc rc = batch_transaction(d, b, &unknown);
	if (unknown)
		batch_fail(b, RC_UNAVAILABLE);
	if (rc == RC_OK || unknown)
		batch_finish(d, b);
	else
		batch_singly(d, b, shard);
}

void run_batch(struct dispatcher *d, struct queue_node *list, int shard)
{
	struct batch b = { .calls = xcalloc(BATCH_MAX, sizeof(*b.calls)),
			   .items = xcalloc(BATCH_MAX, sizeof(*b.items)),
			   .mem = arena_create() };

	batch_fill(d, list, shard, &b);
	batch_expire(d, &b);
	while (b.at < b.count) {
		batch_step(d, &b, shard);
		batch_expire(d, &b);
	}
	arena_free(b.mem);
	free(b.items);
	free(b.calls);
}
