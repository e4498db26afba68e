/* Time: int64 microseconds.  Wall time is UTC since 1970 and may jump: never the only reason
 * for a decision.  Monotonic time never goes back: deadlines and waits use it. */
#pragma once

#include <stdint.h>

#define USEC_PER_SEC INT64_C(1000000)
#define USEC_PER_MS  INT64_C(1000)

#define TIME_TEXT_SIZE 32

/* The system's, or what clock_set() made of it. */
int64_t clock_wall(void);
int64_t clock_monotonic(void);
/* What the system says, whatever clock_set() made of it. */
int64_t clock_system(void);
/* From now on clock_wall() starts here and goes on with the monotonic clock: it does not jump
 * any more when somebody sets the system's. */
void clock_set(int64_t wall_us);
/* Tests: added to every clock_wall() from now on, in every thread. */
void clock_set_offset(int64_t offset_us);
/* RFC 3339 in UTC with microseconds, as "2026-11-21T02:00:00.000000Z". */
const char *clock_format(int64_t wall_us, char ret[TIME_TEXT_SIZE]);
