/* Signs of life, in batches.  A commit that is lost is lost: the next sign comes anyway. */

#include "core/seen.h"

#include "core/roster_update.h"
#include "db/seen_store.h"

#define FLUSH_BATCH 1000

static enum rc flush_batch(struct roster *r, struct db *db, int32_t tenant, struct arena *mem,
			   const struct roster_sign *signs, size_t n)
{
	struct uuid *ids = arena_array(mem, n, sizeof(*ids));
	int64_t *seen = arena_array(mem, n, sizeof(*seen));
	int64_t *fetched = arena_array(mem, n, sizeof(*fetched));

	for (size_t i = 0; i < n; i++) {
		ids[i] = signs[i].device_id;
		seen[i] = signs[i].seen_at;
		fetched[i] = signs[i].fetched_at;
	}
	enum rc rc =
		seen_store_put(db, tenant, mem, &(struct seen_batch){ ids, seen, fetched, n });
	if (rc != RC_OK)
		roster_give_back_seen(r, signs, n);
	return rc;
}

enum rc seen_flush(struct roster *r, struct db *db, int32_t tenant, struct arena *mem)
{
	enum rc rc = RC_OK;
	size_t n = FLUSH_BATCH;

	while (rc == RC_OK && n == FLUSH_BATCH) {
		arena_reset(mem);
		struct roster_sign *signs = arena_array(mem, FLUSH_BATCH, sizeof(*signs));
		n = roster_take_seen(r, signs, FLUSH_BATCH);
		if (n)
			rc = flush_batch(r, db, tenant, mem, signs, n);
	}
	return rc;
}
