/* Operators and the one-time secret of the first one. */
#pragma once

#include "base/model/operator.h"
#include "db/db.h"

/* RC_CONFLICT when the name or the certificate is taken; the transaction goes on. */
enum rc operator_store_insert(struct db *db, int32_t tenant,
			      const struct operator_item *o) MUST_CHECK;
enum rc operator_store_get(struct db *db, int32_t tenant, const struct uuid *id,
			   struct arena *mem, struct operator_item *ret) MUST_CHECK;
struct operator_page {
	const char *after; /* last name of the page before, or NULL */
	int limit;
	struct arena *mem; /* for the rows */
};
/* By name. */
enum rc operator_store_list(struct db *db, int32_t tenant, const struct operator_page *page,
			    struct operator_item **ret, int *ret_count) MUST_CHECK;
/* Stores role and disabled where the revision still holds; ret_rows 0 when it does not. */
enum rc operator_store_update(struct db *db, int32_t tenant, const struct operator_item *o,
			      int64_t *ret_rows) MUST_CHECK;
/* With its tokens. */
enum rc operator_store_delete(struct db *db, int32_t tenant, const struct uuid *id,
			      int64_t revision, int64_t *ret_rows) MUST_CHECK;
/* Locks the administrators that are not disabled and counts them. */
enum rc operator_store_lock_admins(struct db *db, int32_t tenant, int64_t *ret) MUST_CHECK;

/* Enabled operators alone: RC_NOT_FOUND otherwise. */
enum rc operator_store_by_token(struct db *db, int32_t tenant, const struct digest *hash,
				int64_t now, struct arena *mem,
				struct operator_item *ret) MUST_CHECK;
enum rc operator_store_by_certificate(struct db *db, int32_t tenant,
				      const struct digest *certificate, struct arena *mem,
				      struct operator_item *ret) MUST_CHECK;

/* Replaces an older secret. */
enum rc bootstrap_store_put(struct db *db, int32_t tenant,
			    const struct digest *hash) MUST_CHECK;
/* Uses the secret up: ret false when it is wrong or was used. */
enum rc bootstrap_store_use(struct db *db, int32_t tenant, const struct digest *hash,
			    bool *ret) MUST_CHECK;
