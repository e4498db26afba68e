/* Stages and gates, by tables. */

#include "core/campaign_rules.h"
#include "tests/tap.h"

#define SECOND INT64_C(1000000)

static struct stage stage_of(int64_t members)
{
	return (struct stage){
		.share = SHARE_ALL,
		.gate = { GATE_SUCCESS_DEFAULT, GATE_FAILURE_DEFAULT, GATE_SAMPLE_DEFAULT, 0 },
		.state = STAGE_OPEN,
		.members = members,
	};
}

struct gate_case {
	int64_t members, succeeded, failed, rolled_back, silent, current, offered;
	enum gate_verdict verdict;
	const char *reason; /* or NULL */
};

static const struct gate_case gate_cases[] = {
	{ 1, 0, 0, 0, 0, 0, 1, GATE_WAIT, NULL },
	{ 1, 1, 0, 0, 0, 0, 0, GATE_PASS, NULL },
	{ 1, 0, 0, 1, 0, 0, 0, GATE_TRIP, "stage 1 tripped: 1 of 1 rolled back, limit 10 %" },
	{ 1, 0, 0, 0, 1, 0, 0, GATE_TRIP, "stage 1 tripped: 1 of 1 fell silent, limit 10 %" },
	{ 1, 0, 1, 0, 0, 0, 0, GATE_TRIP, "stage 1 tripped: 1 of 1 failed, limit 10 %" },
	{ 1, 0, 0, 0, 0, 1, 0, GATE_PASS, NULL },
	{ 0, 0, 0, 0, 0, 0, 0, GATE_PASS, NULL },
	/* 95 % of 100: at most five may fail; the limit of 10 % speaks from ten finished on */
	{ 100, 0, 5, 0, 0, 0, 0, GATE_WAIT, NULL },
	{ 100, 4, 5, 0, 0, 0, 0, GATE_WAIT, NULL },
	{ 100, 0, 6, 0, 0, 0, 0, GATE_TRIP,
	  "stage 1 tripped: 6 of 100 failed, 95 % success can no longer be reached" },
	{ 100, 7, 2, 1, 0, 0, 0, GATE_TRIP,
	  "stage 1 tripped: 3 of 10 failed (1 rolled back, 0 silent), limit 10 %" },
	/* two say nothing yet, of a hundred; of ten they do */
	{ 100, 8, 1, 1, 0, 0, 0, GATE_WAIT, NULL },
	{ 10, 0, 1, 1, 0, 0, 8, GATE_TRIP,
	  "stage 1 tripped: 2 of 10 failed, 95 % success can no longer be reached" },
	/* one among ten is no rate, one among nine stops */
	{ 10, 9, 1, 0, 0, 0, 0, GATE_PASS, NULL },
	{ 9, 7, 1, 0, 0, 0, 1, GATE_TRIP,
	  "stage 1 tripped: 1 of 9 failed, 95 % success can no longer be reached" },
	{ 100, 9, 1, 0, 0, 0, 0, GATE_WAIT, NULL },
	{ 100, 94, 5, 0, 0, 0, 1, GATE_WAIT, NULL },
	{ 100, 95, 5, 0, 0, 0, 0, GATE_PASS, NULL },
	/* members that leave make the sample smaller */
	{ 100, 19, 1, 0, 0, 80, 0, GATE_PASS, NULL },
	{ 100, 18, 1, 0, 0, 80, 0, GATE_WAIT, NULL },
	/* the last stage waits for everybody */
	{ 100, 96, 0, 0, 0, 0, 4, GATE_WAIT, NULL },
};

static void test_gate(void)
{
	for (size_t i = 0; i < ARRAY_LEN(gate_cases); i++) {
		const struct gate_case *t = &gate_cases[i];
		struct stage stage = stage_of(t->members);
		struct campaign c = { .stages = &stage, .stage_count = 1 };
		struct stage_counts counts = { 0 };
		char reason[GATE_REASON_SIZE] = "";

		counts.n[JOB_SUCCEEDED] = t->succeeded;
		counts.n[JOB_FAILED] = t->failed;
		counts.n[JOB_ROLLED_BACK] = t->rolled_back;
		counts.n[JOB_SILENT] = t->silent;
		counts.n[JOB_CURRENT] = t->current;
		counts.n[JOB_OFFERED] = t->offered;
		counts_complete(&counts, t->members);
		enum gate_verdict v = gate_judge(&c, &counts, 1000 * SECOND, reason);
		is_int(v, t->verdict, reason[0] ? reason : "a verdict without a reason");
		if (t->reason)
			is_str(reason, t->reason, "its words");
	}
}

static void test_soak(void)
{
	struct stage stages[2] = { stage_of(4), stage_of(4) };
	struct campaign c = { .stages = stages, .stage_count = 2 };
	struct stage_counts counts[2] = { 0 };
	char reason[GATE_REASON_SIZE];

	stages[0].gate.soak_s = 60;
	counts[0].n[JOB_SUCCEEDED] = 4;
	is_int(gate_judge(&c, counts, 100 * SECOND, reason), GATE_REACHED,
	       "reached: soak begins");
	stages[0].reached_at = 100 * SECOND;
	is_int(gate_judge(&c, counts, 159 * SECOND, reason), GATE_WAIT, "it soaks");
	is_int(gate_judge(&c, counts, 160 * SECOND, reason), GATE_PASS, "it has soaked");
	counts[0].n[JOB_SUCCEEDED] = 3;
	counts[0].n[JOB_OFFERED] = 1;
	is_int(gate_judge(&c, counts, 160 * SECOND, reason), GATE_LOST,
	       "a success was lost again");
	counts[0].n[JOB_OFFERED] = 0;
	counts[0].n[JOB_ROLLED_BACK] = 1;
	is_int(gate_judge(&c, counts, 160 * SECOND, reason), GATE_TRIP,
	       "or it trips in its soak");
}

static void test_forgiven_and_late(void)
{
	struct stage stages[2] = { stage_of(1), stage_of(30) };
	struct campaign c = { .stages = stages, .stage_count = 2 };
	struct stage_counts counts[2] = { 0 };
	char reason[GATE_REASON_SIZE];

	counts[0].n[JOB_ROLLED_BACK] = 1;
	stages[0].forgiven = 1;
	counts_complete(&counts[0], 1);
	is_int(gate_judge(&c, counts, SECOND, reason), GATE_PASS,
	       "a forgiven failure leaves the sample");
	c.stage = 1;
	counts[1].n[JOB_SUCCEEDED] = 29;
	counts_complete(&counts[1], 30);
	is_int(gate_judge(&c, counts, SECOND, reason), GATE_WAIT, "and does not count later");
	stages[0].forgiven = 0;
	counts[1].n[JOB_SUCCEEDED] = 28;
	counts_complete(&counts[1], 30);
	is_int(gate_judge(&c, counts, SECOND, reason), GATE_WAIT,
	       "one late failure among thirty-one");
	counts[0].n[JOB_ROLLED_BACK] = 2;
	is_int(gate_judge(&c, counts, SECOND, reason), GATE_TRIP,
	       "what fails late in a stage that passed trips the open one");
	counts[0].n[JOB_ROLLED_BACK] = 0;
	stages[0].forgiven = 5;
	is_int(gate_judge(&c, counts, SECOND, reason), GATE_WAIT,
	       "more forgiven than failed is no credit");
}

static void test_R27_what_is_forgiven_comes_back_good(void)
{
	struct stage stage = stage_of(100);
	struct campaign c = { .stages = &stage, .stage_count = 1 };
	struct stage_counts counts = { 0 };
	char reason[GATE_REASON_SIZE];

	stage.forgiven = 10;
	counts.n[JOB_SILENT] = 12;
	is_int(stage_forgives(&stage, &counts), 10, "two more than were forgiven count");
	counts.n[JOB_SILENT] = 3;
	counts.n[JOB_SUCCEEDED] = 7;
	stage.forgiven = stage_forgives(&stage, &counts);
	is_int(stage.forgiven, 3, "seven came back good: three are forgiven still");
	counts.n[JOB_SUCCEEDED] = 87;
	counts.n[JOB_ROLLED_BACK] = 10;
	is_int(gate_judge(&c, &counts, SECOND, reason), GATE_TRIP,
	       "as many others fail: they count");
	counts.n[JOB_SUCCEEDED] = 97;
	counts.n[JOB_ROLLED_BACK] = 0;
	is_int(gate_judge(&c, &counts, SECOND, reason), GATE_PASS, "nobody else does");
}

static void test_sizes(void)
{
	struct stage stages[4] = {
		{ .count = 1 }, { .share = 10 }, { .share = 5000 }, { .share = SHARE_ALL }
	};
	int64_t sizes[4];

	stages_size(stages, 4, 1000000, sizes);
	ok(sizes[0] == 1 && sizes[1] == 999 && sizes[2] == 499000 && sizes[3] == 500000,
	   "0.1 %% of a million is a thousand");
	stages_size(stages, 4, 8, sizes);
	ok(sizes[0] == 1 && sizes[1] == 0 && sizes[2] == 3 && sizes[3] == 4,
	   "1, then half, then all of eight");
	stages_size(stages, 4, 0, sizes);
	ok(sizes[0] + sizes[1] + sizes[2] + sizes[3] == 0, "nobody");
	for (int i = 0; i < 4; i++)
		stages[i].gate = stage_of(1).gate;
	is_int(stages_bound(stages, 4, 8, 0), 1, "the bound is the first stage");
	is_int(stages_bound(stages + 2, 2, 8, 0), 4, "of any size");
	stages[0].gate.success_share = 0;
	is_int(stages_bound(stages, 4, 1000000, 0), 1000, "that a bad release cannot pass");
	for (int i = 1; i < 4; i++)
		stages[i].gate = (struct gate){ .success_share = 5000, .failure_share = 5000 };
	is_int(stages_bound(stages, 4, 8, 0), 8, "all, when it can pass every one");
}

static void test_R27_bound_of_current_ones(void)
{
	struct stage stages[3] = { { .count = 1 }, { .share = 5000 }, { .share = SHARE_ALL } };
	static const int64_t current[] = { 0, 1, 99, 100, 150, 200 },
			     bound[] = { 1, 99, 99, 100, 50, 0 };

	for (int i = 0; i < 3; i++)
		stages[i].gate = stage_of(1).gate;
	for (size_t i = 0; i < ARRAY_LEN(current); i++)
		is_int(stages_bound(stages, 3, 200, current[i]), bound[i],
		       "stages that may be full of devices that run the release already");
	stages[0].gate.success_share = 0;
	is_int(stages_bound(stages, 3, 200, 98), 100, "after one that any release passes");
	stages[1].gate.success_share = stages[2].gate.success_share = 0;
	is_int(stages_bound(stages, 3, 200, 98), 102, "all others, when it can pass every one");
}

struct check_case {
	struct stage stages[3];
	int count, wrong; /* -1: good */
};

#define P(n)                                                                                   \
	{                                                                                      \
		.share = (n), .gate = { 9500, 1000, 10, 0 }                                    \
	}
#define N(n)                                                                                   \
	{                                                                                      \
		.count = (n), .gate = { 9500, 1000, 10, 0 }                                    \
	}

static const struct check_case check_cases[] = {
	{ { P(10000) }, 1, -1 },
	{ { N(1), P(5000), P(10000) }, 3, -1 },
	{ { P(5000) }, 1, 0 },
	{ { P(5000), P(5000), P(10000) }, 3, 1 },
	{ { P(5000), P(4000), P(10000) }, 3, 1 },
	{ { P(5000), N(10), P(10000) }, 3, 1 },
	{ { N(5), N(5), P(10000) }, 3, 1 },
	{ { N(5) }, 1, 0 },
	{ { P(10001) }, 1, 0 },
	{ { P(0) }, 1, 0 },
	{ { P(0) }, 0, 0 },
	{ { { .share = 10000, .count = 1 } }, 1, 0 },
	{ { { .share = 10000, .gate = { 10001, 0, 0, 0 } } }, 1, 0 },
	{ { { .share = 10000, .gate = { 1, 1, -1, 0 } } }, 1, 0 },
};

static void test_check(void)
{
	for (size_t i = 0; i < ARRAY_LEN(check_cases); i++) {
		const struct check_case *t = &check_cases[i];
		int stage = -1;
		const char *why = stages_check(t->stages, t->count, &stage);
		ok(t->wrong < 0 ? !why : why && stage == t->wrong, "schedule %zu: %s", i,
		   why ? why : "good");
	}
}

static void test_moves(void)
{
	static const char *const allowed[] = {
		[CAMPAIGN_DRAFT] = "SA",  [CAMPAIGN_STARTING] = "A", [CAMPAIGN_RUNNING] = "PA",
		[CAMPAIGN_PAUSED] = "RA", [CAMPAIGN_FINISHED] = "",  [CAMPAIGN_ABORTED] = "",
	};
	static const char letters[] = {
		[MOVE_START] = 'S', [MOVE_PAUSE] = 'P', [MOVE_RESUME] = 'R', [MOVE_ABORT] = 'A'
	};

	for (int s = 0; s <= CAMPAIGN_ABORTED; s++)
		for (int m = 0; m <= MOVE_ABORT; m++)
			is_int(campaign_may((enum campaign_state)s, (enum campaign_move)m),
			       strchr(allowed[s], letters[m]) != NULL, "a move");
}

int main(void)
{
	test_gate();
	test_soak();
	test_forgiven_and_late();
	test_R27_what_is_forgiven_comes_back_good();
	test_sizes();
	test_R27_bound_of_current_ones();
	test_check();
	test_moves();
	return tap_done();
}
