/* The audit's rows and the head of its chain. */
#pragma once

#include "base/model/audit.h"
#include "db/db.h"

/* Locks the head until the transaction ends: writers of the audit come one after another. */
enum rc audit_store_lock_head(struct db *db, int32_t tenant, int64_t *ret_seq,
			      struct digest *ret_hash) MUST_CHECK;
/* The last entry's number, without a lock: entries that are committed later have higher ones.
 */
enum rc audit_store_seq(struct db *db, int32_t tenant, int64_t *ret) MUST_CHECK;
/* Writes the entry and moves the head to it; the caller holds the head. */
enum rc audit_store_append(struct db *db, const struct audit_entry *e) MUST_CHECK;
/* Entries behind `after`, in order. */
struct audit_page {
	int64_t after;
	int limit;
	struct arena *mem; /* for the rows */
};
enum rc audit_store_list(struct db *db, int32_t tenant, const struct audit_page *page,
			 struct audit_entry **ret, int *ret_count) MUST_CHECK;
