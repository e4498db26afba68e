/* What the fence changes after a backup was restored (docs/restore.md). */
#pragma once

#include "base/model/witness.h"
#include "db/db.h"

/* Acts of the time that was lost, done again.  ret_rows: 0 when there is nothing to do. */
enum fence_act {
	FENCE_SEQUENCE,        /* detail: vendor_id, class_id, components, sequence */
	FENCE_DEVICE,          /* revoked */
	FENCE_CREDENTIAL,      /* the old one opens nothing */
	FENCE_AUTHOR_KEY,      /* revoked */
	FENCE_RELEASE,         /* withdrawn */
	FENCE_OPERATOR,        /* disabled, or another role, as detail says */
	FENCE_OPERATOR_DELETE, /* disabled */
	FENCE_TOKEN,           /* deleted */
};
struct fence_again {
	enum fence_act act;
	const char *object_id, *detail;
	int64_t now;
};
enum rc fence_store_again(struct db *db, int32_t tenant, const struct fence_again *a,
			  int64_t *ret_rows) MUST_CHECK;
/* Whether an earlier fence did it; `reason` is the fence's own. */
enum rc fence_store_done(struct db *db, int32_t tenant, const struct witness_act *act,
			 const char *reason, bool *ret) MUST_CHECK;

/* Numbers that must not be given twice jump ahead. */
enum rc fence_store_burn_sequences(struct db *db, int32_t tenant, int64_t now,
				   int64_t *ret_rows) MUST_CHECK;
/* Job numbers; open jobs get new ones, so that reports about the old ones find nothing. */
enum rc fence_store_burn_jobs(struct db *db, int32_t tenant, int64_t *ret_rows) MUST_CHECK;
/* The outbox is emptied: whoever reads it starts anew. */
enum rc fence_store_burn_outbox(struct db *db) MUST_CHECK;
/* Nobody holds the lease, and its number jumps. */
enum rc fence_store_burn_lease(struct db *db) MUST_CHECK;

/* Locks the instance; fences come one after another. */
enum rc fence_store_lock(struct db *db, struct uuid *ret_instance_id,
			 int64_t *ret_epoch) MUST_CHECK;
enum rc fence_store_raise(struct db *db, int64_t epoch, int64_t now) MUST_CHECK;
