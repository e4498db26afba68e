/* Author keys: public keys of authors, by class and component. */
#pragma once

#include "base/model/release.h"
#include "db/db.h"

#include <stdbool.h>

/* RC_CONFLICT when the key is there for the same scope; the transaction goes on. */
enum rc author_key_store_insert(struct db *db, int32_t tenant,
				const struct author_key *k) MUST_CHECK;
/* Those that count: not revoked, with this kid, for this class; by component.  At most 64. */
enum rc author_key_store_find(struct db *db, int32_t tenant, const struct author_key *key,
			      struct arena *mem, struct author_key **ret,
			      int *ret_count) MUST_CHECK;
enum rc author_key_store_get(struct db *db, int32_t tenant, const struct uuid *author_key_id,
			     struct arena *mem, struct author_key *ret) MUST_CHECK;

struct author_key_filter {
	bool has_class;
	struct uuid vendor_id, class_id;
	const struct uuid *after; /* NULL: from the start */
	int limit;
};
/* By id. */
enum rc author_key_store_list(struct db *db, int32_t tenant, const struct author_key_filter *f,
			      struct arena *mem, struct author_key **ret,
			      int *ret_count) MUST_CHECK;
/* RC_NOT_FOUND; a time that is set stays. */
enum rc author_key_store_revoke(struct db *db, int32_t tenant, const struct uuid *author_key_id,
				int64_t now) MUST_CHECK;
