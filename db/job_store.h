/* Jobs.  Whoever changes one has read it in the same transaction, with a lock or without: the
 * change is a compare-and-set.  Or has it from memory (core/job_memo.h): then the more so. */
#pragma once

#include "base/model/campaign.h"
#include "base/model/job.h"
#include "base/model/variant.h"
#include "db/db.h"

#include <stdbool.h>

/* A job with what its campaign says about it. */
struct job_row {
	struct job job;
	enum campaign_state campaign_state;
	int32_t silent_after_s;
	int32_t max_attempts;
	/* Only from job_store_due(): */
	int64_t heard_at;   /* last seen, or next wake if later */
	int64_t fetched_at; /* last block of an image; 0: none */
	/* Only from job_store_lock_devices(): */
	size_t place; /* of its device in what was asked for */
};

/* Locks.  RC_NOT_FOUND when the device has no such job. */
enum rc job_store_lock(struct db *db, int32_t tenant, const struct uuid *device_id,
		       int64_t job_id, struct arena *mem, struct job_row *ret) MUST_CHECK;
/* Many at once, without a lock and without component, from_digest and created_at; place is the
 * index of what was asked for.  Jobs that are not there are left out. */
typedef void job_store_row(void *arg, size_t place, const struct job *job);
enum rc job_store_get(struct db *db, int32_t tenant, struct arena *mem,
		      const struct uuid *device_ids, const int64_t *job_ids, size_t count,
		      job_store_row *row, void *arg) MUST_CHECK;
/* Locks all jobs of these devices that a boot may change: open ones, and finished ones of
 * campaigns that are running or paused.  Of each device open ones first, then the latest; at
 * most 64. */
enum rc job_store_lock_devices(struct db *db, int32_t tenant, struct arena *mem,
			       const struct uuid *device_ids, size_t count,
			       struct job_row **ret, int *ret_count) MUST_CHECK;
/* The device's open job with the lowest id; RC_NOT_FOUND without.  Does not lock. */
/* The open job; waits for whoever is closing it, so that it stays open while the transaction
 * lasts. */
enum rc job_store_open(struct db *db, int32_t tenant, const struct uuid *device_id,
		       struct arena *mem, struct job *ret) MUST_CHECK;
/* Locks open jobs whose deadline has passed, that nobody else has locked. */
enum rc job_store_due(struct db *db, int32_t tenant, int64_t now, int limit, struct arena *mem,
		      struct job_row **ret, int *ret_count) MUST_CHECK;

/* Is there one at all? */
enum rc job_store_any_due(struct db *db, int32_t tenant, int64_t now, bool *ret) MUST_CHECK;

/* Gives the job its id and its version.  RC_CONFLICT when the device has a job of this campaign
 * and component. */
enum rc job_store_insert(struct db *db, int32_t tenant, struct job *job) MUST_CHECK;

/* What decides whether a job that failed is tried in another way. */
struct job_variant {
	struct variant variant; /* its digest apart; needs "": nothing is offered */
	bool fell_back;
	int32_t max_attempts;
};
/* Of many jobs, by place; those that are not there are left alone. */
enum rc job_store_variants(struct db *db, int32_t tenant, struct arena *mem,
			   const struct uuid *device_ids, const int64_t *job_ids, size_t count,
			   struct job_variant *ret) MUST_CHECK;
/* Stores what the job is offered now: manifest, bytes_saved, bytes_total, from_digest; the job
 * gets its new version. */
enum rc job_store_choose(struct db *db, int32_t tenant, struct job *job) MUST_CHECK;
/* Jobs that begin another attempt: nothing is chosen for them, and fell_back as it is in them.
 */
enum rc job_store_forget_choice(struct db *db, int32_t tenant, struct arena *mem,
				const struct job *const *jobs, size_t count) MUST_CHECK;
struct job_move {
	struct job from, to; /* `to` gets the new version */
	const char *text;    /* NULL keeps the text */
	bool moved;          /* set by job_store_move() */
};
/* Stores `to` of each job that still is the version that `from` was.  A job at most once. */
enum rc job_store_move(struct db *db, int32_t tenant, struct arena *mem, struct job_move *moves,
		       size_t count) MUST_CHECK;

/* What a job that is over has in place of a deadline. */
#define JOB_NO_DEADLINE INT64_MAX

/* One line of a list of jobs: members without a job are queued ones. */
struct job_item {
	const char *endpoint;
	struct job job;
	const char *text;
};
struct job_filter {
	struct uuid campaign_id;
	int32_t state;     /* -1: any */
	int32_t stage;     /* -1: any */
	struct uuid after; /* device that the page begins after; zero: from the start */
	int limit;
};
/* By device id. */
enum rc job_store_list(struct db *db, int32_t tenant, const struct job_filter *filter,
		       struct arena *mem, struct job_item **ret, int *ret_count) MUST_CHECK;

/* A job of a campaign, in the order of devices; zeros: before all of them. */
struct job_place {
	struct uuid campaign_id, device_id;
	int64_t job_id;
};
/* Locks the next open jobs of a campaign that is aborted, up to a thousand. */
enum rc job_store_open_of_campaign(struct db *db, int32_t tenant, const struct job_place *after,
				   struct arena *mem, struct job_row **ret,
				   int *ret_count) MUST_CHECK;
/* Likewise those that no device has begun with. */
enum rc job_store_unbegun_of_campaign(struct db *db, int32_t tenant,
				      const struct job_place *after, struct arena *mem,
				      struct job_row **ret, int *ret_count) MUST_CHECK;
