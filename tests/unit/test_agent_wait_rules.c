/* When waits end: by UTC, by a local time with its changes, and never. */
#include "agent/wait_rules.h"

#include "tests/tap.h"

#include <stdlib.h>
#include <time.h>

#define SUNDAY INT64_C(1795910400) /* 2026-11-29T00:00:00Z */
#define HOUR   3600
#define DAY    86400

static void zone(const char *tz)
{
	if (setenv("TZ", tz, 1) != 0)
		abort();
	tzset();
}

static struct wait daily(enum wait_clock clock, uint32_t of_day)
{
	struct wait w = { 0 };
	w.at[clock].timed = true;
	w.at[clock].of_day = of_day;
	return w;
}

static struct wait weekly(enum wait_clock clock, uint8_t weekday)
{
	struct wait w = { 0 };
	w.at[clock].dated = true;
	w.at[clock].weekday = weekday;
	return w;
}

/* at: seconds after SUNDAY; -1: over now. */
static void ends(const struct wait *w, int64_t at, int64_t wanted, const char *name)
{
	int64_t moment = 0;
	enum wait_end end = wait_moment(w, SUNDAY + at, &moment);
	bool good = wanted < 0 ? end == WAIT_OVER && moment == SUNDAY + at
			       : end == WAIT_ON && moment == SUNDAY + wanted;
	if (!ok(good, "%s", name))
		printf("# end %d, %lld\n", (int)end, (long long)(moment - SUNDAY));
}

static void test_times(void)
{
	struct wait w = { .time = (uint64_t)SUNDAY + 100 };
	int64_t moment;
	ends(&w, 0, 100, "a time that comes");
	ends(&w, 100, -1, "that is there");
	ends(&w, 30 * DAY, -1, "that was");
	w.time = (uint64_t)SUNDAY + 8 * DAY;
	ends(&w, 0, 8 * DAY, "in eight days");
	w.time++;
	is_int(wait_moment(&w, SUNDAY, &moment), WAIT_NEVER, "that is for the server to plan");
	w.time = UINT64_MAX;
	is_int(wait_moment(&w, SUNDAY, &moment), WAIT_NEVER, "never");
	w.time = 100;
	is_int(wait_moment(&w, 200, &moment), WAIT_ON, "a clock that was never set");
	is_int(moment, 200, "says nothing of a moment");
	is_int(wait_moment(&w, -5, &moment), WAIT_ON, "not even of this one");
}

static void test_utc(void)
{
	struct wait w = daily(WAIT_UTC, 2 * HOUR);
	ends(&w, 0, 2 * HOUR, "tonight");
	ends(&w, 2 * HOUR, -1, "now");
	ends(&w, 3 * HOUR - 1, -1, "within its hour");
	ends(&w, 3 * HOUR, DAY + 2 * HOUR, "a window that was missed is not over: tomorrow");
	w.at[WAIT_UTC].dated = true;
	w.at[WAIT_UTC].weekday = 3;
	ends(&w, 3 * HOUR, 3 * DAY + 2 * HOUR, "on Wednesday");
	ends(&w, 3 * DAY + 4 * HOUR, 10 * DAY + 2 * HOUR, "on the next one");
	w = daily(WAIT_UTC, DAY - 1);
	w.at[WAIT_UTC].dated = true;
	w.at[WAIT_UTC].weekday = 6;
	ends(&w, 10, -1, "a window of Saturday goes on beyond midnight");
	ends(&w, HOUR, 7 * DAY - 1, "for an hour");
	w = weekly(WAIT_UTC, 0);
	ends(&w, 0, -1, "all Sunday");
	ends(&w, DAY - 1, -1, "to its end");
	ends(&w, DAY, 7 * DAY, "then the next");
	w = weekly(WAIT_UTC, 1);
	w.time = (uint64_t)SUNDAY + DAY + 5;
	ends(&w, 0, DAY + 5, "Monday, and not before that time");
	w.time = (uint64_t)SUNDAY + 2 * DAY;
	ends(&w, 0, 8 * DAY, "Monday, and not before Tuesday");
}

/* Berlin, as a rule of its own: +1, in summer +2. */
static void test_local(void)
{
	const int64_t march = 119 * DAY;   /* Sunday 2027-03-28, when 02:00 becomes 03:00 */
	const int64_t october = 336 * DAY; /* Sunday 2027-10-31, when 03:00 becomes 02:00 */
	struct wait w = daily(WAIT_LOCAL, 4 * HOUR);
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	ends(&w, 0, 3 * HOUR, "four in the morning, in winter");
	ends(&w, march - 20 * HOUR, march + 2 * HOUR, "and when summer has begun");
	ends(&w, october - 20 * HOUR, october + 3 * HOUR, "and when it has ended");
	w = weekly(WAIT_LOCAL, 0);
	ends(&w, 7 * DAY - 2 * HOUR, 7 * DAY - HOUR, "a Sunday begins earlier than in UTC");
	ends(&w, march + 22 * HOUR - 1, -1, "one has 23 hours");
	ends(&w, march + 22 * HOUR, march + 7 * DAY - 2 * HOUR, "and no more");
	ends(&w, october + 23 * HOUR - 1, -1, "one has 25");
	ends(&w, october + 23 * HOUR, october + 7 * DAY - HOUR, "and no more");
	w = daily(WAIT_LOCAL, 2 * HOUR + HOUR / 2);
	ends(&w, march - 20 * HOUR, march + HOUR + HOUR / 2,
	     "a time that this night does not have: an hour later by the clock");
}

static void test_both(void)
{
	struct wait w = daily(WAIT_LOCAL, 0);
	int64_t moment;
	zone("<+0330>-3:30");
	w.at[WAIT_UTC].timed = true;
	w.at[WAIT_UTC].of_day = 21 * HOUR;
	ends(&w, 0, 21 * HOUR, "two windows that share half an hour");
	w.at[WAIT_UTC].of_day = 22 * HOUR;
	is_int(wait_moment(&w, SUNDAY, &moment), WAIT_NEVER, "two that never meet");
	w = weekly(WAIT_LOCAL, 1);
	w.at[WAIT_UTC].dated = true;
	ends(&w, 0, 20 * HOUR + HOUR / 2, "Monday here while it is Sunday there");
	w.at[WAIT_UTC].weekday = 4;
	is_int(wait_moment(&w, SUNDAY, &moment), WAIT_NEVER, "Monday and Thursday");
}

/* Whenever it is asked: what it says is a moment that is not before, at which it is over, and a
 * second earlier it was not. */
static void test_a_moment_is_the_first(void)
{
	int wrong = 0;
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	for (uint32_t i = 0; i < 2000; i++) {
		struct wait w = { 0 };
		int64_t now = SUNDAY + (int64_t)i * 15907, moment, again;
		for (int c = 0; c < WAIT_CLOCKS; c++) {
			w.at[c].timed = i & (1u << c);
			w.at[c].dated = i & (4u << c);
			w.at[c].of_day = w.at[c].timed ? i * 7919 % DAY : 0;
			w.at[c].weekday = w.at[c].dated ? i % 7 : 0;
		}
		enum wait_end end = wait_moment(&w, now, &moment);
		if (end == WAIT_NEVER)
			continue;
		wrong += moment < now || (end == WAIT_OVER) != (moment == now);
		wrong += wait_moment(&w, moment, &again) != WAIT_OVER;
		wrong += end == WAIT_ON && wait_moment(&w, moment - 1, &again) != WAIT_ON;
	}
	is_int(wrong, 0, "the first moment, of 2000");
}

static bool reads(const char *bytes, size_t n, struct wait *ret)
{
	return wait_read((struct suit_bytes){ (const uint8_t *)bytes, n }, ret);
}

static void test_read(void)
{
	struct wait w, other;
	char text[WAIT_TEXT_SIZE];
	ok(reads("\xa5\x05\x0a\x06\x01\x07\x02\x08\x03\x09\x06", 11, &w),
	   "all that clocks show");
	ok(w.time == 10 && w.at[WAIT_LOCAL].of_day == 1 && w.at[WAIT_LOCAL].weekday == 2 &&
		   w.at[WAIT_UTC].of_day == 3 && w.at[WAIT_UTC].weekday == 6,
	   "each in its place");
	ok(reads("\xa2\x08\x19\x1c\x20\x09\x00", 7, &other), "two");
	ok(wait_equal(&w, &w) && !wait_equal(&w, &other), "they differ");
	ok(!other.at[WAIT_LOCAL].timed && other.at[WAIT_UTC].timed &&
		   other.at[WAIT_UTC].dated && other.at[WAIT_UTC].of_day == 7200,
	   "and are all there is");
	ok(!reads("\xa1\x01\x00", 3, &w), "an authorization");
	ok(!reads("\xa1\x02\x01", 3, &w), "power");
	ok(!reads("\xa2\x03\x01\x05\x0a", 5, &w), "a network, beside a time");
	ok(!reads("\xa1\x04\x82\x41\x61\x81\x43\x82\x03\x01", 10, &w), "another device");
	ok(!reads("\xa1\x06\x1a\x00\x01\x51\x80", 7, &w), "a day has 86400 seconds");
	ok(!reads("\xa1\x07\x07", 3, &w) && !reads("\xa1\x09\x18\xff", 4, &w),
	   "a week seven days");
	ok(!reads("\xa0", 1, &w), "nothing at all");
	wait_text(SUNDAY + 7200, text);
	is_str(text, "waits until 2026-11-29T02:00:00Z", "in words");
}

/* One bit more or less is another wait. */
static void test_marks(void)
{
	struct wait base = { 0 }, other[9];
	uint8_t mark[9][WAIT_MARK_SIZE];
	for (size_t i = 0; i < 9; i++)
		other[i] = base;
	other[0].time = UINT64_C(1) << 40;
	for (size_t i = 0; i < WAIT_CLOCKS; i++) {
		other[1 + 4 * i].at[i].timed = true;
		other[2 + 4 * i].at[i].dated = true;
		other[3 + 4 * i].at[i].of_day = 65536;
		other[4 + 4 * i].at[i].weekday = 1;
	}
	for (size_t i = 0; i < 9; i++) {
		wait_mark(&other[i], mark[i]);
		for (size_t k = 0; k < i; k++)
			ok(memcmp(mark[i], mark[k], WAIT_MARK_SIZE) != 0, "another");
	}
	wait_mark(&other[8], mark[0]);
	ok(memcmp(mark[0], mark[8], WAIT_MARK_SIZE) == 0, "the same again");
}

int main(void)
{
	zone("UTC0");
	test_read();
	test_marks();
	test_times();
	test_utc();
	test_local();
	test_both();
	test_a_moment_is_the_first();
	return tap_done();
}
