/* When devices were last heard of: a narrow table, written in batches. */
#pragma once

#include "db/db.h"

struct seen_batch {
	const struct uuid *ids; /* ascending, so that two daemons cannot deadlock */
	const int64_t *seen_at;
	const int64_t *fetched_at; /* 0: no image */
	size_t count;
};
/* Later times that are there stay. */
enum rc seen_store_put(struct db *db, int32_t tenant, struct arena *mem,
		       const struct seen_batch *batch) MUST_CHECK;
