/* Devices, the operator's side. */
#pragma once

#include "base/model/device.h"
#include "base/model/job.h"
#include "db/db.h"

#include <stdbool.h>

#define DEVICE_FILTERS_MAX 4

/* A device as an operator sees it. */
struct device_item {
	struct device d;
	const char *class_name; /* NULL when the class is not known */
	int64_t next_wake_at;   /* 0: not said */
	bool has_job;
	struct job job; /* the open one, of any component */
};

struct device_filter {
	bool has_class;
	struct uuid class_id;
	const char *endpoint_prefix; /* or NULL */
	struct attribute attributes[DEVICE_FILTERS_MAX];
	int attribute_count;
	const char *after; /* endpoint name that the page begins after, or NULL */
	int limit;
};

struct attribute_change {
	const char *name;
	const char *value; /* NULL removes it */
};

/* What opens a session for a device; at most one of the two. */
struct device_credential {
	enum credential_kind kind;
	struct bytes psk_sealed;
	struct digest certificate;
};

/* RC_NOT_FOUND. */
enum rc device_store_get(struct db *db, int32_t tenant, const struct uuid *device_id,
			 struct arena *mem, struct device_item *ret) MUST_CHECK;
/* Locks the row until the transaction ends. */
enum rc device_store_lock(struct db *db, int32_t tenant,
			  const struct uuid *device_id) MUST_CHECK;
/* By endpoint name, up to f->limit. */
enum rc device_store_list(struct db *db, int32_t tenant, const struct device_filter *f,
			  struct arena *mem, struct device_item **ret,
			  int *ret_count) MUST_CHECK;
/* d: id, endpoint, attributes, report_key, created_at.  RC_CONFLICT when it exists; the
 * transaction goes on. */
enum rc device_store_insert(struct db *db, int32_t tenant, const struct device *d,
			    const struct device_credential *c, struct arena *mem) MUST_CHECK;
/* Some attributes, and d's report_key as it is there.  RC_STALE unless the revision is d's. */
enum rc device_store_change(struct db *db, int32_t tenant, const struct device *d,
			    const struct attribute_change *changes, int count,
			    struct arena *mem) MUST_CHECK;
/* Makes a revoked device provisioned, or active when it has registered before. */
enum rc device_store_set_credential(struct db *db, int32_t tenant, const struct uuid *device_id,
				    const struct device_credential *c) MUST_CHECK;
/* Takes the credential away too. */
enum rc device_store_revoke(struct db *db, int32_t tenant,
			    const struct uuid *device_id) MUST_CHECK;
/* With all that is known of it, but jobs and events.  RC_STALE unless the revision is the one
 * given. */
enum rc device_store_delete(struct db *db, int32_t tenant, const struct uuid *device_id,
			    int64_t revision) MUST_CHECK;
