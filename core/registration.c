/* Registrations.  This is where an update is proved: by a digest of the release under a new
 * boot id, and by nothing else. */

#include "core/registration.h"

#include "base/hash.h"
#include "core/audit.h"
#include "core/core.h"
#include "core/event.h"
#include "core/job.h"
#include "core/offer.h"
#include "core/outbox.h"
#include "core/roster_update.h"
#include "core/version.h"
#include "db/offer_store.h"
#include "db/registration_store.h"

#include <string.h>

static uint64_t digest_head(const struct digest *d)
{
	uint64_t head = 0;

	for (int i = 0; i < 8; i++)
		head = head << 8 | d->b[i];
	return head;
}

bool registration_is_known(const struct roster_device *d, const struct digest *digest)
{
	struct roster_view v;

	roster_view(d, &v);
	return v.lifecycle == DEVICE_ACTIVE && v.registration != 0 &&
	       v.registration == digest_head(digest);
}

struct registration_hook {
	struct roster_device *device;
	uint64_t registration;
	uint64_t turn;
};

static void roster_follow(struct core *core, void *arg)
{
	const struct registration_hook *hook = arg;

	(void)core;
	roster_set_registration(hook->device, hook->registration, hook->turn);
}

static void follow_after_commit(struct call *c, const struct digest *digest)
{
	struct registration_hook *hook = arena_new(c->mem, struct registration_hook);

	*hook = (struct registration_hook){ c->actor.device, digest_head(digest),
					    roster_turn(c->core->roster) };
	call_after_commit(c, roster_follow, hook);
}

/* --- jobs --- */

/* Can a boot change it at all? */
static bool boot_matters(enum job_state s)
{
	return job_state_is_open(s) || s == JOB_SUCCEEDED || s == JOB_SILENT || s == JOB_FAILED;
}

static bool runs_old(const struct registration *in, const struct job *job)
{
	static const struct digest unknown;
	const struct component *have =
		component_find(in->components, in->component_count, job->component,
			       strcspn(job->component, ","));

	return have && have->has_digest && !digest_equal(&job->from_digest, &unknown) &&
	       digest_equal(&job->from_digest, &have->digest);
}

static struct variant_device side_of(struct call *c, const struct registration *in)
{
	const char *formats = "";

	for (int i = 0; i < in->format_count; i++)
		formats = arena_printf(c->mem, "%s%s%s", formats, i ? "," : "", in->formats[i]);
	return (struct variant_device){
		.formats = formats,
		.only_encrypted = in->only_encrypted,
		.max_envelope = in->max_envelope,
		.max_image = in->max_image,
		.components = in->components,
		.component_count = in->component_count,
	};
}

/* Formats may have come or gone with another agent, the precursor with another image. */
static enum rc compare_offer(struct call *c, const struct registration *in,
			     const struct job *job, const struct variant *offered,
			     struct job_boot *boot)
{
	struct variant_device side = side_of(c, in);
	struct variant_choice choice;

	boot->unfit = !variant_fits(offered, &side);
	if (job_state_is_begun(job->state))
		return RC_OK;
	side.no_delta = job->fell_back;
	enum rc rc = offer_choose(c, &job->release_id, &side, &choice);
	if (rc == RC_OK)
		boot->other = !choice.variant ||
			      !digest_equal(&choice.variant->manifest, &job->manifest);
	return rc;
}

static enum rc judge_job(struct call *c, const struct registration *in,
			 const struct job_row *row)
{
	struct offer_row release = { 0 };
	struct job_variant offered = { .variant.needs = "" };
	struct job_step step;

	enum rc rc =
		offer_store_release(c->db, c->tenant, &row->job.release_id, c->mem, &release);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_INTERNAL, "the release is gone");
	bool runs_release =
		rc == RC_OK && offer_runs_release(in->components, in->component_count,
						  &release.release, release.confirm);
	if (rc == RC_OK && !runs_release && job_state_is_open(row->job.state))
		rc = job_store_variants(c->db, c->tenant, c->mem, &row->job.device_id,
					&row->job.job_id, 1, &offered);
	if (rc != RC_OK)
		return rc;
	struct job_boot boot = {
		.new_boot = !bytes_equal(in->boot_id, row->job.boot_id),
		.runs_release = runs_release,
		.runs_old = runs_old(in, &row->job),
		.campaign_active = row->campaign_state == CAMPAIGN_RUNNING ||
				   row->campaign_state == CAMPAIGN_PAUSED,
		.max_attempts = row->max_attempts,
		.delta = variant_is_delta(&offered.variant),
		.last_job = in->last_job,
		.last_attempt = in->last_attempt,
		.last_outcome = (enum job_state)in->last_outcome,
		.last_text = in->last_text,
	};
	if (!runs_release && job_state_is_open(row->job.state) && job_is_chosen(&row->job))
		rc = compare_offer(c, in, &row->job, &offered.variant, &boot);
	if (rc != RC_OK)
		return rc;
	job_on_boot(&row->job, &boot, &step);
	return job_apply(c, row, &step, in->boot_id);
}

static enum rc judge_jobs(struct call *c, const struct registration *in)
{
	struct job_row *rows;
	int n;

	enum rc rc = job_store_lock_device(c->db, c->tenant, &c->actor.id, c->mem, &rows, &n);
	for (int i = 0; rc == RC_OK && i < n; i++)
		if (boot_matters(rows[i].job.state))
			rc = judge_job(c, in, &rows[i]);
	return rc;
}

/* --- the registration itself --- */

static enum rc store(struct call *c, const struct registration *in, const struct digest *digest)
{
	struct bytes keys[COMPONENTS_MAX] = { 0 };

	for (int i = 0; i < in->component_count; i++)
		if (in->components[i].version &&
		    version_key(in->components[i].version, c->mem, &keys[i]) != RC_OK)
			keys[i] = (struct bytes){ 0 };
	enum rc rc = registration_store_put(c->db, c->tenant, c->mem,
					    &(struct registration_put){
						    .device_id = &c->actor.id,
						    .registration = in,
						    .digest = digest,
						    .version_keys = keys,
						    .now = c->now,
					    });
	if (rc == RC_UNPROCESSABLE)
		return call_fail(c, ERR_VALIDATION,
				 "the device would have too many attributes");
	return rc;
}

static enum rc tell(struct call *c, const struct registration *in,
		    const struct device_row *before)
{
	bool booted = !bytes_equal(in->boot_id, before->boot_id);
	struct event event = {
		.device_id = c->actor.id,
		.kind = booted ? EVENT_BOOTED : EVENT_REGISTERED,
		.detail = audit_detail(c->mem, "boot", hex_encode(c->mem, in->boot_id), NULL),
	};

	return event_add(c, &event);
}

/* A device that boots has lost its session: what says another boot than the one that we know,
 * on a session older than the one that brought that, was on its way when the device went down.
 * Boot ids have no order of their own. */
static bool is_of_the_past(const struct call *c, const struct registration *in,
			   const struct device_row *known)
{
	const struct actor *a = &c->actor;

	return known->boot_id.n && !bytes_equal(in->boot_id, known->boot_id) && a->session &&
	       a->session < roster_boot_session(a->device);
}

enum rc registration_commit(struct call *c, const struct registration *in,
			    const struct digest *digest)
{
	struct device_row device;
	struct uuid named;

	device_id_derive(c->core->tenant_secret, in->endpoint, &named);
	if (!uuid_equal(&named, &c->actor.id))
		return call_fail(c, ERR_DENIED, "the credential is another device's");
	enum rc rc = registration_store_lock(c->db, c->tenant, &c->actor.id, c->mem, &device);
	if (rc == RC_NOT_FOUND || (rc == RC_OK && device.lifecycle == DEVICE_REVOKED))
		return call_fail(c, ERR_REVOKED, "the device is not known any more");
	if (rc != RC_OK)
		return rc;
	if (is_of_the_past(c, in, &device))
		return RC_OK;
	/* Before the commit, because whoever waits for the row must see it; should the commit
	 * fail, only a session that is older anyway is turned away. */
	if (!bytes_equal(in->boot_id, device.boot_id))
		roster_set_boot_session(c->actor.device, c->actor.session);
	follow_after_commit(c, digest);
	if (device.lifecycle == DEVICE_ACTIVE && digest_equal(&device.registration, digest))
		return RC_OK;
	rc = store(c, in, digest);
	if (rc == RC_OK)
		rc = tell(c, in, &device);
	if (rc == RC_OK)
		rc = judge_jobs(c, in);
	return rc == RC_OK ? outbox_device(c, &c->actor.id) : rc;
}
