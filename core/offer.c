/* Offers.  The device's row is locked first, so that two daemons asked at once make one job;
 * the slot's primary key would stop the second one all the same. */

#include "core/offer.h"

#include "core/core.h"
#include "core/job.h"
#include "core/roster_update.h"
#include "db/campaign_store.h"
#include "db/roster_store.h"
#include "db/slot_store.h"

#include <string.h>

enum rc offer_from_memory(const struct roster_device *d, struct offer *ret)
{
	struct roster_view v;

	roster_view(d, &v);
	if (v.job_id && v.release) {
		*ret = (struct offer){ true, v.job_id, v.attempt, v.release };
		return RC_OK;
	}
	if (v.maybe_work)
		return RC_RETRY;
	*ret = (struct offer){ 0 };
	return RC_OK;
}

/* --- what happens to the roster when nothing was found --- */

struct idle {
	struct roster_device *device;
	uint32_t clock;
};

static void roster_idle(struct core *core, void *arg)
{
	const struct idle *idle = arg;

	(void)core;
	roster_work_done(idle->device, idle->clock);
}

static void idle_after_commit(struct call *c)
{
	struct idle *idle = arena_new(c->mem, struct idle);

	*idle = (struct idle){ c->actor.device, c->work_clock };
	call_after_commit(c, roster_idle, idle);
}

/* --- releases --- */

static enum rc release_intern(struct call *c, const struct uuid *release_id,
			      const struct roster_release **ret)
{
	struct release_row row;

	*ret = roster_release_find(c->core->roster, release_id);
	if (*ret)
		return RC_OK;
	enum rc rc = roster_store_release(c->db, c->tenant, release_id, c->mem, &row);
	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? call_fail(c, ERR_INTERNAL, "the release is gone")
					  : rc;
	*ret = roster_release_intern(c->core->roster,
				     &(struct roster_release){
					     .release_id = *release_id,
					     .manifest_digest = row.manifest_digest,
					     .envelope = row.envelope,
					     .images = row.images,
					     .image_count = row.image_count,
				     });
	return RC_OK;
}

/* --- the decision --- */

enum rc offer_gather(struct call *c, const struct device_row *device,
		     const struct offer_row *row, struct offer_facts *ret)
{
	const struct release *release = &row->release;
	struct offer_facts f = {
		.campaign_state = row->state,
		.release_withdrawn = release->withdrawn_at != 0,
		.is_member = row->is_member,
		.bucket = row->bucket,
		.threshold = row->threshold,
		.lifecycle = device->lifecycle,
		.device_vendor = device->vendor_id,
		.device_class = device->class_id,
		.release_vendor = release->vendor_id,
		.release_class = release->class_id,
		.has_job = row->has_job,
		.job_state = row->job_state,
		.runs_release = offer_runs_release(device->components, device->component_count,
						   release, row->confirm),
		.release_sequence = release->sequence,
	};

	enum rc rc = slot_store_busy(c->db, c->tenant, &device->device_id, release->components,
				     &f.slot_busy);
	if (rc == RC_OK)
		rc = offer_store_runs_sequence(c->db, c->tenant, &device->device_id, release,
					       &f.runs_sequence);
	if (rc == RC_OK)
		*ret = f;
	return rc;
}

static struct job new_job(const struct call *c, const struct device_row *device,
			  const struct offer_row *row, enum job_state state)
{
	const char *first = row->release.components;
	const struct component *have = component_find(
		device->components, device->component_count, first, strcspn(first, ","));
	struct job job = {
		.device_id = device->device_id,
		.campaign_id = row->campaign_id,
		.release_id = row->release_id,
		.component = row->release.components,
		.state = state,
		.cause = state == JOB_CANCELLED ? CAUSE_CLASS : CAUSE_NONE,
		.stage = row->stage,
		.attempt = 1,
		.boot_id = device->boot_id,
		.bytes_total = row->image_bytes,
		.created_at = c->now,
		.updated_at = c->now,
		.deadline_at = c->now + row->silent_after_s * INT64_C(1000000),
	};

	if (have && have->has_digest)
		job.from_digest = have->digest;
	return job;
}

/* Makes the job in this state, unless the campaign stopped running meanwhile; the campaign
 * cannot stop before this transaction ends, so an abort sees the job. */
static enum rc make_job(struct call *c, const struct device_row *device,
			const struct offer_row *row, enum job_state state, struct offer *ret)
{
	struct job job = new_job(c, device, row, state);
	const struct roster_release *release = NULL;
	enum campaign_state now;

	enum rc rc = campaign_store_hold(c->db, c->tenant, &row->campaign_id, &now);
	if (rc != RC_OK || now != CAMPAIGN_RUNNING)
		return rc;
	if (state == JOB_OFFERED)
		rc = release_intern(c, &row->release_id, &release);
	if (rc == RC_OK)
		rc = job_open(c, &job, release);
	if (rc == RC_OK && state == JOB_OFFERED)
		*ret = (struct offer){ true, job.job_id, job.attempt, release };
	return rc;
}

static enum rc consider(struct call *c, const struct device_row *device,
			const struct offer_row *row, struct offer *ret)
{
	struct offer_facts f;

	enum rc rc = offer_gather(c, device, row, &f);
	if (rc != RC_OK)
		return rc;
	switch (offer_decide(&f)) {
	case OFFER_YES:
		return make_job(c, device, row, JOB_OFFERED, ret);
	case OFFER_CURRENT:
		return make_job(c, device, row, JOB_CURRENT, ret);
	case OFFER_SUPERSEDED:
		return make_job(c, device, row, JOB_SUPERSEDED, ret);
	case OFFER_WRONG_CLASS:
		return make_job(c, device, row, JOB_CANCELLED, ret);
	case OFFER_OPEN:
	case OFFER_LATER:
	case OFFER_NEVER:
		return RC_OK;
	}
	return RC_OK;
}

/* --- the call --- */

struct job_again {
	struct roster_device *device;
	struct offer offer;
	uint64_t turn;
};

static void roster_job_again(struct core *core, void *arg)
{
	const struct job_again *a = arg;

	(void)core;
	roster_set_job(a->device, a->offer.job_id, a->offer.attempt, a->offer.release, a->turn);
}

/* The open job that the database knows and this daemon's roster did not. */
static enum rc open_job(struct call *c, const struct job *job, struct offer *ret)
{
	struct job_again *again = arena_new(c->mem, struct job_again);
	const struct roster_release *release;

	enum rc rc = release_intern(c, &job->release_id, &release);
	if (rc != RC_OK)
		return rc;
	*ret = (struct offer){ true, job->job_id, job->attempt, release };
	*again = (struct job_again){ c->actor.device, *ret, roster_turn(c->core->roster) };
	call_after_commit(c, roster_job_again, again);
	return RC_OK;
}

static enum rc new_offer(struct call *c, const struct device_row *device, struct offer *ret)
{
	struct offer_row *rows;
	int n;

	enum rc rc =
		offer_store_candidates(c->db, c->tenant, &device->device_id, c->mem, &rows, &n);
	for (int i = 0; rc == RC_OK && i < n && !ret->has_job; i++)
		rc = consider(c, device, &rows[i], ret);
	return rc;
}

enum rc offer_next(struct call *c, struct offer *ret)
{
	struct device_row device;
	struct offer found = { 0 };
	struct job job;

	enum rc rc = registration_store_lock_looking(c->db, c->tenant, &c->actor.id, c->mem,
						     &device);
	if (rc == RC_NOT_FOUND || (rc == RC_OK && device.lifecycle == DEVICE_REVOKED))
		return call_fail(c, ERR_REVOKED, "the device is not known any more");
	if (rc != RC_OK)
		return rc;
	rc = job_store_open(c->db, c->tenant, &c->actor.id, c->mem, &job);
	if (rc == RC_OK)
		return open_job(c, &job, ret);
	if (rc == RC_NOT_FOUND)
		rc = new_offer(c, &device, &found);
	if (rc != RC_OK)
		return rc;
	if (!found.has_job)
		idle_after_commit(c);
	*ret = found;
	return RC_OK;
}
