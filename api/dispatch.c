/* The dispatcher's front: what a transport's thread does, and the queues.  A worker takes one
 * single call, or all batch calls that wait.  Neither operators nor devices may hold every
 * worker, so reports go on while operators ask hard questions, and the other way round. */

#include "api/dispatch_inner.h"

#include "api/json.h"
#include "api/metrics.h"
#include "base/clock.h"

#include <stdlib.h>

#define DEADLINE_DEFAULT_US (30 * USEC_PER_SEC)
#define BATCH_LONG_US       (2 * USEC_PER_SEC)

/* --- figures --- */

static int64_t lane_length(struct dispatcher *d, enum lane_kind kind)
{
	pthread_mutex_lock(&d->mutex);
	size_t n = d->lanes[kind].count;
	pthread_mutex_unlock(&d->mutex);
	return (int64_t)n;
}

static int64_t read_operators(void *arg)
{
	return lane_length(arg, LANE_OPERATOR);
}

static int64_t read_singles(void *arg)
{
	return lane_length(arg, LANE_SINGLE);
}

static int64_t read_batched(void *arg)
{
	return lane_length(arg, LANE_BATCH);
}

static int64_t read_pool_in_use(void *arg)
{
	return db_pool_in_use(((struct dispatcher *)arg)->pool);
}

static int64_t read_pool_healthy(void *arg)
{
	return db_pool_healthy(((struct dispatcher *)arg)->pool);
}

static void add_figures(struct dispatcher *d)
{
	const struct metrics_source figures[] = {
		{ "muster_queue_calls", "kind=\"operator\"", "gauge",
		  "Calls that wait for a worker.", read_operators, d },
		{ "muster_queue_calls", "kind=\"single\"", "gauge",
		  "Calls that wait for a worker.", read_singles, d },
		{ "muster_queue_calls", "kind=\"batch\"", "gauge",
		  "Calls that wait for a worker.", read_batched, d },
		{ "muster_db_connections_in_use", NULL, "gauge",
		  "Database connections that a call has.", read_pool_in_use, d },
		{ "muster_db_up", NULL, "gauge", "1 when the database was there last time.",
		  read_pool_healthy, d },
	};

	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		metrics_add_source(&figures[i]);
}

/* --- life --- */

struct dispatcher *dispatcher_create(struct core *core, struct db_pool *pool,
				     const struct dispatch_options *options)
{
	struct dispatcher *d = xcalloc(1, sizeof(*d));

	js_start();
	d->core = core;
	d->pool = pool;
	d->options = *options;
	d->throttle = throttle_create();
	d->batch_max = BATCH_MAX;
	come_back_init(&d->come_back);
	pthread_mutex_init(&d->mutex, NULL);
	pthread_cond_init(&d->ready, NULL);
	for (int i = 0; i < LANE_COUNT; i++)
		d->lanes[i].end = &d->lanes[i].head;
	add_figures(d);
	return d;
}

void dispatcher_free(struct dispatcher *d)
{
	if (!d)
		return;
	metrics_remove_sources(d);
	throttle_free(d->throttle);
	come_back_finish(&d->come_back);
	pthread_cond_destroy(&d->ready);
	pthread_mutex_destroy(&d->mutex);
	free(d);
}

void dispatcher_stop(struct dispatcher *d)
{
	pthread_mutex_lock(&d->mutex);
	d->stopping = true;
	pthread_cond_broadcast(&d->ready);
	pthread_mutex_unlock(&d->mutex);
}

/* --- a transport's thread --- */

static enum lane_kind lane_of(const struct req *req)
{
	if (req->route->need == NEED_BATCH)
		return LANE_BATCH;
	return req->route->roles & ROLE_DEVICE ? LANE_SINGLE : LANE_OPERATOR;
}

static const struct req *lane_first(const struct lane *lane)
{
	return container_of(lane->head, struct req, node);
}

/* After each change of its head.  The mutex is held. */
static void lane_note(struct lane *lane)
{
	atomic_store_explicit(&lane->since, lane->head ? lane_first(lane)->started : 0,
			      memory_order_relaxed);
}

/* In a longer queue calls would wait until nobody wants their answers any more, and be asked
 * again: all work would be for nothing.  Who is turned away at once hears when to come back. */
static bool has_room(const struct dispatcher *d, const struct lane *lane, const struct req *req)
{
	if (d->stopping || lane->count >= d->options.queue_max)
		return false;
	int64_t patience = req->deadline - req->started;
	return !lane->head || req->started - lane_first(lane)->started <= patience / 2;
}

/* False when the queue is full, slow or closed. */
static bool enqueue(struct dispatcher *d, struct req *req)
{
	struct lane *lane = &d->lanes[lane_of(req)];

	pthread_mutex_lock(&d->mutex);
	bool fits = has_room(d, lane, req);
	if (fits) {
		req->node.next = NULL;
		*lane->end = &req->node;
		lane->end = &req->node.next;
		lane->count++;
		lane_note(lane);
		pthread_cond_signal(&d->ready);
	}
	pthread_mutex_unlock(&d->mutex);
	return fits;
}

int64_t dispatch_waits_us(struct dispatcher *d, int64_t now)
{
	int64_t first = 0;

	for (int i = LANE_SINGLE; i < LANE_COUNT; i++) {
		int64_t since = atomic_load_explicit(&d->lanes[i].since, memory_order_relaxed);
		if (since && (!first || since < first))
			first = since;
	}
	return first && now > first ? now - first : 0;
}

/* True when the call was answered at once. */
static bool run_in_memory(struct dispatcher *d, struct req *req)
{
	route_handler *handler =
		req->route->need == NEED_MEMORY ? req->route->handler : req->route->memory;
	struct call c;

	call_prepare(d, req, &c);
	enum rc rc = auth_before(d, &c, req);
	if (rc == RC_OK && handler)
		rc = handler(&c, req, req->res);
	else if (rc == RC_OK)
		rc = RC_RETRY;
	if (memory_is_short())
		rc = RC_UNAVAILABLE;
	if (rc == RC_RETRY && req->route->need != NEED_MEMORY)
		return false;
	call_finish(d, req, &c, rc);
	return true;
}

void dispatch(struct dispatcher *d, struct req *req)
{
	req->started = req->came ? req->came : clock_monotonic();
	if (req->deadline == 0)
		req->deadline = req->started + DEADLINE_DEFAULT_US;
	req->res = arena_new(req->mem, struct res);
	*req->res = (struct res){ .format = FORMAT_NONE, .max_age_s = -1, .retry_after_s = -1 };

	enum rc rc = req->route ? RC_OK : route_find(req);
	if (rc == RC_METHOD)
		req->res->allow = route_allow(req);
	if (rc != RC_OK) {
		call_refuse(d, req, err_of_rc(rc), NULL);
		return;
	}
	if (run_in_memory(d, req))
		return;
	req->came_wall = 0; /* by the time a worker has it, it is another */
	if (!enqueue(d, req))
		call_refuse(d, req, ERR_UNAVAILABLE, "the server is busy");
}

/* --- workers --- */

/* Unlinks up to max calls of the lane. */
static struct queue_node *lane_take(struct lane *lane, size_t max)
{
	struct queue_node *first = lane->head, **end = &lane->head;

	while (*end && max-- > 0) {
		end = &(*end)->next;
		lane->count--;
	}
	if (end == &lane->head)
		return NULL;
	lane->head = *end;
	*end = NULL;
	if (!lane->head)
		lane->end = &lane->head;
	lane_note(lane);
	return first;
}

static bool may_run(const struct dispatcher *d, enum lane_kind kind)
{
	int most = d->workers > 1 ? d->workers - 1 : 1;
	int busy = d->lanes[LANE_SINGLE].running + d->lanes[LANE_BATCH].running;

	if (kind == LANE_OPERATOR)
		busy = d->lanes[LANE_OPERATOR].running;
	return d->lanes[kind].head && busy < most;
}

/* Operators first, who are few; of devices the lane whose first call is older.  LANE_COUNT when
 * none may run. */
static enum lane_kind lane_choose(const struct dispatcher *d)
{
	enum lane_kind best = LANE_COUNT;

	if (may_run(d, LANE_OPERATOR))
		return LANE_OPERATOR;
	for (enum lane_kind i = LANE_SINGLE; i < LANE_COUNT; i++) {
		if (!may_run(d, i))
			continue;
		if (best == LANE_COUNT ||
		    lane_first(&d->lanes[i])->started < lane_first(&d->lanes[best])->started)
			best = i;
	}
	return best;
}

static bool is_idle(const struct dispatcher *d)
{
	for (int i = 0; i < LANE_COUNT; i++)
		if (d->lanes[i].head)
			return false;
	return true;
}

/* Waits for work; NULL when it is time to go.  Called and left with the mutex held. */
static struct queue_node *next_work(struct dispatcher *d, enum lane_kind *ret)
{
	for (;;) {
		enum lane_kind kind = lane_choose(d);
		if (kind != LANE_COUNT) {
			*ret = kind;
			return lane_take(&d->lanes[kind],
					 kind == LANE_BATCH ? d->batch_max : 1);
		}
		if (d->stopping && is_idle(d))
			return NULL;
		pthread_cond_wait(&d->ready, &d->mutex);
	}
}

/* When a batch took long the database is slow: then many small ones are fairer, because the
 * workers share them and those who come late find a place.  The mutex is held. */
static void batch_adapt(struct dispatcher *d, int64_t took)
{
	if (took > BATCH_LONG_US)
		d->batch_max = d->batch_max / 2 ? d->batch_max / 2 : 1;
	else if (d->batch_max < BATCH_MAX)
		d->batch_max = d->batch_max * 2 < BATCH_MAX ? d->batch_max * 2 : BATCH_MAX;
}

void dispatch_work(struct dispatcher *d, int shard)
{
	enum lane_kind kind = LANE_SINGLE;

	pthread_mutex_lock(&d->mutex);
	d->workers++;
	for (struct queue_node *work; (work = next_work(d, &kind));) {
		d->lanes[kind].running++;
		pthread_mutex_unlock(&d->mutex);
		int64_t began = clock_monotonic();
		if (kind == LANE_BATCH)
			run_batch(d, work, shard);
		else
			run_single(d, container_of(work, struct req, node), shard);
		pthread_mutex_lock(&d->mutex);
		d->lanes[kind].running--;
		if (kind == LANE_BATCH)
			batch_adapt(d, clock_monotonic() - began);
		pthread_cond_broadcast(&d->ready);
	}
	d->workers--;
	pthread_cond_broadcast(&d->ready);
	pthread_mutex_unlock(&d->mutex);
}

/* Unlinks what has expired. */
static struct queue_node *lane_take_expired(struct lane *lane, int64_t now)
{
	struct queue_node *expired = NULL, **end = &expired, **at = &lane->head;

	while (*at) {
		struct queue_node *node = *at;
		if (!call_expired(container_of(node, struct req, node), now)) {
			at = &node->next;
			continue;
		}
		*at = node->next;
		node->next = NULL;
		*end = node;
		end = &node->next;
		lane->count--;
	}
	lane->end = at;
	lane_note(lane);
	return expired;
}

void dispatch_expire(struct dispatcher *d)
{
	int64_t now = clock_monotonic();

	for (int i = 0; i < LANE_COUNT; i++) {
		pthread_mutex_lock(&d->mutex);
		struct queue_node *node = lane_take_expired(&d->lanes[i], now);
		pthread_mutex_unlock(&d->mutex);
		while (node) {
			struct req *req = container_of(node, struct req, node);
			node = node->next;
			call_refuse(d, req, ERR_UNAVAILABLE, "the database is slow or away");
		}
	}
}
