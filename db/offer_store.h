/* What a decision about an offer needs: the campaign's side for one device, and the release. */
#pragma once

#include "base/model/campaign.h"
#include "base/model/job.h"
#include "base/model/release.h"
#include "base/model/variant.h"
#include "db/db.h"

#include <stdbool.h>

struct offer_row {
	struct uuid campaign_id;
	struct uuid release_id;
	enum campaign_state state;
	int64_t threshold; /* of the open stage */
	bool is_member;
	int64_t bucket;
	int32_t stage; /* that the member belongs to */
	bool has_job;
	enum job_state job_state;
	int32_t silent_after_s;
	struct release
		release; /* class, components, version, sequence, withdrawn_at, installed */
	enum class_confirm confirm;
};

/* Running campaigns that expose this device and have no job for it, oldest first; few. */
enum rc offer_store_candidates(struct db *db, int32_t tenant, const struct uuid *device_id,
			       struct arena *mem, struct offer_row **ret,
			       int *ret_count) MUST_CHECK;
/* Campaigns, running or paused, that have this device as a member and no job for it, whatever
 * the stage; all of them, in the order of their ids. */
enum rc offer_store_waiting(struct db *db, int32_t tenant, const struct uuid *device_id,
			    struct arena *mem, struct offer_row **ret,
			    int *ret_count) MUST_CHECK;
/* One campaign, whatever its state and whether or not the device belongs to it. */
enum rc offer_store_get(struct db *db, int32_t tenant, const struct uuid *device_id,
			const struct uuid *campaign_id, struct arena *mem,
			struct offer_row *ret) MUST_CHECK;
/* The release of a job, with its installed digests and its class's confirmation rule. */
enum rc offer_store_release(struct db *db, int32_t tenant, const struct uuid *release_id,
			    struct arena *mem, struct offer_row *ret) MUST_CHECK;
/* The release's manifests, cheapest first; at most RELEASE_VARIANTS_MAX. */
enum rc offer_store_variants(struct db *db, int32_t tenant, const struct uuid *release_id,
			     struct arena *mem, struct variant **ret,
			     int *ret_count) MUST_CHECK;
/* Highest sequence number of the releases that the device's components are known to run, of the
 * release's class and components, not below the release's own; 0: none. */
enum rc offer_store_runs_sequence(struct db *db, int32_t tenant, const struct uuid *device_id,
				  const struct release *release, int64_t *ret) MUST_CHECK;
