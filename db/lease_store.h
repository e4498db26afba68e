/* The lease that elects one daemon, by the clock of the database, and the list of daemons. */
#pragma once

#include "db/db.h"

#include <stdbool.h>

struct lease {
	const char *name;
	struct uuid holder;
	int64_t fence;
};

/* Takes the lease when it is free, run out, or held by this holder already, for ttl_us from
 * now; also when it reaches farther than any lease may, because the database's clock was set
 * back.  lease->fence is written when it is held. */
enum rc lease_store_acquire(struct db *db, struct lease *lease, int64_t ttl_us,
			    bool *ret_held) MUST_CHECK;
/* Inside a transaction: RC_CONFLICT unless the lease is still held under this fence; it cannot
 * change hands before the transaction ends. */
enum rc lease_store_guard(struct db *db, const struct lease *lease) MUST_CHECK;
/* Gives it up, so that another daemon need not wait. */
enum rc lease_store_release(struct db *db, const struct lease *lease) MUST_CHECK;

/* The database's clock. */
enum rc lease_store_clock(struct db *db, int64_t *ret) MUST_CHECK;

/* This daemon lives; daemons silent for a day are forgotten. */
enum rc node_store_seen(struct db *db, const struct uuid *node_id, const char *name,
			int64_t now) MUST_CHECK;
