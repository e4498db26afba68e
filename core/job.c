/* Jobs.  Rules decide, this file stores; the order of locks is device, job, slot, tally. */

#include "core/job.h"

#include "core/audit.h"
#include "core/core.h"
#include "core/event.h"
#include "core/outbox.h"
#include "core/roster_update.h"
#include "db/slot_store.h"
#include "db/tally_store.h"

/* --- the roster, after the commit --- */

struct job_hook {
	struct uuid device_id;
	int64_t job_id;
	int32_t attempt;
	const struct roster_release *release; /* NULL: the job is over */
	uint64_t turn;
};

static void roster_follow(struct core *core, void *arg)
{
	const struct job_hook *hook = arg;
	struct roster_device *d = roster_find(core->roster, &hook->device_id);

	if (!d)
		return;
	if (hook->release) {
		roster_set_job(d, hook->job_id, hook->attempt, hook->release, hook->turn);
		return;
	}
	roster_clear_job(d, hook->job_id, hook->turn);
	roster_wake_device(core->roster, d);
}

static void follow_after_commit(struct call *c, const struct job *job,
				const struct roster_release *release)
{
	struct job_hook *hook = arena_new(c->mem, struct job_hook);

	*hook = (struct job_hook){ job->device_id, job->job_id, job->attempt, release,
				   roster_turn(c->core->roster) };
	call_after_commit(c, roster_follow, hook);
}

/* --- writing --- */

static struct tally_key tally_of(const struct call *c, const struct job *job)
{
	return (struct tally_key){ job->campaign_id, job->stage, c->shard };
}

static enum rc tell(struct call *c, const struct job *job, const char *text)
{
	struct event event = {
		.device_id = job->device_id,
		.kind = EVENT_JOB,
		.campaign_id = job->campaign_id,
		.job_id = job->job_id,
		.detail = audit_detail(c->mem, "state", job_state_name(job->state), "cause",
				       job->cause ? job_cause_name(job->cause) : NULL, "text",
				       text && text[0] ? text : NULL, NULL),
	};

	return event_add(c, &event);
}

enum rc job_open(struct call *c, struct job *job, const struct roster_release *release)
{
	struct tally_key key = tally_of(c, job);
	bool open = job_state_is_open(job->state);

	enum rc rc = job_store_insert(c->db, c->tenant, job, &job->job_id);
	if (rc != RC_OK)
		return rc == RC_CONFLICT ? RC_RETRY : rc;
	if (open)
		rc = slot_store_take(c->db, c->tenant,
				     &(struct slot_claim){ job->device_id, job->component,
							   job->job_id, job->campaign_id });
	if (rc == RC_OK)
		rc = tally_store_add(c->db, c->tenant, &key, job->state);
	if (rc == RC_OK)
		rc = tell(c, job, NULL);
	if (rc != RC_OK || !open)
		return rc;
	follow_after_commit(c, job, release);
	return outbox_device(c, &job->device_id);
}

/* What the step makes of the job; only a move renews updated_at, or a postponed deadline would
 * look like progress. */
static struct job step_result(const struct call *c, const struct job_row *row,
			      const struct job_step *step, struct bytes boot_id)
{
	struct job to = row->job;

	to.state = step->state;
	to.cause = step->cause;
	to.attempt = step->attempt;
	to.bytes_done = step->bytes_done;
	to.bytes_total = step->bytes_total;
	if (step->new_boot)
		to.boot_id = boot_id;
	if (step->renew || step->state != row->job.state)
		to.updated_at = c->now;
	to.deadline_at = step->renew ? c->now + row->silent_after_s * INT64_C(1000000)
				     : step->deadline_at;
	return to;
}

/* Rosters must learn that a job is over, or that its attempt is another one. */
static enum rc announce(struct call *c, const struct job *from, const struct job *to)
{
	bool over = job_state_is_open(from->state) && !job_state_is_open(to->state);
	const struct roster_release *release =
		over ? NULL : roster_release_find(c->core->roster, &to->release_id);

	if (!over && from->attempt == to->attempt)
		return RC_OK;
	follow_after_commit(c, to, release);
	return outbox_device(c, &to->device_id);
}

enum rc job_apply(struct call *c, const struct job_row *row, const struct job_step *step,
		  struct bytes boot_id)
{
	const struct job *from = &row->job;
	struct tally_key key = tally_of(c, from);

	if (!step->changed)
		return RC_OK;
	struct job to = step_result(c, row, step, boot_id);
	enum rc rc = job_store_move(c->db, c->tenant, from, &to, step->text);
	if (rc != RC_OK)
		return rc;
	if (job_state_is_open(from->state) && !job_state_is_open(to.state))
		rc = slot_store_release(c->db, c->tenant, &to.device_id, to.job_id);
	if (rc == RC_OK && from->state != to.state)
		rc = tally_store_move(c->db, c->tenant, &key, from->state, to.state);
	if (rc == RC_OK && from->state != to.state)
		rc = tell(c, &to, step->text);
	return rc == RC_OK ? announce(c, from, &to) : rc;
}

/* --- what happens to jobs --- */

enum rc job_report(struct call *c, const struct job_report *in, bool *ret_stop)
{
	struct job_row row;
	struct job_step step;

	enum rc rc = job_store_lock(c->db, c->tenant, &c->actor.id, in->job_id, c->mem, &row);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "no such job");
	if (rc != RC_OK)
		return rc;
	job_on_report(&row.job, in, &step);
	rc = job_apply(c, &row, &step, (struct bytes){ 0 });
	if (rc == RC_OK)
		*ret_stop = !job_state_is_open(row.job.state);
	return rc;
}

static enum rc cancel(struct call *c, const struct job_row *row, const char *text)
{
	struct job_step step = {
		.changed = true,
		.state = JOB_CANCELLED,
		.attempt = row->job.attempt,
		.bytes_done = row->job.bytes_done,
		.bytes_total = row->job.bytes_total,
		.deadline_at = row->job.deadline_at,
		.text = text,
	};

	return job_apply(c, row, &step, (struct bytes){ 0 });
}

enum rc job_cancel_device(struct call *c, const struct uuid *device_id, const char *text)
{
	struct job_row *rows;
	int n;

	enum rc rc = job_store_lock_device(c->db, c->tenant, device_id, c->mem, &rows, &n);
	for (int i = 0; rc == RC_OK && i < n; i++)
		if (job_state_is_open(rows[i].job.state))
			rc = cancel(c, &rows[i], text);
	return rc;
}

enum rc job_cancel_campaign(struct call *c, const struct uuid *campaign_id)
{
	struct job_row *rows;
	int n;

	do {
		enum rc rc = job_store_open_of_campaign(c->db, c->tenant, campaign_id, c->mem,
							&rows, &n);
		for (int i = 0; rc == RC_OK && i < n; i++)
			rc = cancel(c, &rows[i], "the campaign was aborted");
		if (rc != RC_OK)
			return rc;
	} while (n > 0);
	return RC_OK;
}
