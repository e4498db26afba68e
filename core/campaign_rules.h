/* Stages and gates.  Pure: no database, no clock.
 *
 * A stage's sample are its members without those that were current, cancelled or superseded,
 * and without the failures that were forgiven.  Its failures are the failed, rolled back,
 * silent and rejected ones, and what went wrong since in the stages before it.  It trips when
 * more than failure_share of the finished ones failed (once min_sample are finished; while
 * others may still succeed, not for fewer than three), or as soon as success_share of the
 * sample can no longer be reached.  It passes when success_share of the sample have succeeded
 * (and min_sample are finished) and soak_s has gone by since.  Below 100 %, a single failure
 * among ten or more does not count against success_share: where one device in 200 fails
 * anyway, such a stage would stop one good release in twenty.  The last stage passes only when
 * nobody is left in the campaign who could still change it. */
#pragma once

#include "base/model/campaign.h"
#include "base/model/job.h"

#include <stddef.h>

#define SHARE_ALL 10000 /* a share of 100 % */

#define GATE_SUCCESS_DEFAULT 9500
#define GATE_FAILURE_DEFAULT 1000
#define GATE_SAMPLE_DEFAULT  10
#define SILENT_AFTER_DEFAULT 3600 /* s */
#define MAX_ATTEMPTS_DEFAULT 3

/* Words for people, who count stages from 1. */
#define GATE_REASON_SIZE 160

/* Jobs of one stage by state; queued ones are not jobs yet and are counted by
 * counts_complete(). */
struct stage_counts {
	int64_t n[JOB_STATE_END];
};

/* Sets n[JOB_QUEUED] to the members that have no job yet. */
void counts_complete(struct stage_counts *counts, int64_t members);
int64_t counts_finished(const struct stage_counts *counts);
int64_t counts_failed(const struct stage_counts *counts);

/* How many failures a stage forgives from now on: no more than it has.  A forgiven one that
 * came back good leaves no room for another. */
int64_t stage_forgives(const struct stage *stage, const struct stage_counts *counts);

enum gate_verdict {
	GATE_WAIT,    /* nothing to say */
	GATE_REACHED, /* enough have succeeded: soak from now */
	GATE_LOST,    /* they are no longer enough: the soak is void */
	GATE_PASS,    /* the next stage may open; of the last one: the campaign is finished */
	GATE_TRIP,    /* stop; the reason says why */
};

/* What the open stage's gate says.  counts has an entry for each stage, completed.  ret_reason
 * is written on GATE_TRIP. */
enum gate_verdict gate_judge(const struct campaign *campaign, const struct stage_counts *counts,
			     int64_t now, char ret_reason[GATE_REASON_SIZE]);

/* Cumulative number of members in the stages up to this one, of so many in all; never less than
 * `before`, the number up to the stage before. */
int64_t stage_target(const struct stage *stage, int64_t members, int64_t before);
/* Sizes of all stages. */
void stages_size(const struct stage *stages, int stage_count, int64_t members, int64_t *ret);

/* Are the stages a schedule?  NULL when they are, else what is wrong with stage *ret_stage. */
const char *stages_check(const struct stage *stages, int stage_count, int *ret_stage);

/* Devices exposed at most before the first automatic stop, when every device ends badly with
 * the release, at once or within the soak: up to the first stage, not empty, that such a
 * release cannot pass.  All, when there is none.  What falls silent after its proof has not
 * ended badly: nobody knows for how long a device that has nothing to do is quiet.
 *
 * So many of the members run the release already: wherever they are, none of them is exposed,
 * but a stage of them alone passes. */
int64_t stages_bound(const struct stage *stages, int stage_count, int64_t members,
		     int64_t current);

/* Operator's moves: is it allowed from this state? */
enum campaign_move { MOVE_START, MOVE_PAUSE, MOVE_RESUME, MOVE_ABORT };
bool campaign_may(enum campaign_state state, enum campaign_move move);
