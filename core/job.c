/* Jobs.  Rules decide, this file stores; the order of locks is device, job, slot, tally. */

#include "core/job.h"

#include "base/clean.h"
#include "core/audit.h"
#include "core/core.h"
#include "core/event.h"
#include "core/job_memo.h"
#include "core/outbox.h"
#include "core/roster_update.h"
#include "db/event_store.h"
#include "db/outbox_store.h"
#include "db/slot_store.h"
#include "db/tally_store.h"

#include <assert.h>
#include <stdatomic.h>

/* --- the roster, after the commit --- */

struct job_hook {
	struct uuid device_id;
	int64_t job_id;
	int32_t attempt;
	const struct roster_release *release; /* NULL: the job is over */
};

static void roster_follow(struct call *c, void *arg)
{
	const struct job_hook *hook = arg;
	struct roster_device *d = roster_find(c->core->roster, &hook->device_id);

	if (!d)
		return;
	if (hook->release) {
		roster_set_job(d, hook->job_id, hook->attempt, hook->release, c->turn);
		return;
	}
	roster_clear_job(d, hook->job_id, c->turn);
	roster_wake_device(c->core->roster, d);
}

static void follow_after_commit(struct call *c, const struct job *job,
				const struct roster_release *release)
{
	struct job_hook *hook = arena_new(c->mem, struct job_hook);

	*hook = (struct job_hook){ job->device_id, job->job_id, job->attempt, release };
	call_after_commit(c, roster_follow, hook);
}

/* --- what the next report need not read --- */

struct memo_hook {
	struct job *open;
	size_t open_count;
	int64_t *over; /* ids of those that are over */
	size_t over_count;
	int64_t now;
};

static void memo_follow(struct call *c, void *arg)
{
	const struct memo_hook *hook = arg;

	for (size_t i = 0; i < hook->open_count; i++)
		job_memo_put(c->core->jobs, &hook->open[i], hook->now);
	for (size_t i = 0; i < hook->over_count; i++)
		job_memo_drop(c->core->jobs, hook->over[i]);
}

static void memo_add(struct memo_hook *hook, struct arena *mem, const struct job *job)
{
	if (!job_state_is_open(job->state)) {
		hook->over[hook->over_count++] = job->job_id;
		return;
	}
	struct job *copy = &hook->open[hook->open_count++];
	*copy = *job;
	copy->boot_id.p = arena_copy(mem, job->boot_id.p, job->boot_id.n);
}

/* c: a call of the transaction that is answered well when it is committed.  The moves may be
 * gone by then. */
static void remember_after_commit(struct call *c, const struct job_move *moves, size_t count)
{
	struct memo_hook *hook = arena_new(c->mem, struct memo_hook);
	size_t open = 0;

	for (size_t i = 0; i < count; i++)
		open += job_state_is_open(moves[i].to.state);
	hook->open = arena_array(c->mem, open, sizeof(*hook->open));
	hook->over = arena_array(c->mem, count - open, sizeof(*hook->over));
	hook->now = c->now;
	for (size_t i = 0; i < count; i++)
		memo_add(hook, c->mem, &moves[i].to);
	call_after_commit(c, memo_follow, hook);
}

/* --- writing --- */

static enum rc count(struct call *c, struct tally_change *changes, size_t n)
{
	return tally_store_add(c->db, c->tenant, c->shard, c->mem, changes, n);
}

static struct event event_of(struct arena *mem, const struct job *job, const char *text)
{
	return (struct event){
		.device_id = job->device_id,
		.kind = EVENT_JOB,
		.campaign_id = job->campaign_id,
		.job_id = job->job_id,
		.detail = audit_detail(mem, "state", job_state_name(job->state), "cause",
				       job->cause ? job_cause_name(job->cause) : NULL, "text",
				       text && text[0] ? text : NULL, NULL),
	};
}

/* The counters of a job that is made. */
static enum rc count_new(struct call *c, const struct job *job)
{
	struct tally_change changes[] = {
		{ job->campaign_id, job->stage, job->state, 1 },
		{ job->campaign_id, job->stage, TALLY_BYTES_OFFERED, job->bytes_total },
	};

	return count(c, changes, job_state_is_open(job->state) && job->bytes_total ? 2 : 1);
}

/* An offer that was made, to whoever keeps jobs or rosters. */
static enum rc announce(struct call *c, const struct job *job,
			const struct roster_release *release)
{
	const struct job_move made = { .to = *job };

	remember_after_commit(c, &made, 1);
	follow_after_commit(c, job, release);
	return outbox_device(c, &job->device_id);
}

enum rc job_open(struct call *c, struct job *job, const struct roster_release *release)
{
	bool open = job_state_is_open(job->state);

	if (!open)
		job->deadline_at = JOB_NO_DEADLINE;
	enum rc rc = job_store_insert(c->db, c->tenant, job);
	if (rc != RC_OK)
		return rc == RC_CONFLICT ? RC_RETRY : rc;
	if (open)
		rc = slot_store_take(c->db, c->tenant,
				     &(struct slot_claim){ job->device_id, job->component,
							   job->job_id, job->campaign_id });
	if (rc == RC_OK)
		rc = count_new(c, job);
	struct event event = event_of(c->mem, job, job->text);
	if (rc == RC_OK)
		rc = event_add(c, &event);
	if (rc != RC_OK || !open)
		return rc;
	return announce(c, job, release);
}

enum rc job_choose(struct call *c, struct job *job, const struct variant_choice *choice,
		   const struct digest *from, const struct roster_release *release)
{
	struct tally_change offered = { job->campaign_id, job->stage, TALLY_BYTES_OFFERED,
					choice->variant->bytes };

	job->manifest = choice->variant->manifest;
	job->bytes_total = choice->variant->bytes;
	job->bytes_saved = choice->bytes_saved;
	job->from_digest = *from;
	enum rc rc = job_store_choose(c->db, c->tenant, job);
	if (rc == RC_OK && offered.n)
		rc = count(c, &offered, 1);
	if (rc != RC_OK)
		return rc;
	return announce(c, job, release);
}

/* A report does not renew the deadline, which is indexed: when it has passed, the job is judged
 * by its last move, and given a later one (job_on_deadline()). */
static int64_t next_deadline(const struct call *c, const struct job_row *row,
			     const struct job_step *step)
{
	if (!job_state_is_open(step->state))
		return JOB_NO_DEADLINE;
	if (!step->renew)
		return step->deadline_at;
	if (job_state_is_open(row->job.state))
		return row->job.deadline_at;
	assert(row->silent_after_s > 0);
	return c->now + row->silent_after_s * INT64_C(1000000);
}

static bool is_another_attempt(const struct job *from, const struct job *to)
{
	return from->attempt != to->attempt;
}

/* What it is offered is to be chosen when the device asks next. */
static bool lost_its_choice(const struct job *from, const struct job *to)
{
	return is_another_attempt(from, to) || (job_is_chosen(from) && !job_is_chosen(to));
}

/* What the step makes of the job; only a move renews updated_at, or a postponed deadline would
 * look like progress. */
static struct job step_result(const struct job_change *change)
{
	const struct job_step *step = &change->step;
	struct job to = change->row.job;

	to.state = step->state;
	to.cause = step->cause;
	to.attempt = step->attempt;
	to.bytes_done = step->bytes_done;
	to.bytes_total = step->bytes_total;
	if (step->choose || is_another_attempt(&change->row.job, &to)) {
		to.manifest = (struct digest){ 0 };
		to.bytes_saved = 0;
		to.fell_back |= step->fell_back;
	}
	if (step->new_boot)
		to.boot_id = change->boot_id;
	if (step->renew || step->state != change->row.job.state)
		to.updated_at = change->call->now;
	to.deadline_at = next_deadline(change->call, &change->row, step);
	return to;
}

/* Out of a state and into another, bytes that are saved, and a fallback. */
#define TALLIES_OF_A_MOVE 4

/* What many changes write; each list as long as it is filled. */
struct writing {
	struct job_move *moves; /* those that were stored, and whose they are */
	const struct job_change **changes;
	size_t move_count;
	size_t *lost; /* places of changes whose job was another version by then */
	size_t lost_count;
	struct uuid *closed; /* devices, and their jobs that are over */
	int64_t *closed_jobs;
	size_t closed_count;
	const struct job **unchosen; /* jobs whose manifest is to be chosen again */
	size_t unchosen_count;
	struct tally_change *tallies;
	size_t tally_count;
	struct event *events;
	int64_t *event_at;
	size_t event_count;
	struct uuid *told; /* devices whose roster entry changes */
	size_t told_count;
};

static struct writing *writing_create(struct arena *mem, size_t n)
{
	struct writing *w = arena_new(mem, struct writing);

	w->moves = arena_array(mem, n, sizeof(*w->moves));
	w->changes = arena_array(mem, n, sizeof(*w->changes));
	w->lost = arena_array(mem, n, sizeof(*w->lost));
	w->closed = arena_array(mem, n, sizeof(*w->closed));
	w->closed_jobs = arena_array(mem, n, sizeof(*w->closed_jobs));
	w->unchosen = arena_array(mem, n, sizeof(*w->unchosen));
	w->tallies = arena_array(mem, TALLIES_OF_A_MOVE * n, sizeof(*w->tallies));
	w->events = arena_array(mem, n, sizeof(*w->events));
	w->event_at = arena_array(mem, n, sizeof(*w->event_at));
	w->told = arena_array(mem, n, sizeof(*w->told));
	return w;
}

static void write_tally(struct writing *w, const struct job *job, int32_t what, int64_t n)
{
	size_t i = 0;

	while (i < w->tally_count &&
	       (w->tallies[i].state != what || w->tallies[i].stage != job->stage ||
		!uuid_equal(&w->tallies[i].campaign_id, &job->campaign_id)))
		i++;
	if (i == w->tally_count)
		w->tallies[w->tally_count++] =
			(struct tally_change){ job->campaign_id, job->stage, what, 0 };
	w->tallies[i].n += n;
}

static void count_fallback(struct call *c, void *arg)
{
	(void)arg;
	atomic_fetch_add(&c->core->delta_fallbacks, 1);
}

static void count_saved(struct call *c, void *arg)
{
	const int64_t *saved = arg;

	atomic_fetch_add(&c->core->bytes_saved, (uint64_t)*saved);
}

static void count_saved_after_commit(struct call *c, const struct job *job)
{
	int64_t *saved = arena_new(c->mem, int64_t);

	*saved = job->bytes_saved;
	call_after_commit(c, count_saved, saved);
}

/* At most TALLIES_OF_A_MOVE. */
static void write_tallies(struct writing *w, struct call *c, const struct job_move *m)
{
	bool was = m->from.state == JOB_SUCCEEDED, is = m->to.state == JOB_SUCCEEDED;

	if (m->from.state != m->to.state) {
		write_tally(w, &m->from, (int32_t)m->from.state, -1);
		write_tally(w, &m->to, (int32_t)m->to.state, 1);
	}
	if (was != is && m->to.bytes_saved)
		write_tally(w, &m->to, TALLY_BYTES_SAVED,
			    is ? m->to.bytes_saved : -m->to.bytes_saved);
	if (is && !was && m->to.bytes_saved > 0)
		count_saved_after_commit(c, &m->to);
	if (!m->to.fell_back || m->from.fell_back)
		return;
	write_tally(w, &m->to, TALLY_FALLBACKS, 1);
	call_after_commit(c, count_fallback, NULL);
}

/* Rosters must learn that a job is over, or that the device has to ask what it is offered now.
 */
static void write_hook(struct writing *w, struct call *c, const struct job_move *m)
{
	bool over = job_state_is_open(m->from.state) && !job_state_is_open(m->to.state);

	if (!over && !lost_its_choice(&m->from, &m->to))
		return;
	follow_after_commit(c, &m->to, NULL);
	w->told[w->told_count++] = m->to.device_id;
}

/* What follows from a job that was stored. */
static void write_move(struct writing *w, struct call *c, const struct job_move *m,
		       struct arena *mem)
{
	if (job_state_is_open(m->from.state) && !job_state_is_open(m->to.state)) {
		w->closed[w->closed_count] = m->to.device_id;
		w->closed_jobs[w->closed_count++] = m->to.job_id;
	}
	write_tallies(w, c, m);
	if (lost_its_choice(&m->from, &m->to))
		w->unchosen[w->unchosen_count++] = &m->to;
	if (m->from.state != m->to.state || lost_its_choice(&m->from, &m->to)) {
		w->event_at[w->event_count] = c->now;
		w->events[w->event_count++] = event_of(mem, &m->to, m->text);
	}
	write_hook(w, c, m);
}

/* Stores the jobs of some changes, by place; NULL: of the first n. */
static enum rc store_jobs(struct call *c, struct writing *w, const struct job_change *changes,
			  const size_t *places, size_t n)
{
	size_t first = w->move_count, last = first,
	       *from = arena_array(c->mem, n, sizeof(*from));

	for (size_t i = 0; i < n; i++) {
		size_t place = places ? places[i] : i;
		const struct job_change *change = &changes[place];
		if (!change->step.changed)
			continue;
		from[last - first] = place;
		w->moves[last++] = (struct job_move){ change->row.job, step_result(change),
						      change->step.text, false };
	}
	w->lost_count = 0;
	if (last == first)
		return RC_OK;
	enum rc rc = job_store_move(c->db, c->tenant, c->mem, w->moves + first, last - first);
	for (size_t i = first; rc == RC_OK && i < last; i++) {
		if (!w->moves[i].moved) {
			w->lost[w->lost_count++] = from[i - first];
			continue;
		}
		w->changes[w->move_count] = &changes[from[i - first]];
		w->moves[w->move_count++] = w->moves[i];
	}
	return rc;
}

/* Stores what follows from the jobs that were stored. */
static enum rc store_rest(struct call *c, struct writing *w)
{
	enum rc rc = RC_OK;

	if (w->move_count)
		remember_after_commit(w->changes[0]->call, w->moves, w->move_count);
	for (size_t i = 0; i < w->move_count; i++)
		write_move(w, w->changes[i]->call, &w->moves[i], c->mem);
	if (w->closed_count)
		rc = slot_store_release(c->db, c->tenant, c->mem, w->closed, w->closed_jobs,
					w->closed_count);
	if (rc == RC_OK && w->unchosen_count)
		rc = job_store_forget_choice(c->db, c->tenant, c->mem, w->unchosen,
					     w->unchosen_count);
	if (rc == RC_OK && w->tally_count)
		rc = count(c, w->tallies, w->tally_count);
	if (rc == RC_OK && w->event_count)
		rc = event_store_add(c->db, c->tenant, c->mem, w->events, w->event_at,
				     w->event_count);
	if (rc == RC_OK && w->told_count)
		rc = outbox_store_add_devices(c->db, c->tenant, c->mem, w->told, w->told_count,
					      c->now);
	return rc;
}

enum rc job_apply_many(struct call *c, const struct job_change *changes, size_t count_max)
{
	struct writing *w = writing_create(c->mem, count_max);

	enum rc rc = store_jobs(c, w, changes, NULL, count_max);
	if (rc == RC_OK && w->lost_count)
		return RC_RETRY;
	return rc == RC_OK ? store_rest(c, w) : rc;
}

enum rc job_apply(struct call *c, const struct job_row *row, const struct job_step *step,
		  struct bytes boot_id)
{
	const struct job_change change = { c, *row, *step, boot_id };

	return step->changed ? job_apply_many(c, &change, 1) : RC_OK;
}

/* --- a delta that failed --- */

/* What is told of the attempt; the job goes on. */
static const char *fallback_text(struct arena *mem, const struct job_report *report)
{
	const char *text = report->text && report->text[0] ? report->text : NULL;

	return arena_printf(mem, "the delta failed (%s%s%s); next without one",
			    job_cause_name(report->cause ? report->cause : CAUSE_OTHER),
			    text ? ": " : "", text ? text : "");
}

/* Reports that would end their jobs are thought over: by[i] said what changes[i] is. */
static enum rc fall_back(struct call *c, struct job_change *const *changes,
			 const struct job_report *const *by, size_t n)
{
	struct uuid *devices = arena_array(c->mem, n, sizeof(*devices));
	int64_t *jobs = arena_array(c->mem, n, sizeof(*jobs));
	struct job_variant *variants = arena_array(c->mem, n, sizeof(*variants));

	for (size_t i = 0; i < n; i++) {
		devices[i] = changes[i]->row.job.device_id;
		jobs[i] = changes[i]->row.job.job_id;
		variants[i].variant.needs = "";
	}
	enum rc rc =
		n ? job_store_variants(c->db, c->tenant, c->mem, devices, jobs, n, variants)
		  : RC_OK;
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct job_change *change = changes[i];
		if (!variant_is_delta(&variants[i].variant))
			continue;
		change->row.job.fell_back = variants[i].fell_back;
		if (job_on_failed_delta(&change->row.job, variants[i].max_attempts,
					&change->step))
			change->step.text = fallback_text(c->mem, by[i]);
	}
	return rc;
}

/* --- what happens to jobs --- */

static bool ends_job(const struct job_change *change)
{
	return change->step.changed && !job_state_is_open(change->step.state);
}

enum rc job_report(struct call *c, const struct job_report *in, bool *ret_stop)
{
	struct job_change change = { .call = c }, *one = &change;

	enum rc rc =
		job_store_lock(c->db, c->tenant, &c->actor.id, in->job_id, c->mem, &change.row);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "no such job");
	if (rc != RC_OK)
		return rc;
	job_on_report(&change.row.job, in, &change.step);
	rc = fall_back(c, &one, &in, ends_job(&change) ? 1 : 0);
	if (rc == RC_OK && change.step.changed)
		rc = job_apply_many(c, &change, 1);
	if (rc == RC_OK)
		*ret_stop = !job_state_is_open(change.row.job.state);
	return rc;
}

/* --- many reports at once --- */

struct reading {
	struct job_change *changes;
	struct job_reported *reported;
	const size_t *places; /* of what is read */
};

static void report_judge(const struct reading *r, size_t place, const struct job *job)
{
	struct job_reported *reported = &r->reported[place];

	r->changes[place].row.job = *job;
	r->changes[place].call = reported->call;
	job_on_report(job, &reported->report, &r->changes[place].step);
	reported->rc = RC_OK;
	reported->stop = !job_state_is_open(job->state);
}

/* What only a campaign knows (silent_after_s) a report does not need: it opens no job again. */
static void report_row(void *arg, size_t i, const struct job *job)
{
	const struct reading *r = arg;

	report_judge(r, r->places[i], job);
}

/* What memory says is compared when it is written; what is not to be written must be read. */
static bool report_recall(const struct reading *r, size_t place)
{
	struct call *c = r->reported[place].call;
	struct job job;

	if (!job_memo_get(c->core->jobs, &c->actor.id, r->reported[place].report.job_id, c->now,
			  c->mem, &job))
		return false;
	report_judge(r, place, &job);
	return r->changes[place].step.changed;
}

static enum rc report_read(struct reading *r, const size_t *places, size_t n)
{
	struct call *c = r->reported[0].call;
	struct uuid *devices = arena_array(c->mem, n, sizeof(*devices));
	int64_t *jobs = arena_array(c->mem, n, sizeof(*jobs));

	for (size_t i = 0; i < n; i++) {
		struct job_reported *reported = &r->reported[places[i]];
		devices[i] = reported->call->actor.id;
		jobs[i] = reported->report.job_id;
		reported->rc = RC_NOT_FOUND;
		r->changes[places[i]].step.changed = false;
	}
	r->places = places;
	enum rc rc =
		n ? job_store_get(c->db, c->tenant, c->mem, devices, jobs, n, report_row, r)
		  : RC_OK;
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if (r->reported[places[i]].rc == RC_NOT_FOUND)
			r->reported[places[i]].rc = call_fail(r->reported[places[i]].call,
							      ERR_NOT_FOUND, "no such job");
	return rc;
}

/* Of the reports at these places, NULL: of the first n. */
static enum rc report_think(struct call *c, struct reading *r, const size_t *places, size_t n)
{
	struct job_change **ended = arena_array(c->mem, n, sizeof(struct job_change *));
	const struct job_report **by =
		arena_array(c->mem, n, sizeof(const struct job_report *));
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		size_t place = places ? places[i] : i;
		if (!ends_job(&r->changes[place]))
			continue;
		ended[count] = &r->changes[place];
		by[count++] = &r->reported[place].report;
	}
	return fall_back(c, ended, by, count);
}

/* What memory was wrong about, or somebody else changed since it was read, is read and judged
 * again. */
static enum rc report_store(struct call *c, struct reading *r, struct writing *w, size_t n)
{
	enum rc rc = report_think(c, r, NULL, n);

	if (rc == RC_OK)
		rc = store_jobs(c, w, r->changes, NULL, n);
	size_t count = w->lost_count;
	if (rc != RC_OK || !count)
		return rc;
	const size_t *lost = arena_copy(c->mem, w->lost, count * sizeof(*lost));
	rc = report_read(r, lost, count);
	if (rc == RC_OK)
		rc = report_think(c, r, lost, count);
	if (rc == RC_OK)
		rc = store_jobs(c, w, r->changes, lost, count);
	return rc == RC_OK && w->lost_count ? RC_RETRY : rc;
}

enum rc job_report_many(struct job_reported *reports, size_t n)
{
	struct call *c = reports[0].call;
	struct reading r = { arena_array(c->mem, n, sizeof(*r.changes)), reports, NULL };
	struct writing *w = writing_create(c->mem, n);
	size_t *unknown = arena_array(c->mem, n, sizeof(*unknown)), count = 0;

	for (size_t i = 0; i < n; i++)
		if (!report_recall(&r, i))
			unknown[count++] = i;
	enum rc rc = report_read(&r, unknown, count);
	if (rc == RC_OK)
		rc = report_store(c, &r, w, n);
	return rc == RC_OK ? store_rest(c, w) : rc;
}

/* --- cancelling --- */

/* `page` is c, or stands for it in the same transaction with memory of its own: there is what
 * nobody needs when these are written. */
static enum rc cancel(struct call *c, struct call *page, const struct job_row *rows, int n,
		      const char *text)
{
	struct job_change *changes = arena_array(page->mem, (size_t)n, sizeof(*changes));
	size_t open = 0;

	for (int i = 0; i < n; i++) {
		const struct job *job = &rows[i].job;
		if (!job_state_is_open(job->state))
			continue;
		changes[open++] = (struct job_change){
			.call = c,
			.row = rows[i],
			.step = { .changed = true,
				  .state = JOB_CANCELLED,
				  .attempt = job->attempt,
				  .bytes_done = job->bytes_done,
				  .bytes_total = job->bytes_total,
				  .text = text },
		};
	}
	return job_apply_many(page, changes, open);
}

enum rc job_cancel_device(struct call *c, const struct uuid *device_id, const char *text)
{
	struct job_row *rows;
	int n;

	enum rc rc = job_store_lock_devices(c->db, c->tenant, c->mem, device_id, 1, &rows, &n);
	return rc == RC_OK && n ? cancel(c, c, rows, n, text) : rc;
}

typedef enum rc jobs_of_campaign(struct db *db, int32_t tenant, const struct job_place *after,
				 struct arena *mem, struct job_row **ret, int *ret_count);

/* Some at a time, until there are none any more: there may be a million. */
static enum rc cancel_all(struct call *c, const struct uuid *campaign_id,
			  jobs_of_campaign *which, const char *text)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct job_place after = { .campaign_id = *campaign_id };
	struct call page = *c;
	struct job_row *rows;
	int n;

	page.mem = mem;
	do {
		arena_reset(mem);
		enum rc rc = which(c->db, c->tenant, &after, mem, &rows, &n);
		if (rc == RC_OK && n)
			rc = cancel(c, &page, rows, n, text);
		if (rc != RC_OK)
			return rc;
		if (n) {
			after.device_id = rows[n - 1].job.device_id;
			after.job_id = rows[n - 1].job.job_id;
		}
	} while (n > 0);
	return RC_OK;
}

enum rc job_cancel_campaign(struct call *c, const struct uuid *campaign_id)
{
	return cancel_all(c, campaign_id, job_store_open_of_campaign,
			  "the campaign was aborted");
}

enum rc job_cancel_unbegun(struct call *c, const struct uuid *campaign_id)
{
	return cancel_all(c, campaign_id, job_store_unbegun_of_campaign, JOB_TEXT_WITHDRAWN);
}
