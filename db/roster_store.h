/* What the roster loads: devices with their keys, open jobs, exposed members, releases. */
#pragma once

#include "base/model/device.h"
#include "db/db.h"

/* One device as the roster wants it. */
struct roster_row {
	struct uuid device_id;
	enum device_lifecycle lifecycle;
	enum credential_kind credential;
	struct bytes proof;    /* borrowed: the sealed key, or the certificate's SHA-256 */
	uint64_t registration; /* first 8 bytes of the digest, big-endian; 0: none */
	int64_t seen_at;
	int64_t job_id; /* open one, 0: none */
	int32_t attempt;
	struct digest manifest; /* that the job is offered; zero: to be chosen */
	bool exposed;           /* a running campaign may offer itself; not from the copy */
};

typedef void roster_store_row(void *arg, const struct roster_row *row);

/* Every device of the tenant, by COPY; exposed is false. */
enum rc roster_store_copy(struct db *db, int32_t tenant, roster_store_row *row,
			  void *arg) MUST_CHECK;
/* Those among ids that exist. */
enum rc roster_store_get(struct db *db, int32_t tenant, struct arena *mem,
			 const struct uuid *ids, size_t count, roster_store_row *row,
			 void *arg) MUST_CHECK;

/* Manifests of the releases of campaigns that are starting, running or paused. */
enum rc roster_store_active_manifests(struct db *db, int32_t tenant, struct arena *mem,
				      struct digest **ret, size_t *ret_count) MUST_CHECK;

struct manifest_row {
	struct uuid release_id;
	struct bytes envelope;
	struct digest *images;
	int image_count;
};
/* A manifest and the images it makes a device fetch, in the arena. */
enum rc roster_store_manifest(struct db *db, int32_t tenant, const struct digest *digest,
			      struct arena *mem, struct manifest_row *ret) MUST_CHECK;
