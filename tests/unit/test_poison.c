/* R27: releases that do harm, in four shapes, against the gates: what the bound says before the
 * start holds, whatever the schedule; and a good release is hardly ever stopped.  Only the pure
 * rules run here, on a clock of our own.  Seeds count from 1, so a failure repeats itself. */

#include "core/campaign_rules.h"
#include "core/job_rules.h"
#include "tests/tap.h"

#include <stdlib.h>

#define SECOND       INT64_C(1000000)
#define SEEDS        1000
#define SILENT_AFTER (3600 * SECOND)
#define EVENTS_MAX   16 /* of one device */

static uint64_t state;

static uint64_t dice(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % below;
}

static void seed(uint64_t n)
{
	state = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (int i = 0; i < 8; i++)
		dice(2);
}

/* --- one device: what the rules make of its life ---------------------------------------------
 */

enum shape { BRICKS, ROLLS_BACK, LOOPS, LIES, DEGRADES, GOOD, SHAPES };
static const char *const shape_names[] = { "bricks silently", "rolls back", "loops", "lies",
					   "degrades",        "good" };

struct event {
	int64_t at;
	int stage;
	enum job_state from, to;
};

struct life {
	struct job job;
	int64_t now;
	int stage, count;
	struct event events[EVENTS_MAX];
};

static void follow(struct life *l, const struct job_step *step)
{
	if (step->changed && step->state != l->job.state && l->count < EVENTS_MAX)
		l->events[l->count++] =
			(struct event){ l->now, l->stage, l->job.state, step->state };
	if (step->changed) {
		l->job.state = step->state;
		l->job.cause = step->cause;
		l->job.attempt = step->attempt;
		if (step->renew)
			l->job.updated_at = l->now;
		l->job.deadline_at = step->renew ? l->now + SILENT_AFTER : step->deadline_at;
	}
}

static void report(struct life *l, enum job_state said)
{
	struct job_report r = {
		.attempt = l->job.attempt, .state = said, .bytes_done = -1, .bytes_total = -1
	};
	struct job_step step;

	l->now += (int64_t)dice(60) * SECOND;
	job_on_report(&l->job, &r, &step);
	follow(l, &step);
}

static void boot(struct life *l, bool new_boot, bool release)
{
	struct job_boot b = { .new_boot = new_boot,
			      .runs_release = release,
			      .runs_old = !release,
			      .campaign_active = true,
			      .max_attempts = MAX_ATTEMPTS_DEFAULT };
	struct job_step step;

	job_on_boot(&l->job, &b, &step);
	follow(l, &step);
}

/* The ticker looks at it until its fate is sealed; it chats, or is not heard of any more. */
static void wait_deadline(struct life *l, bool chats)
{
	int64_t heard = l->now;

	while (job_state_is_open(l->job.state)) {
		struct job_step step;
		l->now = l->job.deadline_at;
		struct job_clock clock = { .now = l->now,
					   .heard_at = chats ? l->now : heard,
					   .silent_after = SILENT_AFTER };
		job_on_deadline(&l->job, &clock, &step);
		follow(l, &step);
	}
}

static void end_badly(struct life *l, enum shape shape, int64_t soak)
{
	switch (shape) {
	case BRICKS:
		wait_deadline(l, false);
		return;
	case LOOPS: /* the old image again and again, and never a word of a reboot */
		while (job_state_is_open(l->job.state)) {
			l->now += 60 * SECOND;
			boot(l, true, false);
			report(l, JOB_INSTALLING);
		}
		return;
	case LIES: /* the new digest in the old boot; then the truth, or chatter for ever */
		report(l, JOB_SUCCEEDED);
		boot(l, false, true);
		if (dice(2))
			wait_deadline(l, true);
		else
			boot(l, true, false);
		return;
	case DEGRADES: /* after its proof, but before the soak ends; without one it has no proof
			*/
		boot(l, soak > 0, soak > 0);
		l->now += soak ? (int64_t)dice((uint64_t)soak) : 0;
		boot(l, true, false);
		return;
	case ROLLS_BACK:
		boot(l, true, false);
		return;
	case GOOD:
		boot(l, true, true);
		return;
	case SHAPES:
		return;
	}
}

static void live(struct life *l, int64_t opened, int stage, enum shape shape, int64_t soak)
{
	*l = (struct life){ .stage = stage,
			    .now = opened + (int64_t)dice(300) * SECOND,
			    .job = { .job_id = 1, .attempt = 1, .state = JOB_OFFERED } };
	l->job.updated_at = l->now;
	l->job.deadline_at = l->now + SILENT_AFTER;
	l->events[l->count++] = (struct event){ l->now, stage, JOB_QUEUED, JOB_OFFERED };
	report(l, JOB_DOWNLOADING);
	report(l, JOB_DOWNLOADED);
	report(l, JOB_INSTALLING);
	if (shape != LOOPS)
		report(l, JOB_REBOOTING);
	end_badly(l, shape, soak);
}

/* --- many devices ----------------------------------------------------------------------------
 */

struct queue {
	struct event *e;
	size_t n, room;
};

static void push(struct queue *q, struct event e)
{
	if (q->n == q->room) {
		q->room = q->room ? q->room * 2 : 4096;
		q->e = realloc(q->e, q->room * sizeof(*q->e));
	}
	size_t i = q->n++;
	for (; i > 0 && q->e[(i - 1) / 2].at > e.at; i = (i - 1) / 2)
		q->e[i] = q->e[(i - 1) / 2];
	q->e[i] = e;
}

static struct event pop(struct queue *q)
{
	struct event first = q->e[0], last = q->e[--q->n];
	size_t i = 0;

	for (size_t child = 1; child < q->n; child = 2 * i + 1) {
		if (child + 1 < q->n && q->e[child + 1].at < q->e[child].at)
			child++;
		if (q->e[child].at >= last.at)
			break;
		q->e[i] = q->e[child];
		i = child;
	}
	q->e[i] = last;
	return first;
}

struct world {
	struct campaign campaign;
	struct stage stages[4];
	struct stage_counts counts[4];
	struct queue queue;
	int64_t exposed, now;
	int64_t waiting,
		current; /* in stages to come; so many of them run the release already */
	enum shape shape;
	bool tripped, over;
};

/* Does this member run the release already? */
static bool is_current(struct world *w)
{
	bool is = (int64_t)dice((uint64_t)w->waiting) < w->current;

	w->waiting--;
	w->current -= is;
	return is;
}

static void open_stage(struct world *w)
{
	struct stage *s = &w->stages[w->campaign.stage];

	s->state = STAGE_OPEN;
	for (int64_t i = 0; i < s->members; i++) {
		struct life l;
		if (is_current(w)) {
			push(&w->queue,
			     (struct event){ w->now + (int64_t)dice(300) * SECOND,
					     w->campaign.stage, JOB_QUEUED, JOB_CURRENT });
			continue;
		}
		live(&l, w->now, w->campaign.stage, w->shape, s->gate.soak_s * SECOND);
		for (int k = 0; k < l.count; k++)
			push(&w->queue, l.events[k]);
	}
}

static void take(struct world *w, const struct event *e)
{
	w->exposed += e->from == JOB_QUEUED && e->to != JOB_CURRENT;
	w->counts[e->stage].n[e->from]--;
	w->counts[e->stage].n[e->to]++;
}

/* As core/campaign_run.c acts. */
static void judge(struct world *w)
{
	struct stage *s = &w->stages[w->campaign.stage];
	char reason[GATE_REASON_SIZE];

	switch (gate_judge(&w->campaign, w->counts, w->now, reason)) {
	case GATE_WAIT:
		return;
	case GATE_REACHED:
		s->reached_at = w->now;
		push(&w->queue, (struct event){ w->now + s->gate.soak_s * SECOND, 0, JOB_QUEUED,
						JOB_QUEUED });
		return;
	case GATE_LOST:
		s->reached_at = 0;
		return;
	case GATE_PASS:
		s->state = STAGE_PASSED;
		s->forgiven = counts_failed(&w->counts[w->campaign.stage]);
		w->over = w->campaign.stage == w->campaign.stage_count - 1;
		if (!w->over) {
			w->campaign.stage++;
			open_stage(w);
			judge(w);
		}
		return;
	case GATE_TRIP:
		w->tripped = w->over = true;
		return;
	}
}

struct fleet {
	int64_t members, current;
	enum shape shape;
};

/* Runs a campaign until it stops; how many devices were offered the release. */
static int64_t run(const struct stage *stages, int count, const struct fleet *f,
		   bool *ret_tripped)
{
	static struct queue queue;
	struct world w = { .shape = f->shape, .now = SECOND, .queue = queue };
	int64_t sizes[4];

	w.waiting = f->members;
	w.current = f->current;

	w.queue.n = 0;
	memcpy(w.stages, stages, (size_t)count * sizeof(*stages));
	stages_size(w.stages, count, f->members, sizes);
	for (int i = 0; i < count; i++) {
		w.stages[i].members = sizes[i];
		w.counts[i].n[JOB_QUEUED] = sizes[i];
	}
	w.campaign.stages = w.stages;
	w.campaign.stage_count = count;
	open_stage(&w);
	judge(&w);
	while (!w.over && w.queue.n) {
		struct event e = pop(&w.queue);
		w.now = e.at;
		if (e.from != e.to)
			take(&w, &e);
		judge(&w);
	}
	queue = w.queue;
	*ret_tripped = w.tripped;
	return w.exposed;
}

/* --- the bound -------------------------------------------------------------------------------
 */

#define GATE(soak)                                                                             \
	{                                                                                      \
		GATE_SUCCESS_DEFAULT, GATE_FAILURE_DEFAULT, GATE_SAMPLE_DEFAULT, (soak)        \
	}

static const struct stage usual[3] = { { .share = 100, .gate = GATE(1800) },
				       { .share = 1000, .gate = GATE(1800) },
				       { .share = SHARE_ALL, .gate = GATE(1800) } };

static int by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void test_R27_bound(int64_t members, int seeds)
{
	static int64_t harmed[SEEDS];
	int64_t bound = stages_bound(usual, 3, members, 0);

	for (int shape = BRICKS; shape < GOOD; shape++) {
		int held = 0, stopped = 0;
		for (int i = 0; i < seeds; i++) {
			bool tripped;
			seed((uint64_t)i + 1);
			harmed[i] =
				run(usual, 3, &(struct fleet){ members, 0, shape }, &tripped);
			held += harmed[i] <= bound;
			stopped += tripped;
		}
		qsort(harmed, (size_t)seeds, sizeof(*harmed), by_size);
		printf("# of %lld devices, %s: harmed p50 %lld, p99 %lld, max %lld; bound "
		       "%lld\n",
		       (long long)members, shape_names[shape], (long long)harmed[seeds / 2],
		       (long long)harmed[seeds * 99 / 100], (long long)harmed[seeds - 1],
		       (long long)bound);
		ok(held == seeds && stopped == seeds,
		   "%s: stopped within the bound, %d of %d seeds", shape_names[shape], held,
		   seeds);
	}
}

/* A schedule that the server would take, with whatever thresholds. */
static int any_schedule(struct stage ret[4])
{
	static const int32_t shares[] = { 0, 1, 1000, 4000, 5000, 5001, 9000, 9500, 10000 };
	int count = 1 + (int)dice(4), wrong;

	memset(ret, 0, 4 * sizeof(*ret));
	for (int i = 0; i < count; i++) {
		struct gate *g = &ret[i].gate;
		if (i == count - 1)
			ret[i].share = SHARE_ALL;
		else if (dice(2) && (i == 0 || ret[i - 1].count))
			ret[i].count = (i ? ret[i - 1].count : 0) + 1 + (int64_t)dice(30);
		else
			ret[i].share = (i ? ret[i - 1].share : 0) + 1 + (int32_t)dice(2000);
		g->success_share = shares[dice(ARRAY_LEN(shares))];
		g->failure_share = shares[dice(ARRAY_LEN(shares))];
		g->min_sample = (int32_t)dice(3) * (int32_t)dice(30);
		g->soak_s = dice(2) ? (int32_t)dice(7200) : 0;
	}
	return stages_check(ret, count, &wrong) ? any_schedule(ret) : count;
}

static void test_R27_any_schedule(void)
{
	int held = 0, tight = 0, first_bad = 0;

	for (int i = 1; i <= 20 * SEEDS; i++) {
		struct stage stages[4];
		bool tripped;
		seed((uint64_t)i);
		int count = any_schedule(stages);
		int64_t members = 1 + (int64_t)dice(dice(2) ? 40 : 400);
		struct fleet f = { members, 0, (enum shape)dice(GOOD) };
		if (dice(2))
			f.current = (int64_t)dice((uint64_t)members + 1);
		int64_t bound = stages_bound(stages, count, members, f.current);
		int64_t harmed = run(stages, count, &f, &tripped);
		held += harmed <= bound;
		tight += harmed == bound;
		if (harmed > bound && !first_bad)
			printf("# seed %d, %s: %lld harmed, bound %lld of %lld\n",
			       first_bad = i, shape_names[f.shape], (long long)harmed,
			       (long long)bound, (long long)members);
	}
	printf("# of %d schedules the bound was reached by %d\n", 20 * SEEDS, tight);
	is_int(held, 20 * SEEDS, "the bound holds for any schedule");
}

/* A canary of one, where three of four devices run the release already. */
static void test_R27_emptied_canary(void)
{
	static const struct stage stages[3] = { { .count = 1, .gate = GATE(1800) },
						{ .share = 5000, .gate = GATE(1800) },
						{ .share = SHARE_ALL, .gate = GATE(1800) } };
	int64_t bound = stages_bound(stages, 3, 200, 150), most = 0;

	for (int i = 1; i <= SEEDS; i++) {
		bool tripped;
		seed((uint64_t)i);
		int64_t harmed =
			run(stages, 3, &(struct fleet){ 200, 150, ROLLS_BACK }, &tripped);
		most = harmed > most ? harmed : most;
	}
	printf("# of 50 devices that could be harmed at most %lld were; bound %lld\n",
	       (long long)most, (long long)bound);
	ok(most > 1 && most <= bound, "a canary that is current bounds nothing");
}

/* --- good releases ---------------------------------------------------------------------------
 */

#define BASE_FAILURE 200 /* one of so many fails for reasons of its own: 0.5 % */

/* Devices finish one after the other. */
static bool good_release_is_stopped(const struct stage *stages, int count, int64_t members)
{
	struct stage own[4];
	struct stage_counts counts[4] = { 0 };
	struct campaign c = { .stages = own, .stage_count = count };
	char reason[GATE_REASON_SIZE];
	int64_t sizes[4];

	memcpy(own, stages, (size_t)count * sizeof(*own));
	stages_size(own, count, members, sizes);
	for (int i = 0; i < count; i++)
		own[i].members = counts[i].n[JOB_QUEUED] = sizes[i];
	for (; c.stage < count; c.stage++) {
		struct stage_counts *n = &counts[c.stage];
		for (int64_t k = 1; k <= sizes[c.stage]; k++) {
			n->n[JOB_QUEUED]--;
			n->n[dice(BASE_FAILURE) ? JOB_SUCCEEDED : JOB_ROLLED_BACK]++;
			if ((k < 200 || k % 50 == 0 || k == sizes[c.stage]) &&
			    gate_judge(&c, counts, SECOND, reason) == GATE_TRIP)
				return true;
		}
		own[c.stage].forgiven = n->n[JOB_ROLLED_BACK];
	}
	return false;
}

static void test_R27_false_aborts(void)
{
	static const struct stage canary[4] = { { .count = 1, .gate = GATE(0) },
						{ .share = 100, .gate = GATE(0) },
						{ .share = 1000, .gate = GATE(0) },
						{ .share = SHARE_ALL, .gate = GATE(0) } };
	static const int64_t sizes[] = { 1000, 100000 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		int runs = sizes[i] > 1000 ? SEEDS / 2 : 20 * SEEDS, stopped[2] = { 0, 0 };
		for (int k = 1; k <= runs; k++) {
			seed((uint64_t)k);
			stopped[0] += good_release_is_stopped(usual, 3, sizes[i]);
			stopped[1] += good_release_is_stopped(canary, 4, sizes[i]);
		}
		printf("# of %lld devices, 0.5 %% fail anyway: stopped %.2f %% of %d good "
		       "releases; with a first device alone %.2f %%\n",
		       (long long)sizes[i], 100.0 * stopped[0] / runs, runs,
		       100.0 * stopped[1] / runs);
		/* Of fewer than ten devices each counts: that is what a first device is for. */
		ok(stopped[0] * 100 <= runs,
		   "a good release is stopped in at most 1 %% of campaigns");
	}
}

int main(void)
{
	test_R27_bound(1000, SEEDS);
	test_R27_bound(100000, SEEDS / 4);
	test_R27_any_schedule();
	test_R27_emptied_canary();
	test_R27_false_aborts();
	return tap_done();
}
