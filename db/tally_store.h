/* Tallies: progress by counters, written in the transaction that changes a job.  Workers write
 * rows of their own (shards); the sum over shards counts. */
#pragma once

#include "db/db.h"

/* What else is counted, in place of jobs in a state. */
enum tally_kind {
	TALLY_BYTES_OFFERED = 100, /* that offers named, of every attempt */
	TALLY_BYTES_SAVED = 101,   /* of succeeded jobs, against the largest variant */
	TALLY_FALLBACKS = 102,     /* jobs whose delta failed */
	TALLY_CURRENT = 103,       /* members that ran the release before the start */
};

/* So many jobs more, or less, of a stage are in a state; or what a tally_kind counts. */
struct tally_change {
	struct uuid campaign_id;
	int32_t stage;
	int32_t state; /* job_state or tally_kind */
	int64_t n;
};

/* Each campaign, stage and state at most once. */
enum rc tally_store_add(struct db *db, int32_t tenant, int32_t shard, struct arena *mem,
			const struct tally_change *changes, size_t count) MUST_CHECK;

typedef void tally_store_row(void *arg, int32_t stage, int state, int64_t n);
enum rc tally_store_sum(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			tally_store_row *row, void *arg) MUST_CHECK;
