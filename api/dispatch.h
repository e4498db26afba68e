/* The dispatcher: the life of a call.  Transports call dispatch() on their own threads; memory
 * routes are answered at once, the others wait in bounded queues for workers.  A call past its
 * deadline is answered 503/5.03 without being run, and one that finds a queue whose first has
 * waited for half of its own patience is turned away at once. */
#pragma once

#include "api/req.h"
#include "core/core.h"
#include "db/db.h"

struct dispatcher;

struct dispatch_options {
	size_t queue_max; /* calls that may wait, each kind */
	int32_t tenant;
};

struct dispatcher *dispatcher_create(struct core *core, struct db_pool *pool,
				     const struct dispatch_options *options);
void dispatcher_free(struct dispatcher *d);
/* Takes req over until req->done(req, res) was called, possibly before this returns. */
void dispatch(struct dispatcher *d, struct req *req);
/* Body of a worker thread number `shard`; returns after dispatcher_stop(). */
void dispatch_work(struct dispatcher *d, int shard);
/* Answers waiting calls whose deadline has passed, 503/5.03.  Workers do it too, unless all of
 * them hang in the database; so a network thread calls this about once a second. */
void dispatch_expire(struct dispatcher *d);
/* For how long the first of the devices' calls has waited for a worker, in microseconds; 0:
 * none waits.  Never waits itself. */
int64_t dispatch_waits_us(struct dispatcher *d, int64_t now);
/* No new calls (503); the waiting ones are run; workers return. */
void dispatcher_stop(struct dispatcher *d);

/* Who speaks: a transport sets req->actor itself for a device.  For an operator it gives the
 * credential (req->bearer or req->certificate), which the dispatcher resolves inside the call's
 * transaction. */
