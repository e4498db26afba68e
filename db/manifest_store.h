/* Manifests: signed envelopes, the bytes that came, and the images they make a device fetch. */
#pragma once

#include "base/model/release.h"
#include "db/db.h"

/* RC_CONFLICT when there is one with this digest; the transaction goes on. */
enum rc manifest_store_insert(struct db *db, int32_t tenant, const struct uuid *release_id,
			      const struct manifest *m) MUST_CHECK;
/* All manifests of a release with envelopes and images, by digest. */
enum rc manifest_store_list(struct db *db, int32_t tenant, const struct uuid *release_id,
			    struct arena *mem, struct manifest **ret,
			    int *ret_count) MUST_CHECK;
