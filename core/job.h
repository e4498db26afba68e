/* Jobs: one campaign's update of one device.  job_open(), job_choose() and job_apply_many() are
 * the only functions that write a job: each keeps job, slot, tally, event and outbox in step,
 * in the caller's transaction, and the roster after the commit. */
#pragma once

#include "core/call.h"
#include "core/job_rules.h"
#include "core/variant_rules.h"
#include "db/job_store.h"

struct roster_release;

/* Makes the job (its id is given here) and, when it is open, takes its slots.  components:
 * names joined by a comma.  release may be NULL for a job that is over at once. */
enum rc job_open(struct call *c, struct job *job,
		 const struct roster_release *release) MUST_CHECK;

/* The open job, for which nothing is chosen, is offered what the choice says; the device has
 * this digest, or a zero one.  Within the lock on the device, the job's row held. */
enum rc job_choose(struct call *c, struct job *job, const struct variant_choice *choice,
		   const struct digest *from, const struct roster_release *release) MUST_CHECK;

/* A step of one job, and whose call it is: its time counts, and its hooks follow the commit. */
struct job_change {
	struct call *call;
	struct job_row row; /* read in this transaction; compared when it is written */
	struct job_step step;
	struct bytes boot_id; /* counts when step.new_boot */
};
/* Stores what the rules said of several jobs, each job at most once, in a few statements.  All
 * calls share c's transaction.  RC_RETRY when one was changed by somebody else meanwhile. */
enum rc job_apply_many(struct call *c, const struct job_change *changes, size_t n) MUST_CHECK;
/* The same for one.  Nothing when the step changes nothing. */
enum rc job_apply(struct call *c, const struct job_row *row, const struct job_step *step,
		  struct bytes boot_id) MUST_CHECK;

/* What the device says about its job.  ERR_NOT_FOUND for a job that is not this device's,
 * whether or not there is one; ret_stop is true when the job is no longer wanted. */
enum rc job_report(struct call *c, const struct job_report *in, bool *ret_stop) MUST_CHECK;

/* One of many reports, and what becomes of it. */
struct job_reported {
	struct call *call;
	struct job_report report;
	enum rc rc;
	bool stop;
};
/* As job_report(), for several devices at once, one report each, all in one transaction; a
 * result for each.  Anything but RC_OK: the transaction is lost. */
enum rc job_report_many(struct job_reported *reports, size_t n) MUST_CHECK;

/* Ends the device's open jobs (cancelled), for instance because it is revoked. */
enum rc job_cancel_device(struct call *c, const struct uuid *device_id,
			  const char *text) MUST_CHECK;
/* Ends the campaign's open jobs (cancelled). */
enum rc job_cancel_campaign(struct call *c, const struct uuid *campaign_id) MUST_CHECK;
/* Those that no device has begun with, because their release was withdrawn. */
enum rc job_cancel_unbegun(struct call *c, const struct uuid *campaign_id) MUST_CHECK;
#define JOB_TEXT_WITHDRAWN "the release was withdrawn"
