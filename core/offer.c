/* Offers.  The device's row is locked first, so that two daemons asked at once make one job;
 * the slot's primary key would stop the second one all the same. */

#include "core/offer.h"

#include "core/core.h"
#include "core/job.h"
#include "core/roster_update.h"
#include "db/campaign_store.h"
#include "db/member_store.h"
#include "db/release_store.h"
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

static void roster_idle(struct call *c, void *arg)
{
	const struct idle *idle = arg;

	(void)c;
	roster_work_done(idle->device, idle->clock);
}

static void idle_after_commit(struct call *c)
{
	struct idle *idle = arena_new(c->mem, struct idle);

	*idle = (struct idle){ c->actor.device, c->work_clock };
	call_after_commit(c, roster_idle, idle);
}

/* --- manifests --- */

static enum rc release_intern(struct call *c, const struct digest *manifest,
			      const struct roster_release **ret)
{
	struct manifest_row row;

	*ret = roster_release_find(c->core->roster, manifest);
	if (*ret)
		return RC_OK;
	enum rc rc = roster_store_manifest(c->db, c->tenant, manifest, c->mem, &row);
	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? call_fail(c, ERR_INTERNAL, "the manifest is gone")
					  : rc;
	*ret = roster_release_intern(c->core->roster, &(struct roster_release){
							      .release_id = row.release_id,
							      .manifest_digest = *manifest,
							      .envelope = row.envelope,
							      .images = row.images,
							      .image_count = row.image_count,
						      });
	return RC_OK;
}

void offer_choose(const struct variant *variants, int count,
		  const struct variant_device *device, struct variant_choice *ret)
{
	struct variant_device side = *device;

	variant_choose(variants, count, &side, ret);
	if (ret->variant || !side.no_delta)
		return;
	side.no_delta = false;
	variant_choose(variants, count, &side, ret);
}

static enum rc choose(struct call *c, const struct device_row *device,
		      const struct uuid *release_id, bool no_delta, struct variant_choice *ret)
{
	const struct variant_device side = {
		.formats = device->formats,
		.only_encrypted = device->only_encrypted,
		.max_envelope = device->max_envelope,
		.max_image = device->max_image,
		.components = device->components,
		.component_count = device->component_count,
		.no_delta = no_delta,
	};
	struct variant *variants;
	int n;

	enum rc rc = offer_store_variants(c->db, c->tenant, release_id, c->mem, &variants, &n);
	if (rc == RC_OK)
		offer_choose(variants, n, &side, ret);
	return rc;
}

static enum job_cause unfit_cause(const struct variant_choice *choice)
{
	return choice->too_large ? CAUSE_SPACE : CAUSE_MANIFEST;
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
	struct variant_choice *choice = arena_new(c->mem, struct variant_choice);

	f.choice = choice;
	enum rc rc = slot_store_busy(c->db, c->tenant, &device->device_id, release->components,
				     &f.slot_busy);
	if (rc == RC_OK)
		rc = offer_store_runs_sequence(c->db, c->tenant, &device->device_id, release,
					       &f.runs_sequence);
	if (rc == RC_OK)
		rc = choose(c, device, &row->release_id, false, choice);
	if (rc == RC_OK)
		*ret = f;
	return rc;
}

/* What the device has in the first of these components; zero when it does not say. */
static struct digest digest_of(const struct device_row *device, const char *components)
{
	const struct component *have =
		component_find(device->components, device->component_count, components,
			       strcspn(components, ","));

	return have && have->has_digest ? have->digest : (struct digest){ 0 };
}

static struct job new_job(const struct call *c, const struct device_row *device,
			  const struct offer_row *row, enum job_state state)
{
	return (struct job){
		.device_id = device->device_id,
		.campaign_id = row->campaign_id,
		.release_id = row->release_id,
		.component = row->release.components,
		.state = state,
		.stage = row->stage,
		.attempt = 1,
		.from_digest = digest_of(device, row->release.components),
		.boot_id = device->boot_id,
		.created_at = c->now,
		.updated_at = c->now,
		.deadline_at = c->now + row->silent_after_s * INT64_C(1000000),
	};
}

/* Neither can the campaign stop, nor its release be withdrawn, before this transaction ends: so
 * whoever does that sees the job. */
static enum rc hold(struct call *c, const struct job *job, bool *ret_runs)
{
	enum campaign_state state;
	bool withdrawn = false;

	enum rc rc = campaign_store_hold(c->db, c->tenant, &job->campaign_id, &state);
	if (rc == RC_OK)
		rc = release_store_is_withdrawn(c->db, c->tenant, &job->release_id, &withdrawn);
	if (rc == RC_OK)
		*ret_runs = state == CAMPAIGN_RUNNING && !withdrawn;
	return rc;
}

/* Makes the job, unless that came to an end meanwhile. */
static enum rc make_job(struct call *c, struct job *job, struct offer *ret)
{
	bool open = job->state == JOB_OFFERED, runs = false;
	const struct roster_release *release = NULL;

	enum rc rc = hold(c, job, &runs);
	if (rc != RC_OK || !runs)
		return rc;
	if (open)
		rc = release_intern(c, &job->manifest, &release);
	if (rc == RC_OK)
		rc = job_open(c, job, release);
	if (rc == RC_OK && open)
		*ret = (struct offer){ true, job->job_id, job->attempt, release };
	return rc;
}

static enum rc make_offer(struct call *c, struct job *job, const struct variant_choice *choice,
			  struct offer *ret)
{
	job->manifest = choice->variant->manifest;
	job->bytes_total = choice->variant->bytes;
	job->bytes_saved = choice->bytes_saved;
	return make_job(c, job, ret);
}

/* A job that is over at once, and why. */
static enum rc make_over(struct call *c, struct job *job, enum job_cause cause,
			 const char *text)
{
	struct offer none;

	job->cause = cause;
	job->text = text;
	return make_job(c, job, &none);
}

static enum rc consider(struct call *c, const struct device_row *device,
			const struct offer_row *row, struct offer *ret)
{
	struct offer_facts f;

	struct job job;

	enum rc rc = offer_gather(c, device, row, &f);
	if (rc != RC_OK)
		return rc;
	switch (offer_decide(&f)) {
	case OFFER_YES:
		job = new_job(c, device, row, JOB_OFFERED);
		return make_offer(c, &job, f.choice, ret);
	case OFFER_CURRENT:
		job = new_job(c, device, row, JOB_CURRENT);
		return make_over(c, &job, CAUSE_NONE, NULL);
	case OFFER_SUPERSEDED:
		job = new_job(c, device, row, JOB_SUPERSEDED);
		return make_over(c, &job, CAUSE_NONE, NULL);
	case OFFER_WRONG_CLASS:
		job = new_job(c, device, row, JOB_CANCELLED);
		return make_over(c, &job, CAUSE_CLASS, NULL);
	case OFFER_UNFIT:
		job = new_job(c, device, row, JOB_REJECTED);
		return make_over(c, &job, unfit_cause(f.choice), f.choice->lack);
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
};

static void roster_job_again(struct call *c, void *arg)
{
	const struct job_again *a = arg;

	roster_set_job(a->device, a->offer.job_id, a->offer.attempt, a->offer.release, c->turn);
}

/* There is no next attempt. */
static enum rc end_job(struct call *c, const struct job *job, enum job_state state,
		       enum job_cause cause, const char *text)
{
	struct job_row row;
	const struct job_step step = {
		.changed = true,
		.state = state,
		.cause = cause,
		.attempt = job->attempt,
		.bytes_done = job->bytes_done,
		.bytes_total = job->bytes_total,
		.text = text,
	};

	enum rc rc =
		job_store_lock(c->db, c->tenant, &job->device_id, job->job_id, c->mem, &row);
	return rc == RC_OK ? job_apply(c, &row, &step, (struct bytes){ 0 }) : rc;
}

/* Nothing fits.  After a delta that failed this is a failure. */
static enum rc end_unfit(struct call *c, const struct job *job,
			 const struct variant_choice *choice)
{
	return end_job(c, job, job->fell_back ? JOB_FAILED : JOB_REJECTED, unfit_cause(choice),
		       choice->lack);
}

/* A new attempt begins: what fits the device as it is now.  The job is held since it was found
 * open: who withdraws the release meanwhile sees what becomes of it. */
static enum rc choose_again(struct call *c, const struct device_row *device, struct job *job,
			    struct offer *ret)
{
	const struct digest from = digest_of(device, job->component);
	const struct roster_release *release;
	struct variant_choice choice;
	bool withdrawn = false;

	*ret = (struct offer){ 0 };
	enum rc rc = release_store_is_withdrawn(c->db, c->tenant, &job->release_id, &withdrawn);
	if (rc == RC_OK && withdrawn)
		return end_job(c, job, JOB_CANCELLED, CAUSE_NONE, JOB_TEXT_WITHDRAWN);
	if (rc == RC_OK)
		rc = choose(c, device, &job->release_id, job->fell_back, &choice);
	if (rc != RC_OK)
		return rc;
	if (!choice.variant)
		return end_unfit(c, job, &choice);
	rc = release_intern(c, &choice.variant->manifest, &release);
	if (rc == RC_OK)
		rc = job_choose(c, job, &choice, &from, release);
	if (rc == RC_OK)
		*ret = (struct offer){ true, job->job_id, job->attempt, release };
	return rc;
}

/* The open job that the database knows and this daemon's roster did not. */
static enum rc open_job(struct call *c, const struct job *job, struct offer *ret)
{
	struct job_again *again = arena_new(c->mem, struct job_again);
	const struct roster_release *release;

	enum rc rc = release_intern(c, &job->manifest, &release);
	if (rc != RC_OK)
		return rc;
	*ret = (struct offer){ true, job->job_id, job->attempt, release };
	*again = (struct job_again){ c->actor.device, *ret };
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
		return job_is_chosen(&job) ? open_job(c, &job, ret)
					   : choose_again(c, &device, &job, ret);
	if (rc == RC_NOT_FOUND)
		rc = new_offer(c, &device, &found);
	if (rc != RC_OK)
		return rc;
	if (!found.has_job)
		idle_after_commit(c);
	*ret = found;
	return RC_OK;
}

/* --- devices that ask no more --- */

/* Without a hold on the campaign: what is over at once is missed by nobody who stops it, and a
 * device is to be shut out at once, also while a large campaign is aborted. */
static enum rc leave(struct call *c, const struct uuid *device_id, const struct offer_row *row,
		     const char *text)
{
	const struct device_row device = { .device_id = *device_id };
	struct job job = new_job(c, &device, row, JOB_CANCELLED);

	job.text = text;
	return job_open(c, &job, NULL);
}

enum rc offer_end_device(struct call *c, const struct uuid *device_id, const char *text)
{
	struct offer_row *rows;
	int n = 0;

	enum rc rc = job_cancel_device(c, device_id, text);
	if (rc == RC_OK)
		rc = member_store_look(c->db);
	if (rc == RC_OK)
		rc = offer_store_waiting(c->db, c->tenant, device_id, c->mem, &rows, &n);
	for (int i = 0; rc == RC_OK && i < n; i++)
		rc = leave(c, device_id, &rows[i], text);
	return rc;
}

enum rc offer_end_member(struct call *c, const struct uuid *device_id,
			 const struct uuid *campaign_id, const char *text)
{
	struct offer_row row;

	enum rc rc = offer_store_get(c->db, c->tenant, device_id, campaign_id, c->mem, &row);
	if (rc != RC_OK || !row.is_member || row.has_job)
		return rc;
	return leave(c, device_id, &row, text);
}
