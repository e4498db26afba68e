/* This is where an update is proved: by a digest of the release under a new boot id, and by
 * nothing else.  The jobs of many devices are read, judged and written together, and what their
 * releases are is read once. */

#include "core/registration_jobs.h"

#include "core/job.h"
#include "core/offer.h"

#include <string.h>

/* Can a boot change it at all? */
static bool boot_matters(enum job_state s)
{
	return job_state_is_open(s) || s == JOB_SUCCEEDED || s == JOB_SILENT || s == JOB_FAILED;
}

/* --- releases --- */

struct known_release {
	struct offer_row row;
	struct variant *variants; /* NULL: not read yet */
	int variant_count;
};

/* A job that a boot matters for. */
struct judged {
	struct registrant *by;
	struct known_release *release;
	bool runs_release;
	struct job_variant offered; /* of an open job that does not run it */
};

/* n: of jobs. */
struct judging {
	struct call *c; /* one of them, for what is common */
	struct judged *jobs;
	struct job_change *changes; /* by the same place */
	size_t n;
	struct known_release *releases;
	size_t release_count;
};

static enum rc find_release(struct judging *j, struct registrant *by, const struct uuid *id,
			    struct known_release **ret)
{
	for (size_t i = 0; i < j->release_count; i++)
		if (uuid_equal(&j->releases[i].row.release.release_id, id)) {
			*ret = &j->releases[i];
			return RC_OK;
		}
	struct known_release *k = &j->releases[j->release_count];
	enum rc rc = offer_store_release(j->c->db, j->c->tenant, id, j->c->mem, &k->row);
	if (rc == RC_NOT_FOUND)
		return call_fail(by->call, ERR_INTERNAL, "the release is gone");
	if (rc != RC_OK)
		return rc;
	j->release_count++;
	*ret = k;
	return RC_OK;
}

static enum rc choose(struct judging *j, struct known_release *k,
		      const struct variant_device *side, struct variant_choice *ret)
{
	enum rc rc = RC_OK;

	if (!k->variants)
		rc = offer_store_variants(j->c->db, j->c->tenant, &k->row.release.release_id,
					  j->c->mem, &k->variants, &k->variant_count);
	if (rc == RC_OK)
		offer_choose(k->variants, k->variant_count, side, ret);
	return rc;
}

/* --- what is read --- */

static enum rc read_jobs(struct judging *j, struct registrant *const *who, size_t n)
{
	struct uuid *ids = arena_array(j->c->mem, n, sizeof(*ids));
	struct job_row *rows;
	int count;

	for (size_t i = 0; i < n; i++)
		ids[i] = who[i]->call->actor.id;
	enum rc rc = job_store_lock_devices(j->c->db, j->c->tenant, j->c->mem, ids, n, &rows,
					    &count);
	if (rc != RC_OK)
		return rc;
	j->jobs = arena_array(j->c->mem, (size_t)count, sizeof(*j->jobs));
	j->changes = arena_array(j->c->mem, (size_t)count, sizeof(*j->changes));
	j->releases = arena_array(j->c->mem, (size_t)count, sizeof(*j->releases));
	for (int i = 0; i < count; i++) {
		struct registrant *by = who[rows[i].place];
		if (!boot_matters(rows[i].job.state))
			continue;
		j->changes[j->n] = (struct job_change){
			.call = by->call,
			.row = rows[i],
			.boot_id = by->registration->boot_id,
		};
		j->jobs[j->n++] = (struct judged){ .by = by, .offered.variant.needs = "" };
	}
	return RC_OK;
}

static enum rc read_releases(struct judging *j)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < j->n; i++) {
		struct judged *job = &j->jobs[i];
		const struct registration *in = job->by->registration;
		rc = find_release(j, job->by, &j->changes[i].row.job.release_id, &job->release);
		if (rc == RC_OK)
			job->runs_release = offer_runs_release(
				in->components, in->component_count, &job->release->row.release,
				job->release->row.confirm);
	}
	return rc;
}

static bool goes_on(const struct judging *j, size_t i)
{
	return !j->jobs[i].runs_release && job_state_is_open(j->changes[i].row.job.state);
}

/* What is offered for jobs that go on. */
static enum rc read_offered(struct judging *j)
{
	struct uuid *devices = arena_array(j->c->mem, j->n, sizeof(*devices));
	int64_t *jobs = arena_array(j->c->mem, j->n, sizeof(*jobs));
	struct job_variant *offered = arena_array(j->c->mem, j->n, sizeof(*offered));
	size_t n = 0;

	for (size_t i = 0; i < j->n; i++) {
		if (!goes_on(j, i))
			continue;
		offered[n] = j->jobs[i].offered;
		devices[n] = j->changes[i].row.job.device_id;
		jobs[n++] = j->changes[i].row.job.job_id;
	}
	enum rc rc = n ? job_store_variants(j->c->db, j->c->tenant, j->c->mem, devices, jobs, n,
					    offered)
		       : RC_OK;
	n = 0;
	for (size_t i = 0; rc == RC_OK && i < j->n; i++)
		if (goes_on(j, i))
			j->jobs[i].offered = offered[n++];
	return rc;
}

/* --- judging --- */

static bool runs_old(const struct judged *judged, const struct job *job)
{
	static const struct digest unknown;
	const struct registration *in = judged->by->registration;
	const struct offer_row *row = &judged->release->row;
	const struct component *have =
		component_find(in->components, in->component_count, job->component,
			       strcspn(job->component, ","));

	if (row->confirm == CONFIRM_VERSION &&
	    offer_runs_older(in->components, in->component_count, &row->release,
			     judged->by->call->mem))
		return true;
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
static enum rc compare_offer(struct judging *j, const struct judged *judged,
			     const struct job *job, struct job_boot *boot)
{
	struct variant_device side = side_of(judged->by->call, judged->by->registration);
	struct variant_choice choice;

	boot->unfit = !variant_fits(&judged->offered.variant, &side);
	if (job_state_is_begun(job->state))
		return RC_OK;
	side.no_delta = job->fell_back;
	enum rc rc = choose(j, judged->release, &side, &choice);
	if (rc == RC_OK)
		boot->other = !choice.variant ||
			      !digest_equal(&choice.variant->manifest, &job->manifest);
	return rc;
}

static enum rc judge(struct judging *j, size_t i)
{
	const struct judged *judged = &j->jobs[i];
	const struct registration *in = judged->by->registration;
	const struct job_row *row = &j->changes[i].row;
	struct job_boot boot = {
		.new_boot = !bytes_equal(in->boot_id, row->job.boot_id),
		.runs_release = judged->runs_release,
		.runs_old = runs_old(judged, &row->job),
		.campaign_active = row->campaign_state == CAMPAIGN_RUNNING ||
				   row->campaign_state == CAMPAIGN_PAUSED,
		.max_attempts = row->max_attempts,
		.delta = variant_is_delta(&judged->offered.variant),
		.last_job = in->last_job,
		.last_attempt = in->last_attempt,
		.last_outcome = (enum job_state)in->last_outcome,
		.last_text = in->last_text,
	};
	enum rc rc = RC_OK;

	if (goes_on(j, i) && job_is_chosen(&row->job))
		rc = compare_offer(j, judged, &row->job, &boot);
	if (rc == RC_OK)
		job_on_boot(&row->job, &boot, &j->changes[i].step);
	return rc;
}

enum rc registration_judge(struct registrant *const *who, size_t n)
{
	struct judging j = { .c = who[0]->call };

	enum rc rc = read_jobs(&j, who, n);
	if (rc == RC_OK)
		rc = read_releases(&j);
	if (rc == RC_OK)
		rc = read_offered(&j);
	for (size_t i = 0; rc == RC_OK && i < j.n; i++)
		rc = judge(&j, i);
	return rc == RC_OK && j.n ? job_apply_many(j.c, j.changes, j.n) : rc;
}
