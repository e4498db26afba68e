/* Which clock is right?  Three are there: the daemon's own, which goes on with the monotonic
 * clock, the system's and the database's.  Any of them may jump; two that agree are believed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_NEAR_US INT64_C(60000000) /* so much apart is the same time */

enum clock_verdict {
	CLOCK_AGREES,       /* all three */
	CLOCK_SYSTEM_OFF,   /* the system's alone is wrong */
	CLOCK_DATABASE_OFF, /* the database's is another one than ours and the system's */
	CLOCK_STEPPED,      /* ours alone is wrong: the others were set, or it began wrong */
	CLOCK_DOUBT,        /* no two agree */
};

enum clock_verdict clock_judge(int64_t ours, int64_t system, int64_t database);
/* Ours goes with the system's: it is the same, give or take, or two against one. */
bool clock_follows_system(enum clock_verdict v);
/* A daemon begins with the system's clock, so there the two are one witness: only the
 * database's proves it. */
bool clock_is_proved(enum clock_verdict v);
const char *clock_verdict_text(enum clock_verdict v);
