/* Tallies: progress by counters, written in the transaction that changes a job.  Workers write
 * rows of their own (shards); the sum over shards is the number. */
#pragma once

#include "db/db.h"

struct tally_key {
	struct uuid campaign_id;
	int32_t stage;
	int32_t shard;
};

/* One job more in a state. */
enum rc tally_store_add(struct db *db, int32_t tenant, const struct tally_key *key,
			int state) MUST_CHECK;
/* One job from a state to another. */
enum rc tally_store_move(struct db *db, int32_t tenant, const struct tally_key *key, int from,
			 int to) MUST_CHECK;

typedef void tally_store_row(void *arg, int32_t stage, int state, int64_t n);
enum rc tally_store_sum(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			tally_store_row *row, void *arg) MUST_CHECK;
