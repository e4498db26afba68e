/* Classes, and the highest sequence number released for each set of their components. */
#pragma once

#include "base/model/release.h"
#include "db/db.h"

/* RC_CONFLICT when it exists; the transaction goes on. */
enum rc class_store_insert(struct db *db, int32_t tenant,
			   const struct device_class *k) MUST_CHECK;
/* RC_NOT_FOUND. */
enum rc class_store_get(struct db *db, int32_t tenant, const struct device_class *key,
			struct arena *mem, struct device_class *ret) MUST_CHECK;
/* By vendor id and class id; after: NULL or the last one before. */
enum rc class_store_list(struct db *db, int32_t tenant, const struct device_class *after,
			 int limit, struct arena *mem, struct device_class **ret,
			 int *ret_count) MUST_CHECK;
/* Name and confirmation.  RC_STALE unless the revision is k's. */
enum rc class_store_update(struct db *db, int32_t tenant,
			   const struct device_class *k) MUST_CHECK;

/* See base/model/release.h. */
enum rc class_store_digests(struct db *db, int32_t tenant, const struct device_class *key,
			    const char *component, struct arena *mem,
			    struct class_digests *ret) MUST_CHECK;

struct class_sequence {
	struct uuid vendor_id, class_id;
	const char *components; /* sorted, joined by a comma */
	int64_t sequence;
};
/* The last one of any set that has one of the components; -1 when there is none.  Waits for
 * whoever has asked before, so that two sets that share a component come one after the other.
 */
enum rc class_store_sequence(struct db *db, int32_t tenant, const struct class_sequence *key,
			     int64_t *ret) MUST_CHECK;
/* Sets it where it is lower; RC_CONFLICT when it is not (the transaction goes on).  Waits for
 * whoever is setting it now. */
enum rc class_store_raise_sequence(struct db *db, int32_t tenant,
				   const struct class_sequence *s) MUST_CHECK;
