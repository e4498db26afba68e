/* Manifests: signed envelopes, the bytes that came, and the images they make a device fetch. */
#pragma once

#include "base/model/release.h"
#include "db/db.h"

#include <stdbool.h>

/* RC_CONFLICT when there is one with this digest; the transaction goes on. */
enum rc manifest_store_insert(struct db *db, int32_t tenant, const struct uuid *release_id,
			      const struct manifest *m) MUST_CHECK;
struct manifest_row {
	struct bytes envelope;
	bool withdrawn; /* its release is */
};
/* By digest.  RC_NOT_FOUND. */
enum rc manifest_store_get(struct db *db, int32_t tenant, const struct digest *digest,
			   struct arena *mem, struct manifest_row *ret) MUST_CHECK;
/* Up to limit manifests of r->release_id with envelopes and images, and how many there are,
 * into r.  First those that want no precursor, of these those that need least: the one that
 * most devices can take is the first. */
enum rc manifest_store_list(struct db *db, int32_t tenant, int limit, struct arena *mem,
			    struct release *r) MUST_CHECK;
/* Locks some whose needs were not read yet: digest and envelope. */
enum rc manifest_store_unsurveyed(struct db *db, int32_t tenant, int limit, struct arena *mem,
				  struct manifest **ret, int *ret_count) MUST_CHECK;
/* What was read; needs NULL: it cannot be, and stays as it is. */
enum rc manifest_store_surveyed(struct db *db, int32_t tenant,
				const struct manifest *m) MUST_CHECK;
