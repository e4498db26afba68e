/* Releases, and the digests that prove them. */
#pragma once

#include "base/model/release.h"
#include "db/db.h"

/* The release with its installed digests; not its manifests.  RC_CONFLICT when another one has
 * the sequence number; the transaction goes on. */
enum rc release_store_insert(struct db *db, int32_t tenant, const struct release *r,
			     const struct uuid *operator_id) MUST_CHECK;
/* With installed digests.  RC_NOT_FOUND. */
enum rc release_store_get(struct db *db, int32_t tenant, const struct uuid *release_id,
			  struct arena *mem, struct release *ret) MUST_CHECK;
/* Newest first, with installed digests; after: NULL or the last one before. */
enum rc release_store_list(struct db *db, int32_t tenant, const struct release *after,
			   int limit, struct arena *mem, struct release **ret,
			   int *ret_count) MUST_CHECK;
/* A time that is set stays.  RC_STALE unless the revision is r's. */
enum rc release_store_withdraw(struct db *db, int32_t tenant, const struct release *r,
			       int64_t now) MUST_CHECK;
/* As it is now, whatever was read before. */
enum rc release_store_is_withdrawn(struct db *db, int32_t tenant, const struct uuid *release_id,
				   bool *ret) MUST_CHECK;
/* Nobody else changes it, or adds a manifest, until the transaction ends.  RC_NOT_FOUND. */
enum rc release_store_lock(struct db *db, int32_t tenant,
			   const struct uuid *release_id) MUST_CHECK;
/* What belongs to it has changed: its revision grows. */
enum rc release_store_touch(struct db *db, int32_t tenant,
			    const struct uuid *release_id) MUST_CHECK;
