/* What a manifest asks that its images do not answer: the time, waits, the battery, somebody's
 * consent.
 *
 * A run to look notes each wait and goes on as if it were over, at the moment when it will be.
 * What comes behind a wait that is not over is not asked yet (`ahead`), but what no device like
 * this one can answer is refused all the same, before anything is fetched. When the wait is
 * over the manifest is looked at once more, and then it is asked. */
#pragma once

#include "agent/platform.h"

struct asks {
	const struct ability *ability;
	struct update *update; /* its waits: noted, or when it works: as they were noted */
	bool works;
	bool ahead;
	int64_t now;  /* seconds since 1970, at the moment that the run has come to */
	size_t waits; /* so far */
	enum proto_cause cause;
	const char *why; /* of what was refused */
};

void asks_begin(struct asks *a, const struct ability *ability, struct update *u, bool works);
/* fetched: payloads so far. */
enum suit_rc asks_wait(struct asks *a, struct suit_bytes info, size_t fetched) SUIT_MUST_CHECK;
enum suit_rc asks_battery(struct asks *a, uint64_t *ret_mwh) SUIT_MUST_CHECK;
enum suit_rc asks_authorized(struct asks *a, int64_t priority) SUIT_MUST_CHECK;
/* Of a run's not_yet. */
const char *asks_text(enum suit_command not_yet);
