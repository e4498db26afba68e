/* When devices were last heard of: a narrow table, written in batches. */
#pragma once

#include "db/db.h"

/* ids ascending, so that two daemons cannot deadlock.  A later time that is there stays. */
enum rc seen_store_put(struct db *db, int32_t tenant, struct arena *mem, const struct uuid *ids,
		       const int64_t *seen_at, size_t count) MUST_CHECK;
