/* Tallies: progress by counters, written in the transaction that changes a job.  Workers write
 * rows of their own (shards); the sum over shards counts. */
#pragma once

#include "db/db.h"

/* So many jobs more, or less, of a stage are in a state. */
struct tally_change {
	struct uuid campaign_id;
	int32_t stage;
	int32_t state;
	int64_t n;
};

/* Each campaign, stage and state at most once. */
enum rc tally_store_add(struct db *db, int32_t tenant, int32_t shard, struct arena *mem,
			const struct tally_change *changes, size_t count) MUST_CHECK;

typedef void tally_store_row(void *arg, int32_t stage, int state, int64_t n);
enum rc tally_store_sum(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			tally_store_row *row, void *arg) MUST_CHECK;
