/* Jobs: one campaign's update of one device.  job_open() and job_apply() are the only functions
 * that write a job: each keeps job, slot, tally, event and outbox in step, in the caller's
 * transaction, and the roster after the commit. */
#pragma once

#include "core/call.h"
#include "core/job_rules.h"
#include "db/job_store.h"

struct roster_release;

/* Makes the job (its id is given here) and, when it is open, takes its slots.  components:
 * names joined by a comma.  release may be NULL for a job that is over at once. */
enum rc job_open(struct call *c, struct job *job,
		 const struct roster_release *release) MUST_CHECK;

/* Stores what the rules said.  boot_id counts when step->new_boot.  Nothing when the step
 * changes nothing.  The row was read with a lock in this transaction. */
enum rc job_apply(struct call *c, const struct job_row *row, const struct job_step *step,
		  struct bytes boot_id) MUST_CHECK;

/* What the device says about its job.  ERR_NOT_FOUND for a job that is not this device's,
 * whether or not there is one; ret_stop is true when the job is no longer wanted. */
enum rc job_report(struct call *c, const struct job_report *in, bool *ret_stop) MUST_CHECK;

/* Ends the device's open jobs (cancelled), for instance because it is revoked. */
enum rc job_cancel_device(struct call *c, const struct uuid *device_id,
			  const char *text) MUST_CHECK;
/* Ends the campaign's open jobs (cancelled). */
enum rc job_cancel_campaign(struct call *c, const struct uuid *campaign_id) MUST_CHECK;
