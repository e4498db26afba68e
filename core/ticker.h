/* The ticker: what time makes happen.  Every daemon runs one thread of it: it flushes the
 * roster's signs of life and says that the node lives.  One daemon at a time holds the lease
 * and starts campaigns, judges gates and deadlines, clears what is old, and reads again what
 * was stored before the server noted all that it does now. */
#pragma once

#include "base/model/witness.h"
#include "core/core.h"
#include "db/db.h"

struct ticker;

struct ticker_options {
	int32_t tenant;
	const char *node_name; /* host name, for people */
	int64_t interval_us;   /* between ticks; 0: half a second */
};

struct ticker *ticker_create(struct core *core, struct db_pool *pool,
			     const struct ticker_options *options);
/* Thread body; returns after ticker_stop().  Flushes the signs of life once more at the end. */
void ticker_run(struct ticker *t);
/* Any thread.  From ticker_wind_down() on no work begins, and what is under way ends after its
 * transaction, so that what ticker_stop() leaves to be written soon finds its turn. */
void ticker_wind_down(struct ticker *t);
void ticker_stop(struct ticker *t);
/* One round, for tests: RC_UNAVAILABLE when the database is not there. */
enum rc ticker_tick(struct ticker *t) MUST_CHECK;
void ticker_free(struct ticker *t);

/* Before it runs: how far the database was; the ticker follows it (core/witness.h).  Without a
 * mark, as in tests, it does not look. */
void ticker_remember(struct ticker *t, const struct witness_mark *mark);
/* The daemon's clock goes with the system's, the database's has proved it once, and what a step
 * of both asks for is done, which a daemon that ended would forget.  Any thread. */
bool ticker_time_is_sure(struct ticker *t);
/* The database went back in time, or was fenced: this daemon must end, and start anew. */
bool ticker_gave_up(struct ticker *t);
