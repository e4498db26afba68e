/* What a report, a boot or a deadline does to a job.  Each function answers for one kind of
 * event; core/job.c alone stores what they say. */

#include "core/job_rules.h"

#include "base/rc.h"

#include <stddef.h>

/* One row a state: what it is to the slot and to the gate, and how far along it is.  A deferred
 * job stands where an offered one does. */
struct trait {
	bool known, open, failure, leaves, reportable;
	int rank;
};

static const struct trait traits[JOB_STATE_END] = {
	[JOB_QUEUED] = { .known = true },
	[JOB_OFFERED] = { .known = true, .open = true, .rank = 1 },
	[JOB_DOWNLOADING] = { .known = true, .open = true, .reportable = true, .rank = 2 },
	[JOB_DOWNLOADED] = { .known = true, .open = true, .reportable = true, .rank = 3 },
	[JOB_INSTALLING] = { .known = true, .open = true, .reportable = true, .rank = 4 },
	[JOB_REBOOTING] = { .known = true, .open = true, .reportable = true, .rank = 5 },
	[JOB_SUCCEEDED] = { .known = true },
	[JOB_FAILED] = { .known = true, .failure = true, .reportable = true },
	[JOB_ROLLED_BACK] = { .known = true, .failure = true },
	[JOB_SILENT] = { .known = true, .failure = true },
	[JOB_REJECTED] = { .known = true, .failure = true, .reportable = true },
	[JOB_DEFERRED] = { .known = true, .open = true, .reportable = true, .rank = 1 },
	[JOB_CANCELLED] = { .known = true, .leaves = true },
	[JOB_SUPERSEDED] = { .known = true, .leaves = true },
	[JOB_CURRENT] = { .known = true, .leaves = true },
};

bool job_state_is_open(enum job_state s)
{
	return traits[s].open;
}

bool job_state_is_begun(enum job_state s)
{
	return traits[s].rank > traits[JOB_OFFERED].rank;
}

bool job_state_is_failure(enum job_state s)
{
	return traits[s].failure;
}

bool job_state_leaves_sample(enum job_state s)
{
	return traits[s].leaves;
}

bool job_state_is_reportable(int64_t state)
{
	return state >= 0 && state < JOB_STATE_END && traits[state].reportable;
}

bool job_cause_is_reportable(int64_t cause)
{
	return (cause >= CAUSE_DOWNLOAD && cause <= CAUSE_BOOT) || cause == CAUSE_OTHER;
}

static void step_none(const struct job *job, struct job_step *ret)
{
	*ret = (struct job_step){
		.state = job->state,
		.cause = job->cause,
		.attempt = job->attempt,
		.bytes_done = job->bytes_done,
		.bytes_total = job->bytes_total,
		.deadline_at = job->deadline_at,
	};
}

static void step_to(struct job_step *step, enum job_state state, enum job_cause cause,
		    const char *text)
{
	step->changed = true;
	step->state = state;
	step->cause = cause;
	step->text = text;
	step->renew = job_state_is_open(state);
}

/* Numbers of a download only grow within an attempt. */
static void step_bytes(struct job_step *step, const struct job_report *report)
{
	if (report->bytes_total > step->bytes_total) {
		step->bytes_total = report->bytes_total;
		step->changed = true;
	}
	if (report->bytes_done > step->bytes_done) {
		step->bytes_done = report->bytes_done;
		step->changed = true;
		step->renew = true;
	}
}

/* Deferring is for a job that has not touched the device's image yet; a deferred job that goes
 * on is where the report says. */
static bool report_moves(enum job_state from, enum job_state to)
{
	if (to == JOB_DEFERRED)
		return from != JOB_DEFERRED && traits[from].rank < traits[JOB_INSTALLING].rank;
	return traits[to].rank > traits[from].rank;
}

void job_on_report(const struct job *job, const struct job_report *report, struct job_step *ret)
{
	step_none(job, ret);
	if (!job_state_is_open(job->state) || report->attempt != job->attempt ||
	    !job_state_is_reportable(report->state))
		return;
	if (!job_state_is_open(report->state)) {
		enum job_cause cause =
			report->cause == CAUSE_NONE ? CAUSE_OTHER : report->cause;
		step_to(ret, report->state, cause, report->text);
		return;
	}
	if (report->state != JOB_DEFERRED)
		step_bytes(ret, report);
	if (report_moves(job->state, report->state))
		step_to(ret, report->state, CAUSE_NONE, report->text);
}

static void next_attempt(const struct job *job, const char *text, struct job_step *ret)
{
	step_to(ret, JOB_OFFERED, CAUSE_NONE, text);
	ret->attempt = job->attempt + 1;
	ret->bytes_done = 0;
}

bool job_on_failed_delta(const struct job *job, int32_t max_attempts, struct job_step *step)
{
	bool failed = step->state == JOB_FAILED || step->state == JOB_REJECTED;

	if (!step->changed || !failed || job->attempt >= max_attempts ||
	    step->cause == CAUSE_CLASS || step->cause == CAUSE_SEQUENCE)
		return false;
	next_attempt(job, step->text, step);
	step->fell_back = true;
	return true;
}

/* A judgement that proof may still correct. */
static bool judged_from_afar(const struct job *job)
{
	return job->state == JOB_SILENT ||
	       (job->state == JOB_FAILED &&
		(job->cause == CAUSE_STALLED || job->cause == CAUSE_ATTEMPTS));
}

/* An interrupted installation is tried again, as often as the campaign allows. */
static void boot_retries(const struct job *job, const struct job_boot *boot,
			 struct job_step *ret)
{
	if (job->attempt >= boot->max_attempts) {
		step_to(ret, JOB_FAILED, CAUSE_ATTEMPTS, "interrupted too often");
		return;
	}
	next_attempt(job,
		     boot->delta ? "the delta's installation was interrupted; next without one"
				 : "the installation was interrupted; once more",
		     ret);
	ret->fell_back = boot->delta;
}

bool job_is_chosen(const struct job *job)
{
	static const struct digest nothing;

	return !digest_equal(&job->manifest, &nothing);
}

/* The device has not begun: what it was offered is no attempt that failed.  It gets a number of
 * its own all the same, so that late reports are not about it, as long as the campaign has one
 * left. */
static void choose_anew(const struct job *job, const struct job_boot *boot,
			struct job_step *ret)
{
	static const char text[] = "the device says of itself what asks for another manifest";

	if (job->attempt < boot->max_attempts) {
		next_attempt(job, text, ret);
		return;
	}
	step_to(ret, JOB_OFFERED, CAUSE_NONE, text);
	ret->choose = true;
	ret->bytes_done = 0;
}

/* A new boot without the new image. */
static void boot_without_proof(const struct job *job, const struct job_boot *boot,
			       struct job_step *ret)
{
	switch (job->state) {
	case JOB_REBOOTING:
		step_to(ret, JOB_ROLLED_BACK, CAUSE_BOOT,
			boot->runs_old ? "booted the old image after the trial"
				       : "booted an image that is not of the release");
		return;
	case JOB_INSTALLING:
		boot_retries(job, boot, ret);
		ret->new_boot = true;
		return;
	case JOB_OFFERED:
	case JOB_DEFERRED:
		if (boot->other)
			choose_anew(job, boot, ret);
		ret->changed = true;
		ret->new_boot = true;
		ret->renew = true;
		return;
	case JOB_DOWNLOADING:
	case JOB_DOWNLOADED:
		if (boot->unfit && job->attempt < boot->max_attempts)
			next_attempt(job, "what was offered does not fit the device any more",
				     ret);
		ret->changed = true;
		ret->new_boot = true;
		ret->renew = true;
		return;
	case JOB_SUCCEEDED:
		if (boot->runs_old && boot->campaign_active)
			step_to(ret, JOB_ROLLED_BACK, CAUSE_BOOT,
				"booted the old image again after it had succeeded");
		return;
	case JOB_SILENT:
		if (boot->runs_old && boot->campaign_active)
			step_to(ret, JOB_ROLLED_BACK, CAUSE_BOOT,
				"came back with the old image");
		return;
	case JOB_QUEUED:
	case JOB_FAILED:
	case JOB_ROLLED_BACK:
	case JOB_REJECTED:
	case JOB_CANCELLED:
	case JOB_SUPERSEDED:
	case JOB_CURRENT:
		return;
	}
}

void job_on_boot(const struct job *job, const struct job_boot *boot, struct job_step *ret)
{
	bool open = job_state_is_open(job->state);
	bool correctable = judged_from_afar(job) && boot->campaign_active;

	step_none(job, ret);
	if (boot->new_boot && boot->runs_release) {
		if (open || correctable)
			step_to(ret, JOB_SUCCEEDED, CAUSE_NONE, "");
		return;
	}
	if (open && !boot->runs_release && boot->last_job == job->job_id &&
	    boot->last_attempt == job->attempt) {
		step_to(ret, boot->last_outcome, CAUSE_BOOT, boot->last_text);
		return;
	}
	if (boot->new_boot)
		boot_without_proof(job, boot, ret);
	else if (open && boot->other && !job_state_is_begun(job->state))
		choose_anew(job, boot, ret);
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t last_move(const struct job *job, const struct job_clock *clock)
{
	int64_t moved_at = later(job->updated_at, clock->up_since);
	int64_t credit = moved_at + FETCH_CREDIT * clock->silent_after;

	return later(moved_at, clock->fetched_at < credit ? clock->fetched_at : credit);
}

static int64_t stalled_after(const struct job *job, const struct job_clock *clock)
{
	int64_t usual = 2 * clock->silent_after;

	return job->state == JOB_DEFERRED ? later(usual, DEFERRED_MAX_US) : usual;
}

void job_on_deadline(const struct job *job, const struct job_clock *clock, struct job_step *ret)
{
	int64_t moved_at = last_move(job, clock);
	int64_t heard_at = later(clock->heard_at, moved_at);
	int64_t silent_at = heard_at + clock->silent_after;
	int64_t stalled_at = later(moved_at + stalled_after(job, clock),
				   clock->heard_at > clock->now ? silent_at : 0);

	step_none(job, ret);
	if (!job_state_is_open(job->state) || clock->now < job->deadline_at)
		return;
	if (clock->now >= silent_at) {
		step_to(ret, JOB_SILENT, CAUSE_NONE, "not heard from");
		return;
	}
	if (clock->now >= stalled_at) {
		step_to(ret, JOB_FAILED, CAUSE_STALLED, "alive, but no progress");
		return;
	}
	ret->changed = true;
	ret->deadline_at = silent_at < stalled_at ? silent_at : stalled_at;
}
