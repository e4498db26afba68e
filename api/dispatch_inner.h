/* Inside the dispatcher: its parts, for api/dispatch*.c alone. */
#pragma once

#include "api/come_back.h"
#include "api/dispatch.h"
#include "api/route.h"
#include "api/throttle.h"

#include <pthread.h>
#include <stdatomic.h>

/* Operators have a lane of their own: devices that come back by the hundred thousand do not
 * stand before them. */
enum lane_kind { LANE_OPERATOR, LANE_SINGLE, LANE_BATCH, LANE_COUNT };

/* Calls that wait, in order of arrival. */
struct lane {
	struct queue_node *head, **end;
	_Atomic int64_t since; /* when the first of them came; 0: none waits */
	size_t count;
	int running; /* workers that are busy with this kind */
};

struct dispatcher {
	struct core *core;
	struct db_pool *pool;
	struct dispatch_options options;
	struct throttle *throttle;
	struct come_back come_back;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t ready;
	struct lane lanes[LANE_COUNT];
	size_t batch_max; /* calls of one batch; few while the database is slow */
	int workers;
	bool stopping;
};

/* --- dispatch_call.c: one call --- */

void call_prepare(struct dispatcher *d, const struct req *req, struct call *ret);
/* Carries what the call says into res, logs, counts, and lets the transport answer.  req is
 * gone afterwards. */
void call_finish(struct dispatcher *d, struct req *req, struct call *c, enum rc rc);
/* Answers without a call. */
void call_refuse(struct dispatcher *d, struct req *req, enum err err, const char *detail);
bool call_expired(const struct req *req, int64_t now);

/* --- dispatch_auth.c --- */

/* What can be said without the database; RC_OK: go on. */
enum rc auth_before(struct dispatcher *d, struct call *c, const struct req *req) MUST_CHECK;
/* Who speaks, and may they?  In the call's transaction. */
enum rc auth_check(struct call *c, struct req *req) MUST_CHECK;
/* Learns from the outcome. */
void auth_after(struct dispatcher *d, const struct req *req, const struct res *res);

/* --- dispatch_run.c: on workers --- */

void run_single(struct dispatcher *d, struct req *req, int shard);
/* A list of calls, all of batch routes. */
void run_batch(struct dispatcher *d, struct queue_node *list, int shard);
