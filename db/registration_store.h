/* The device's side of a device: what it says of itself when it registers. */
#pragma once

#include "base/model/device.h"
#include "db/db.h"

/* What a registration or an offer must know. */
struct device_row {
	struct uuid device_id;
	enum device_lifecycle lifecycle;
	struct uuid vendor_id, class_id;
	struct bytes boot_id;
	struct digest registration; /* SHA-256 of the last one; zero: none */
	struct component *components;
	int component_count;
	int64_t max_envelope, max_image; /* bytes; 0: not said */
	const char *formats;             /* joined by a comma; empty: none */
	bool only_encrypted;
};

/* Locks devices against other registrations and offers, one at a time over all daemons, in the
 * order of their ids.  By place, without components; device_id is zero where there is none. */
enum rc registration_store_lock(struct db *db, int32_t tenant, struct arena *mem,
				const struct uuid *device_ids, size_t count,
				struct device_row *ret) MUST_CHECK;
/* One with components, and member_store_look() at once.  RC_NOT_FOUND when there is none. */
enum rc registration_store_lock_looking(struct db *db, int32_t tenant,
					const struct uuid *device_id, struct arena *mem,
					struct device_row *ret) MUST_CHECK;
/* The same without a lock. */
enum rc registration_store_get(struct db *db, int32_t tenant, const struct uuid *device_id,
			       struct arena *mem, struct device_row *ret) MUST_CHECK;

struct registration_put {
	const struct uuid *device_id;
	const struct registration *registration;
	const struct digest *digest;
	const struct bytes *version_keys; /* one for each component; empty: none */
	int64_t now;
	bool stored; /* set by registration_store_put() */
};
/* Stores device, attributes and components of many, each device at most once.  Nothing is
 * stored of a device that would have more than 2 * ATTRIBUTES_MAX attributes. */
enum rc registration_store_put(struct db *db, int32_t tenant, struct arena *mem,
			       struct registration_put *puts, size_t count) MUST_CHECK;
