/* Answers to requests with an Idempotency-Key, kept so that a request that is sent again gets
 * the same answer. */
#pragma once

#include "db/db.h"

#define IDEMPOTENCY_KEEP_US (INT64_C(24) * 3600 * 1000000)

struct idempotency_row {
	struct uuid operator_id;
	const char *key;
	struct digest fingerprint; /* of the request */
	int32_t status;
	const char *location; /* empty: none */
	const char *etag;     /* empty: none */
	struct bytes body;    /* sealed: answers may show a secret */
	int64_t created_at;
};

/* Holds the key until the transaction ends; ret false when another transaction holds it. */
enum rc idempotency_store_lock(struct db *db, int32_t tenant, const struct uuid *operator_id,
			       const char *key, bool *ret) MUST_CHECK;
/* RC_NOT_FOUND when there is none younger than since. */
enum rc idempotency_store_get(struct db *db, int32_t tenant, struct arena *mem, int64_t since,
			      struct idempotency_row *row) MUST_CHECK;
enum rc idempotency_store_put(struct db *db, int32_t tenant,
			      const struct idempotency_row *row) MUST_CHECK;
/* Deletes up to limit rows that are older, and says how many; for the ticker. */
enum rc idempotency_store_purge(struct db *db, int64_t before, int limit,
				int64_t *ret_count) MUST_CHECK;
