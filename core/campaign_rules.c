/* Stages and gates: arithmetic on counts.  The same numbers give the verdict and its words. */

#include "core/campaign_rules.h"

#include "core/job_rules.h"

#include <inttypes.h>
#include <stdio.h>

/* Of fewer failures a rate says nothing yet, while others may still succeed. */
#define EVIDENCE_MIN 3
/* The smallest sample in which a single failure is forgiven. */
#define SINGLE_MIN 10

void counts_complete(struct stage_counts *counts, int64_t members)
{
	int64_t jobs = 0;

	for (int s = 0; s < JOB_STATE_END; s++)
		jobs += s == JOB_QUEUED ? 0 : counts->n[s];
	counts->n[JOB_QUEUED] = members > jobs ? members - jobs : 0;
}

int64_t counts_finished(const struct stage_counts *counts)
{
	return counts->n[JOB_SUCCEEDED] + counts_failed(counts);
}

int64_t counts_failed(const struct stage_counts *counts)
{
	int64_t n = 0;

	for (int s = 0; s < JOB_STATE_END; s++)
		if (job_state_is_failure((enum job_state)s))
			n += counts->n[s];
	return n;
}

static int64_t counts_left(const struct stage_counts *counts)
{
	int64_t n = 0;

	for (int s = 0; s < JOB_STATE_END; s++)
		if (job_state_leaves_sample((enum job_state)s))
			n += counts->n[s];
	return n;
}

/* Members of whom nothing final is known. */
static int64_t counts_pending(const struct stage_counts *counts)
{
	int64_t n = counts->n[JOB_QUEUED];

	for (int s = 0; s < JOB_STATE_END; s++)
		if (job_state_is_open((enum job_state)s))
			n += counts->n[s];
	return n;
}

int64_t stage_forgives(const struct stage *stage, const struct stage_counts *counts)
{
	int64_t failed = counts_failed(counts);

	return failed < stage->forgiven ? failed : stage->forgiven;
}

/* Failures of a stage that still count. */
static int64_t counts_unforgiven(const struct stage_counts *counts, const struct stage *stage)
{
	return counts_failed(counts) - stage_forgives(stage, counts);
}

struct sample {
	int64_t size, finished, succeeded, failed, rolled_back, silent;
};

static void sample_take(const struct campaign *c, const struct stage_counts *counts,
			struct sample *ret)
{
	const struct stage *open = &c->stages[c->stage];
	const struct stage_counts *own = &counts[c->stage];
	int64_t failed = counts_unforgiven(own, open);
	int64_t forgiven = counts_failed(own) - failed;
	int64_t before = 0;

	for (int i = 0; i < c->stage; i++)
		before += counts_unforgiven(&counts[i], &c->stages[i]);
	*ret = (struct sample){
		.succeeded = own->n[JOB_SUCCEEDED],
		.failed = failed + before,
		.rolled_back = own->n[JOB_ROLLED_BACK],
		.silent = own->n[JOB_SILENT],
	};
	ret->size = open->members - counts_left(own) - forgiven + before;
	ret->finished = ret->succeeded + ret->failed;
}

static int64_t share_of(int64_t n, int64_t share)
{
	return (n * share + SHARE_ALL - 1) / SHARE_ALL;
}

/* How many of a sample must succeed.  One failure among ten is no rate: unless all must
 * succeed, it keeps nobody. */
static int64_t needed_of(const struct gate *gate, int64_t size)
{
	int64_t needed = share_of(size, gate->success_share);
	bool large = size >= SINGLE_MIN && size >= gate->min_sample;

	return needed == size && large && gate->success_share < SHARE_ALL ? size - 1 : needed;
}

/* "1 of 1 failed (1 rolled back), limit 10 %" */
static void words_failed(const struct campaign *c, const struct sample *s,
			 char ret[GATE_REASON_SIZE])
{
	const struct gate *gate = &c->stages[c->stage].gate;
	int64_t other = s->failed - s->rolled_back - s->silent;
	char kinds[80] = "";

	if (s->rolled_back == s->failed)
		snprintf(kinds, sizeof(kinds), "rolled back");
	else if (s->silent == s->failed)
		snprintf(kinds, sizeof(kinds), "fell silent");
	else if (other == s->failed || other < 0)
		snprintf(kinds, sizeof(kinds), "failed");
	else
		snprintf(kinds, sizeof(kinds),
			 "failed (%" PRId64 " rolled back, %" PRId64 " silent)", s->rolled_back,
			 s->silent);
	snprintf(ret, GATE_REASON_SIZE,
		 "stage %d tripped: %" PRId64 " of %" PRId64 " %s, limit %g %%", c->stage + 1,
		 s->failed, s->finished, kinds, gate->failure_share / 100.0);
}

static bool gate_trips(const struct campaign *c, const struct sample *s,
		       char ret_reason[GATE_REASON_SIZE])
{
	const struct gate *gate = &c->stages[c->stage].gate;
	int64_t least = gate->min_sample < s->size ? gate->min_sample : s->size;
	int64_t needed = needed_of(gate, s->size);
	bool enough = s->failed >= EVIDENCE_MIN || s->finished == s->size;

	if (s->failed == 0)
		return false;
	if (enough && s->finished >= least &&
	    s->failed * SHARE_ALL > s->finished * gate->failure_share) {
		words_failed(c, s, ret_reason);
		return true;
	}
	if (s->size - s->failed < needed) {
		snprintf(ret_reason, GATE_REASON_SIZE,
			 "stage %d tripped: %" PRId64 " of %" PRId64
			 " failed, %g %% success can no longer be reached",
			 c->stage + 1, s->failed, s->size, gate->success_share / 100.0);
		return true;
	}
	return false;
}

enum gate_verdict gate_judge(const struct campaign *campaign, const struct stage_counts *counts,
			     int64_t now, char ret_reason[GATE_REASON_SIZE])
{
	const struct stage *open = &campaign->stages[campaign->stage];
	bool last = campaign->stage == campaign->stage_count - 1;
	int64_t pending = 0;
	struct sample s;

	sample_take(campaign, counts, &s);
	if (gate_trips(campaign, &s, ret_reason))
		return GATE_TRIP;
	int64_t least = open->gate.min_sample < s.size ? open->gate.min_sample : s.size;
	if (s.finished < least || s.succeeded < needed_of(&open->gate, s.size))
		return open->reached_at ? GATE_LOST : GATE_WAIT;
	if (s.size > 0 && !open->reached_at && open->gate.soak_s > 0)
		return GATE_REACHED;
	if (s.size > 0 && now < open->reached_at + open->gate.soak_s * INT64_C(1000000))
		return GATE_WAIT;
	for (int i = 0; last && i < campaign->stage_count; i++)
		pending += counts_pending(&counts[i]);
	return pending ? GATE_WAIT : GATE_PASS;
}

int64_t stage_target(const struct stage *stage, int64_t members, int64_t before)
{
	int64_t n = stage->count ? stage->count : share_of(members, stage->share);

	if (n > members)
		n = members;
	return n > before ? n : before;
}

void stages_size(const struct stage *stages, int stage_count, int64_t members, int64_t *ret)
{
	int64_t before = 0;

	for (int i = 0; i < stage_count; i++) {
		int64_t target = stage_target(&stages[i], members, before);
		ret[i] = target - before;
		before = target;
	}
}

/* Never passed by a release that every device ends badly with, be it at once or in the soak:
 * those that made it reach its threshold have failed when the soak ends, and are then more than
 * may fail, or so many that it is not reached again. */
static bool gate_holds(const struct gate *g)
{
	return g->success_share > g->failure_share || g->success_share > SHARE_ALL / 2;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* The worst that chance can do: stages that would hold, one after the other, get those that run
 * the release already as long as they fill them; so the release goes farther, and may be
 * stopped by a larger stage. */
int64_t stages_bound(const struct stage *stages, int stage_count, int64_t members,
		     int64_t current)
{
	int64_t before = 0, passing = 0, bound = 0, left = current;

	for (int i = 0; i < stage_count && left >= 0; i++) {
		int64_t target = stage_target(&stages[i], members, before);
		int64_t size = target - before;
		before = target;
		if (!gate_holds(&stages[i].gate)) {
			passing += size;
			continue;
		}
		bound = larger(bound, passing + size);
		left -= size; /* below 0: they are too few to fill it, it holds */
	}
	bound = larger(bound, passing);
	return bound < members - current ? bound : members - current;
}

/* Numbers first, then shares, each greater than the one before; the last is everybody. */
static const char *stage_follows(const struct stage *s, const struct stage *before)
{
	if (before && s->count && !before->count)
		return "a number of devices cannot follow a share";
	if (before && s->count && s->count <= before->count)
		return "stages are cumulative: the number must grow";
	if (before && s->share && before->share && s->share <= before->share)
		return "stages are cumulative: the share must grow";
	return NULL;
}

static const char *stage_check(const struct stage *s)
{
	if ((s->share != 0) == (s->count != 0))
		return "give either percent or count";
	if (s->share < 0 || s->share > SHARE_ALL || s->count < 0)
		return "percent lies between 0.01 and 100, count is at least 1";
	if (s->gate.success_share < 0 || s->gate.success_share > SHARE_ALL ||
	    s->gate.failure_share < 0 || s->gate.failure_share > SHARE_ALL)
		return "a threshold lies between 0 and 100 percent";
	if (s->gate.min_sample < 0 || s->gate.soak_s < 0)
		return "min_sample and soak_s are not negative";
	return NULL;
}

const char *stages_check(const struct stage *stages, int stage_count, int *ret_stage)
{
	*ret_stage = 0;
	if (stage_count < 1 || stage_count > STAGES_MAX)
		return "there is at least one stage, and at most 32";
	for (int i = 0; i < stage_count; i++) {
		const char *why = stage_check(&stages[i]);
		if (!why)
			why = stage_follows(&stages[i], i ? &stages[i - 1] : NULL);
		*ret_stage = i;
		if (why)
			return why;
	}
	if (stages[stage_count - 1].share != SHARE_ALL)
		return "the last stage is 100 percent";
	return NULL;
}

bool campaign_may(enum campaign_state state, enum campaign_move move)
{
	static const unsigned from[] = {
		[MOVE_START] = 1U << CAMPAIGN_DRAFT,
		[MOVE_PAUSE] = 1U << CAMPAIGN_RUNNING,
		[MOVE_RESUME] = 1U << CAMPAIGN_PAUSED,
		[MOVE_ABORT] = 1U << CAMPAIGN_DRAFT | 1U << CAMPAIGN_STARTING |
			       1U << CAMPAIGN_RUNNING | 1U << CAMPAIGN_PAUSED,
	};

	return from[move] & 1U << state;
}
