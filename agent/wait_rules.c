/* Each clock asks for windows on some days; the moment is the first that lies in one of each.
 * It is found by going to the next window of one clock, then of the other, until none moves. */
#include "agent/wait_rules.h"

#include "suit/cbor.h"
#include "suit/command.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S      86400
#define EVENTS_MAX 16
#define DAYS_AHEAD 8  /* a week from yesterday on */
#define ROUNDS_MAX 32 /* two for each day of WAIT_MAX_S, and some */

/* --- what is waited for ------------------------------------------------------------------- */

static bool set_of_day(struct wait *w, enum wait_clock clock, uint64_t value)
{
	w->at[clock].timed = true;
	w->at[clock].of_day = (uint32_t)value;
	return value < DAY_S;
}

static bool set_weekday(struct wait *w, enum wait_clock clock, uint64_t value)
{
	w->at[clock].dated = true;
	w->at[clock].weekday = (uint8_t)value;
	return value < 7;
}

static bool set_event(struct wait *w, uint64_t event, uint64_t value)
{
	switch (event) {
	case SUIT_WAIT_TIME:
		w->time = value;
		return value <= INT64_MAX;
	case SUIT_WAIT_TIME_OF_DAY:
		return set_of_day(w, WAIT_LOCAL, value);
	case SUIT_WAIT_DAY_OF_WEEK:
		return set_weekday(w, WAIT_LOCAL, value);
	case SUIT_WAIT_TIME_OF_DAY_UTC:
		return set_of_day(w, WAIT_UTC, value);
	case SUIT_WAIT_DAY_OF_WEEK_UTC:
		return set_weekday(w, WAIT_UTC, value);
	default:
		return false;
	}
}

bool wait_read(struct suit_bytes info, struct wait *ret)
{
	struct wait w = { 0 };
	struct scbor c;
	scbor_init(&c, info);
	size_t count = scbor_map(&c, EVENTS_MAX);
	for (size_t i = 0; i < count && scbor_ok(&c); i++) {
		uint64_t event = scbor_uint(&c);
		if (!set_event(&w, event, scbor_uint(&c)))
			return false;
	}
	if (!scbor_done(&c) || count == 0)
		return false;
	*ret = w;
	return true;
}

bool wait_equal(const struct wait *a, const struct wait *b)
{
	bool same = a->time == b->time;
	for (size_t i = 0; i < WAIT_CLOCKS; i++)
		same = same && a->at[i].timed == b->at[i].timed &&
		       a->at[i].dated == b->at[i].dated && a->at[i].of_day == b->at[i].of_day &&
		       a->at[i].weekday == b->at[i].weekday;
	return same;
}

static uint8_t *put_number(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = bytes; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
	return at + bytes;
}

void wait_mark(const struct wait *w, uint8_t ret[WAIT_MARK_SIZE])
{
	uint8_t *at = put_number(ret, w->time, 8);
	for (size_t i = 0; i < WAIT_CLOCKS; i++) {
		at = put_number(at, w->at[i].timed | w->at[i].dated << 1, 1);
		at = put_number(at, w->at[i].of_day, 4);
		at = put_number(at, w->at[i].weekday, 1);
	}
}

/* --- when ----------------------------------------------------------------------------------
 */

static const struct {
	struct tm *(*day)(const time_t *t, struct tm *ret);
	time_t (*moment)(struct tm *day);
} clocks[WAIT_CLOCKS] = {
	[WAIT_LOCAL] = { localtime_r, mktime }, [WAIT_UTC] = { gmtime_r, timegm }
};

/* The window that begins so many days after the day of t.  False: on that day none does.  By
 * the calendar, as a day with a change of the clocks has 23 or 25 hours. */
static bool window_of(const struct wait *w, enum wait_clock clock, time_t t, int days,
		      time_t *ret_begin, time_t *ret_end)
{
	struct tm begin;
	if (!clocks[clock].day(&t, &begin))
		return false;
	begin.tm_mday += days;
	begin.tm_hour = begin.tm_min = begin.tm_sec = 0;
	begin.tm_isdst = -1;
	struct tm end = begin;
	end.tm_mday++;
	begin.tm_hour = (int)(w->at[clock].of_day / 3600);
	begin.tm_min = (int)(w->at[clock].of_day / 60 % 60);
	begin.tm_sec = (int)(w->at[clock].of_day % 60);
	*ret_begin = clocks[clock].moment(&begin);
	*ret_end = w->at[clock].timed ? *ret_begin + WAIT_WINDOW_S : clocks[clock].moment(&end);
	return !w->at[clock].dated || begin.tm_wday == w->at[clock].weekday;
}

/* The first moment from t on that lies in a window of this clock. */
static bool window_next(const struct wait *w, enum wait_clock clock, time_t t, time_t *ret)
{
	time_t begin, end;
	*ret = t;
	if (!w->at[clock].timed && !w->at[clock].dated)
		return true;
	for (int days = -1; days < DAYS_AHEAD; days++) {
		if (!window_of(w, clock, t, days, &begin, &end) || end <= t)
			continue;
		*ret = begin > t ? begin : t;
		return true;
	}
	return false;
}

enum wait_end wait_moment(const struct wait *w, int64_t now, int64_t *ret_moment)
{
	bool later = w->time > (uint64_t)(now > 0 ? now : 0);
	*ret_moment = now;
	if (now < WAIT_CLOCK_SET_S)
		return WAIT_ON;
	if (later && w->time - (uint64_t)now > WAIT_MAX_S)
		return WAIT_NEVER;
	time_t t = later ? (time_t)w->time : (time_t)now;
	for (int i = 0; i < ROUNDS_MAX && t - now <= WAIT_MAX_S; i++) {
		time_t by_local, by_both;
		if (!window_next(w, WAIT_LOCAL, t, &by_local) ||
		    !window_next(w, WAIT_UTC, by_local, &by_both))
			return WAIT_NEVER;
		*ret_moment = t;
		if (by_both == t)
			return t == now ? WAIT_OVER : WAIT_ON;
		t = by_both;
	}
	return WAIT_NEVER;
}

void wait_text(int64_t moment, char ret[WAIT_TEXT_SIZE])
{
	time_t t = (time_t)moment;
	struct tm day;
	ret[0] = '\0';
	if (!gmtime_r(&t, &day) ||
	    strftime(ret, WAIT_TEXT_SIZE, "waits until %Y-%m-%dT%H:%M:%SZ", &day) == 0)
		snprintf(ret, WAIT_TEXT_SIZE, "waits");
}
