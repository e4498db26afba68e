/* The rules of jobs: by tables, and by random histories (the seed is printed). */

#include "core/job_rules.h"
#include "tests/dice.h"
#include "tests/tap.h"

#include <stdlib.h>

#define SECOND INT64_C(1000000)

static struct job job_in(enum job_state state)
{
	return (struct job){ .job_id = 7,
			     .attempt = 2,
			     .state = state,
			     .bytes_done = 100,
			     .bytes_total = 1000,
			     .updated_at = 100 * SECOND,
			     .deadline_at = 160 * SECOND };
}

/* --- reports --- */

struct report_case {
	enum job_state from, report, to;
};

static const struct report_case report_cases[] = {
	{ JOB_OFFERED, JOB_DOWNLOADING, JOB_DOWNLOADING },
	{ JOB_OFFERED, JOB_REBOOTING, JOB_REBOOTING },
	{ JOB_DOWNLOADING, JOB_DOWNLOADED, JOB_DOWNLOADED },
	{ JOB_DOWNLOADED, JOB_DOWNLOADING, JOB_DOWNLOADED }, /* late, or again */
	{ JOB_REBOOTING, JOB_DOWNLOADING, JOB_REBOOTING },
	{ JOB_INSTALLING, JOB_INSTALLING, JOB_INSTALLING },
	{ JOB_DOWNLOADING, JOB_FAILED, JOB_FAILED },
	{ JOB_REBOOTING, JOB_FAILED, JOB_FAILED },
	{ JOB_OFFERED, JOB_REJECTED, JOB_REJECTED },
	{ JOB_OFFERED, JOB_DEFERRED, JOB_DEFERRED },
	{ JOB_DOWNLOADED, JOB_DEFERRED, JOB_DEFERRED },
	{ JOB_INSTALLING, JOB_DEFERRED, JOB_INSTALLING },
	{ JOB_DEFERRED, JOB_DOWNLOADING, JOB_DOWNLOADING },
	{ JOB_DEFERRED, JOB_DEFERRED, JOB_DEFERRED },
	/* a device cannot say it succeeded, rolled back or fell silent */
	{ JOB_REBOOTING, JOB_SUCCEEDED, JOB_REBOOTING },
	{ JOB_REBOOTING, JOB_ROLLED_BACK, JOB_REBOOTING },
	{ JOB_REBOOTING, JOB_SILENT, JOB_REBOOTING },
	/* nothing is said any more when it is over */
	{ JOB_SUCCEEDED, JOB_FAILED, JOB_SUCCEEDED },
	{ JOB_FAILED, JOB_DOWNLOADING, JOB_FAILED },
	{ JOB_ROLLED_BACK, JOB_DOWNLOADING, JOB_ROLLED_BACK },
	{ JOB_SILENT, JOB_DOWNLOADING, JOB_SILENT },
	{ JOB_CANCELLED, JOB_DOWNLOADING, JOB_CANCELLED },
};

static void test_reports(void)
{
	for (size_t i = 0; i < ARRAY_LEN(report_cases); i++) {
		const struct report_case *t = &report_cases[i];
		struct job job = job_in(t->from);
		struct job_report report = { 7, 2, t->report, CAUSE_NONE, -1, -1, NULL };
		struct job_step step;
		job_on_report(&job, &report, &step);
		ok(step.state == t->to && step.changed == (t->from != t->to),
		   "%s, reported %s: %s", job_state_name(t->from), job_state_name(t->report),
		   job_state_name(step.state));
	}
}

static void test_report_details(void)
{
	struct job job = job_in(JOB_DOWNLOADING);
	struct job_report report = { 7, 2, JOB_DOWNLOADING, CAUSE_NONE, 300, 2000, NULL };
	struct job_step step;

	job_on_report(&job, &report, &step);
	ok(step.changed && step.renew && step.bytes_done == 300 && step.bytes_total == 2000,
	   "bytes move the job and its deadline");
	report.bytes_done = 50;
	report.bytes_total = -1;
	job_on_report(&job, &report, &step);
	ok(!step.changed && step.bytes_done == 100, "fewer bytes change nothing");
	report.attempt = 1;
	report.state = JOB_FAILED;
	job_on_report(&job, &report, &step);
	ok(!step.changed, "a report of the attempt before changes nothing");
	report.attempt = 3;
	job_on_report(&job, &report, &step);
	ok(!step.changed, "nor one of an attempt that was not made");
	report.attempt = 2;
	report.text = "no space";
	report.cause = CAUSE_SPACE;
	job_on_report(&job, &report, &step);
	ok(step.state == JOB_FAILED && step.cause == CAUSE_SPACE && !step.renew,
	   "a failure has its cause");
	is_str(step.text, "no space", "and its text");
	report.cause = CAUSE_NONE;
	job_on_report(&job, &report, &step);
	is_int(step.cause, CAUSE_OTHER, "a failure without a cause has another one");
}

/* --- boots --- */

struct boot_case {
	enum job_state from;
	enum job_cause cause;
	bool new_boot, release, old, active;
	enum job_state to;
	int32_t attempt;
};

#define NEW  true
#define SAME false

static const struct boot_case boot_cases[] = {
	/* proof */
	{ JOB_REBOOTING, 0, NEW, true, false, true, JOB_SUCCEEDED, 2 },
	{ JOB_OFFERED, 0, NEW, true, false, true, JOB_SUCCEEDED,
	  2 }, /* all reports were lost */
	{ JOB_REBOOTING, 0, SAME, true, false, true, JOB_REBOOTING, 2 },
	{ JOB_REBOOTING, 0, NEW, true, false, false, JOB_SUCCEEDED, 2 },
	/* without */
	{ JOB_REBOOTING, 0, NEW, false, true, true, JOB_ROLLED_BACK, 2 },
	{ JOB_REBOOTING, 0, NEW, false, false, true, JOB_ROLLED_BACK, 2 },
	{ JOB_REBOOTING, 0, SAME, false, true, true, JOB_REBOOTING, 2 },
	{ JOB_INSTALLING, 0, NEW, false, true, true, JOB_OFFERED, 3 },
	{ JOB_DOWNLOADING, 0, NEW, false, true, true, JOB_DOWNLOADING, 2 },
	{ JOB_DOWNLOADED, 0, NEW, false, true, true, JOB_DOWNLOADED, 2 },
	{ JOB_OFFERED, 0, NEW, false, true, true, JOB_OFFERED, 2 },
	/* afterwards */
	{ JOB_SUCCEEDED, 0, NEW, true, false, true, JOB_SUCCEEDED, 2 },
	{ JOB_SUCCEEDED, 0, NEW, false, true, true, JOB_ROLLED_BACK, 2 },
	{ JOB_SUCCEEDED, 0, NEW, false, false, true, JOB_SUCCEEDED, 2 }, /* something newer */
	{ JOB_SUCCEEDED, 0, NEW, false, true, false, JOB_SUCCEEDED, 2 },
	{ JOB_SILENT, 0, NEW, true, false, true, JOB_SUCCEEDED, 2 },
	{ JOB_SILENT, 0, SAME, true, false, true, JOB_SILENT, 2 },
	{ JOB_SILENT, 0, NEW, true, false, false, JOB_SILENT, 2 },
	{ JOB_SILENT, 0, NEW, false, true, true, JOB_ROLLED_BACK, 2 },
	{ JOB_FAILED, CAUSE_STALLED, NEW, true, false, true, JOB_SUCCEEDED, 2 },
	{ JOB_FAILED, CAUSE_ATTEMPTS, NEW, true, false, true, JOB_SUCCEEDED, 2 },
	{ JOB_FAILED, CAUSE_INSTALL, NEW, true, false, true, JOB_FAILED, 2 },
	{ JOB_ROLLED_BACK, 0, NEW, true, false, true, JOB_ROLLED_BACK, 2 },
	{ JOB_CANCELLED, 0, NEW, true, false, true, JOB_CANCELLED, 2 },
};

static void test_boots(void)
{
	for (size_t i = 0; i < ARRAY_LEN(boot_cases); i++) {
		const struct boot_case *t = &boot_cases[i];
		struct job job = job_in(t->from);
		struct job_boot boot = { .new_boot = t->new_boot,
					 .runs_release = t->release,
					 .runs_old = t->old,
					 .campaign_active = t->active,
					 .max_attempts = 3 };
		struct job_step step;
		job.cause = t->cause;
		job_on_boot(&job, &boot, &step);
		ok(step.state == t->to && step.attempt == t->attempt,
		   "%zu: %s, %s boot, %s: %s", i, job_state_name(t->from),
		   t->new_boot ? "new" : "same",
		   t->release ? "the release"
		   : t->old   ? "the old image"
			      : "something else",
		   job_state_name(step.state));
	}
}

static void test_boot_details(void)
{
	struct job job = job_in(JOB_INSTALLING);
	struct job_boot boot = { .new_boot = true, .runs_old = true, .max_attempts = 2 };
	struct job_step step;

	job_on_boot(&job, &boot, &step);
	ok(step.state == JOB_FAILED && step.cause == CAUSE_ATTEMPTS, "no attempt is left");
	job = job_in(JOB_DOWNLOADING);
	job_on_boot(&job, &boot, &step);
	ok(step.changed && step.new_boot && step.renew,
	   "a power cut: other boot, new deadline");
	boot = (struct job_boot){ .runs_old = true,
				  .max_attempts = 3,
				  .last_job = 7,
				  .last_attempt = 2,
				  .last_outcome = JOB_ROLLED_BACK,
				  .last_text = "trial timed out" };
	job_on_boot(&job, &boot, &step);
	is_int(step.state, JOB_ROLLED_BACK, "the launcher's verdict on this attempt counts");
	is_str(step.text, "trial timed out", "with its text");
	boot.last_attempt = 1;
	job_on_boot(&job, &boot, &step);
	ok(!step.changed, "on the attempt before it does not");
	boot.last_attempt = 2;
	boot.last_job = 6;
	job_on_boot(&job, &boot, &step);
	ok(!step.changed, "nor on another job");
	boot.last_job = 7;
	boot.runs_release = true;
	boot.new_boot = true;
	job_on_boot(&job, &boot, &step);
	is_int(step.state, JOB_SUCCEEDED, "proof beats a verdict");
}

/* --- deadlines: the job moved at 100 s, silent after 60 s, due at 160 s --- */

struct deadline_case {
	int64_t now, heard, up;
	enum job_state to;
	int64_t deadline;
	const char *name;
	int64_t fetched;
};

static const struct deadline_case deadline_cases[] = {
	{ 159, 0, 0, JOB_DOWNLOADING, 160, "not due", 0 },
	{ 160, 0, 0, JOB_SILENT, 160, "never heard since", 0 },
	{ 160, 101, 0, JOB_DOWNLOADING, 161, "heard a little later: a little later", 0 },
	{ 161, 101, 0, JOB_SILENT, 160, "and then silent", 0 },
	{ 200, 190, 0, JOB_DOWNLOADING, 220, "alive: until it is stalled", 0 },
	{ 220, 219, 0, JOB_FAILED, 160, "alive without progress", 0 },
	{ 220, 150, 0, JOB_SILENT, 160, "quiet for long", 0 },
	{ 200, 0, 150, JOB_DOWNLOADING, 210, "time before the server was up does not count",
	  0 },
	{ 210, 0, 150, JOB_SILENT, 160, "time after it does", 0 },
	{ 230, 220, 150, JOB_DOWNLOADING, 270, "nor for stalling", 0 },
	{ 200, 500, 0, JOB_DOWNLOADING, 560, "it sleeps, as it said", 0 },
	{ 560, 500, 0, JOB_SILENT, 160, "but did not wake", 0 },
	{ 230, 229, 0, JOB_DOWNLOADING, 289, "blocks are progress", 229 },
	{ 350, 349, 0, JOB_FAILED, 160, "until they stop", 229 },
	{ 289, 229, 0, JOB_SILENT, 160, "with them the device is quiet", 229 },
	{ 1419, 1410, 0, JOB_DOWNLOADING, 1420, "for a long time", 1410 },
	{ 1420, 1410, 0, JOB_FAILED, 160, "but not for ever", 1410 },
};

static void test_deadlines(void)
{
	for (size_t i = 0; i < ARRAY_LEN(deadline_cases); i++) {
		const struct deadline_case *t = &deadline_cases[i];
		struct job job = job_in(JOB_DOWNLOADING);
		struct job_clock clock = { t->now * SECOND, t->heard * SECOND,
					   t->fetched * SECOND, t->up * SECOND, 60 * SECOND };
		struct job_step step;
		job_on_deadline(&job, &clock, &step);
		ok(step.state == t->to && step.deadline_at == t->deadline * SECOND,
		   "%s (%s, %lld)", t->name, job_state_name(step.state),
		   (long long)(step.deadline_at / SECOND));
	}
	struct job over = job_in(JOB_SUCCEEDED);
	struct job_step step;
	job_on_deadline(&over, &(struct job_clock){ 1000 * SECOND, 0, 0, 0, 60 * SECOND },
			&step);
	ok(!step.changed, "a job that is over has no deadline");
}

/* It waits for its window, and says so; it may still fall silent. */
static void test_deferred(void)
{
	const int64_t end = 100 * SECOND + DEFERRED_MAX_US;
	struct job job = job_in(JOB_DEFERRED);
	struct job_clock clock = { .now = end - 1,
				   .heard_at = end - 2,
				   .silent_after = SECOND };
	struct job_step step;

	job_on_deadline(&job, &clock, &step);
	is_int(step.state, JOB_DEFERRED, "alive, it waits for days");
	is_int(step.deadline_at, end, "not for ever");
	clock.now = end;
	job_on_deadline(&job, &clock, &step);
	ok(step.state == JOB_FAILED && step.cause == CAUSE_STALLED, "then it is stalled");
	clock.heard_at = end - SECOND;
	job_on_deadline(&job, &clock, &step);
	is_int(step.state, JOB_SILENT, "or silent, if nothing was heard");
	clock.silent_after = DEFERRED_MAX_US;
	clock.heard_at = end;
	job_on_deadline(&job, &clock, &step);
	is_int(step.state, JOB_DEFERRED, "a campaign that gives more time gives it here too");
}

/* --- deltas --- */

struct delta_case {
	enum job_state report;
	enum job_cause cause;
	int32_t max_attempts;
	bool falls_back;
};

static const struct delta_case delta_cases[] = {
	{ JOB_FAILED, CAUSE_INSTALL, 3, true },     { JOB_FAILED, CAUSE_NONE, 3, true },
	{ JOB_FAILED, CAUSE_DIGEST, 3, true },      { JOB_REJECTED, CAUSE_SPACE, 3, true },
	{ JOB_REJECTED, CAUSE_MANIFEST, 3, true },  { JOB_REJECTED, CAUSE_CLASS, 3, false },
	{ JOB_REJECTED, CAUSE_SEQUENCE, 3, false }, { JOB_FAILED, CAUSE_INSTALL, 2, false },
	{ JOB_DOWNLOADED, CAUSE_NONE, 3, false },
};

static void test_failed_deltas(void)
{
	for (size_t i = 0; i < ARRAY_LEN(delta_cases); i++) {
		const struct delta_case *t = &delta_cases[i];
		struct job job = job_in(JOB_DOWNLOADING);
		struct job_report report = { 7, 2, t->report, t->cause, -1, -1, "why" };
		struct job_step step, before;
		job_on_report(&job, &report, &step);
		before = step;
		bool again = job_on_failed_delta(&job, t->max_attempts, &step);
		ok(again == t->falls_back, "a delta, then %s (%s) of %d attempts",
		   job_state_name(t->report), job_cause_name(t->cause), t->max_attempts);
		if (again)
			ok(step.changed && step.renew && step.fell_back &&
				   step.state == JOB_OFFERED && step.cause == CAUSE_NONE &&
				   step.attempt == 3 && step.bytes_done == 0,
			   "another attempt, without a delta");
		else
			ok(step.state == before.state && step.attempt == 2 && !step.fell_back,
			   "as it was");
	}
	struct job over = job_in(JOB_FAILED);
	struct job_report late = { 7, 2, JOB_FAILED, CAUSE_INSTALL, -1, -1, NULL };
	struct job_step step;
	job_on_report(&over, &late, &step);
	ok(!job_on_failed_delta(&over, 3, &step) && !step.changed,
	   "a job that is over is not opened again");
}

static void test_boots_with_deltas(void)
{
	struct job_boot boot = {
		.new_boot = true, .runs_old = true, .max_attempts = 3, .delta = true
	};
	struct job job = job_in(JOB_INSTALLING);
	struct job_step step;

	job_on_boot(&job, &boot, &step);
	ok(step.attempt == 3 && step.fell_back, "an interrupted delta: the next is none");
	boot.delta = false;
	job_on_boot(&job, &boot, &step);
	ok(step.attempt == 3 && !step.fell_back, "an interrupted image: once more");
	boot.delta = true;
	job = job_in(JOB_DOWNLOADING);
	job_on_boot(&job, &boot, &step);
	ok(step.attempt == 2 && step.new_boot, "a boot in the download changes nothing");
	boot.unfit = true;
	job_on_boot(&job, &boot, &step);
	ok(step.attempt == 3 && !step.fell_back && step.new_boot && step.state == JOB_OFFERED,
	   "but when the base is gone, another manifest is chosen");
	boot.max_attempts = 2;
	job_on_boot(&job, &boot, &step);
	ok(step.attempt == 2 && step.state == JOB_DOWNLOADING, "while there are attempts left");
	job = job_in(JOB_REBOOTING);
	job_on_boot(&job, &boot, &step);
	ok(step.state == JOB_ROLLED_BACK && !step.fell_back,
	   "a trial that fails is the image's fault, however it came");
}

/* What the device says of itself asks for another manifest than it was offered. */
static void test_other_manifest(void)
{
	static const enum job_state states[] = { JOB_OFFERED,     JOB_DEFERRED,
						 JOB_DOWNLOADING, JOB_DOWNLOADED,
						 JOB_INSTALLING,  JOB_REBOOTING,
						 JOB_FAILED };
	struct job_boot boot = { .runs_old = true, .max_attempts = 3, .other = true };
	struct job_step step;

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct job job = job_in(states[i]);
		job_on_boot(&job, &boot, &step);
		if (i < 2)
			ok(step.state == JOB_OFFERED && step.attempt == 3 && !step.choose &&
				   !step.new_boot && !step.fell_back,
			   "who has not begun is offered that, by another attempt");
		else
			ok(!step.changed && step.state == states[i] && step.attempt == 2,
			   "%s: it goes on", job_state_name(states[i]));
	}
	struct job job = job_in(JOB_OFFERED);
	boot.new_boot = true;
	job_on_boot(&job, &boot, &step);
	ok(step.attempt == 3 && step.new_boot, "in a new boot as well");
	boot.max_attempts = 2;
	job_on_boot(&job, &boot, &step);
	ok(step.attempt == 2 && step.choose && step.changed,
	   "without another attempt within this one");
	is_int(step.bytes_done, 0, "of what is chosen then it has nothing yet");
	boot.runs_release = true;
	job_on_boot(&job, &boot, &step);
	ok(step.state == JOB_SUCCEEDED && !step.choose, "proof comes first");
}

/* --- random histories --- */

static void random_step(struct job *job, bool *ret_proof, struct job_step *ret)
{
	struct job_report report = { 7,
				     job->attempt - (int32_t)random_below(2),
				     (enum job_state)random_below(JOB_STATE_END),
				     CAUSE_NONE,
				     (int64_t)random_below(1000),
				     1000,
				     NULL };
	struct job_boot boot = { .new_boot = random_below(2),
				 .runs_release = random_below(2),
				 .campaign_active = random_below(2),
				 .max_attempts = 3,
				 .delta = random_below(2),
				 .unfit = random_below(2),
				 .other = random_below(2) };
	struct job_clock clock = { job->deadline_at + (int64_t)random_below(3) * SECOND, 0, 0,
				   0, 60 * SECOND };

	*ret_proof = false;
	boot.runs_old = !boot.runs_release && random_below(2);
	switch (random_below(8)) {
	case 0:
		job_on_deadline(job, &clock, ret);
		return;
	case 1:
		job_on_boot(job, &boot, ret);
		*ret_proof = boot.new_boot && boot.runs_release;
		return;
	default:
		job_on_report(job, &report, ret);
		if (random_below(2))
			(void)job_on_failed_delta(job, 3, ret);
	}
}

/* Returns what is wrong with a step, NULL when nothing is. */
static const char *step_fault(const struct job *job, const struct job_step *step, bool proof)
{
	bool was_open = job_state_is_open(job->state), open = job_state_is_open(step->state);

	if (step->state == JOB_SUCCEEDED && job->state != JOB_SUCCEEDED && !proof)
		return "success without proof";
	if (!was_open && open)
		return "a job that was over is open again";
	if (!step->changed && (step->state != job->state || step->attempt != job->attempt))
		return "an unnoted change";
	if (step->attempt < job->attempt || step->attempt > 4)
		return "attempts go wrong";
	if (step->state == JOB_QUEUED || job_state_leaves_sample(step->state))
		return "a state that only the server's other parts may set";
	if (step->state == JOB_SUCCEEDED && step->cause != CAUSE_NONE)
		return "a success with a cause";
	return NULL;
}

static void test_histories(void)
{
	const char *fault = NULL;
	int steps = 0;

	for (int h = 0; h < 2000 && !fault; h++) {
		struct job job = job_in(JOB_OFFERED);
		job.attempt = 1;
		for (int i = 0; i < 50 && !fault; i++, steps++) {
			struct job_step step;
			bool proof;
			random_step(&job, &proof, &step);
			fault = step_fault(&job, &step, proof);
			job.state = step.state;
			job.cause = step.cause;
			job.attempt = step.attempt;
			job.bytes_done = step.bytes_done;
		}
	}
	ok(!fault, "%d random steps: %s", steps, fault ? fault : "each may be");
}

int main(void)
{
	dice_begin();
	test_reports();
	test_report_details();
	test_boots();
	test_boot_details();
	test_deadlines();
	test_deferred();
	test_failed_deltas();
	test_boots_with_deltas();
	test_other_manifest();
	test_histories();
	return tap_done();
}
