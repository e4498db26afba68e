/* Signs of life on their way from the roster to the database. */
#pragma once

#include "core/roster.h"
#include "db/db.h"

/* Writes all that were not written yet, in batches that commit by themselves.  What fails is
 * given back to the roster.  mem is reset. */
enum rc seen_flush(struct roster *r, struct db *db, int32_t tenant,
		   struct arena *mem) MUST_CHECK;
