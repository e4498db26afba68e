/* When does a wait end (suit-directive-wait, draft-ietf-suit-update-management)?  Pure: the
 * moment is given.  Local time is what TZ, or the system, says.
 *
 * All events of a wait must hold at one moment:
 *	a time           holds from then on;
 *	a day of week    holds from midnight to midnight;
 *	a time of day    begins a window, for which the draft has no end: it holds for
 *	                 WAIT_WINDOW_S, also beyond midnight.  With a day of week, of the
 *	                 same clock, the window begins on that day.
 * So a device that was off when a window began does not take that for an event it has missed,
 * and go on in the middle of the day: it waits for the next one.
 *
 * Other events (an authorization, power, network, another device's version) are not known
 * here. */
#pragma once

#include "suit/suit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAIT_WINDOW_S    3600
#define WAIT_MAX_S       (INT64_C(8) * 86400) /* what begins later is for the server to plan */
#define WAIT_CLOCK_SET_S INT64_C(1735689600)  /* 2025: a clock before that was never set */
#define WAIT_TEXT_SIZE   48
#define WAIT_MARK_SIZE   20

enum wait_clock { WAIT_LOCAL, WAIT_UTC, WAIT_CLOCKS };

struct wait {
	uint64_t time; /* seconds since 1970; 0: any */
	struct {
		bool timed, dated;
		uint32_t of_day; /* seconds since midnight */
		uint8_t weekday; /* 0 is Sunday */
	} at[WAIT_CLOCKS];
};

enum wait_end { WAIT_OVER, WAIT_ON, WAIT_NEVER };

/* Takes a checked wait-info (the content of its byte string).  False: it waits for what is not
 * known here, or for what no clock shows. */
bool wait_read(struct suit_bytes info, struct wait *ret);
bool wait_equal(const struct wait *a, const struct wait *b);
/* Tells the waits of a manifest from each other, also after a restart. */
void wait_mark(const struct wait *w, uint8_t ret[WAIT_MARK_SIZE]);
/* Seconds since 1970.  WAIT_ON: ret_moment is when it ends, as far as the clock is right; now,
 * if it was never set.  WAIT_NEVER: not within WAIT_MAX_S. */
enum wait_end wait_moment(const struct wait *w, int64_t now, int64_t *ret_moment);
/* "waits until 2026-12-06T02:00:00Z". */
void wait_text(int64_t moment, char ret[WAIT_TEXT_SIZE]);
