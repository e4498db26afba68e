/* A campaign: a release aimed at devices, in stages with gates.  Plain data;
 * core/campaign_rules.h decides. */
#pragma once

#include "base/bytes.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stdint.h>

enum campaign_state {
	CAMPAIGN_DRAFT = 0,
	CAMPAIGN_STARTING = 1, /* members are being written */
	CAMPAIGN_RUNNING = 2,
	CAMPAIGN_PAUSED = 3, /* by an operator or by a gate: see pause_reason */
	CAMPAIGN_FINISHED = 4,
	CAMPAIGN_ABORTED = 5,
};

enum stage_state { STAGE_WAITING = 0, STAGE_OPEN = 1, STAGE_PASSED = 2, STAGE_TRIPPED = 3 };

#define STAGES_MAX 32

/* When a stage is good and when it is bad.  Shares are in hundredths of a percent (1/10000). */
struct gate {
	int32_t success_share; /* of the stage's sample that must succeed, default 9500 */
	int32_t failure_share; /* of the finished ones that may fail before it trips, default
				  1000 */
	int32_t min_sample;    /* finished jobs before either may speak (capped by the stage's
				  size) */
	int32_t soak_s;        /* after the success threshold is reached */
};

struct stage {
	int32_t stage; /* 0, 1, ... */
	int32_t share; /* cumulative, 1/10000 of the members; 0 when count is given */
	int64_t count; /* cumulative, members by rank; 0 when share is given */
	struct gate gate;
	enum stage_state state;
	int64_t threshold; /* bucket below which members are exposed; set at the start */
	int64_t members;   /* in this stage alone; set at the start */
	int64_t forgiven;  /* failures that count no more */
	int64_t opened_at, reached_at, closed_at;
};

struct campaign {
	struct uuid campaign_id;
	struct uuid release_id;
	const char *name;
	enum campaign_state state;
	const char *pause_reason; /* NULL, or why, in words */
	int64_t revision;         /* ETag */
	int64_t members;
	int32_t stage;          /* the open one */
	int32_t silent_after_s; /* a device not heard from for so long in a job is silent */
	int32_t max_attempts;
	struct bucket_salt salt;
	struct stage *stages;
	int32_t stage_count;
	int64_t created_at, started_at, ended_at;
};

const char *campaign_state_name(enum campaign_state s);
const char *stage_state_name(enum stage_state s);
