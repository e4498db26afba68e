/* Images known by digest; their bytes are files (core/images.h). */
#pragma once

#include "base/model/release.h"
#include "db/db.h"

#include <stdbool.h>

/* ret_new: false when it was there. */
enum rc image_store_add(struct db *db, int32_t tenant, const struct image_item *image,
			const struct uuid *operator_id, bool *ret_new) MUST_CHECK;
/* RC_NOT_FOUND. */
enum rc image_store_get(struct db *db, int32_t tenant, const struct digest *digest,
			struct image_item *ret) MUST_CHECK;
/* By digest; after: NULL or the last one before. */
enum rc image_store_list(struct db *db, int32_t tenant, const struct digest *after, int limit,
			 struct arena *mem, struct image_item **ret, int *ret_count) MUST_CHECK;
