/* Clocks, and time as text. */

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic int64_t offset; /* of tests */
static _Atomic int64_t steady; /* from monotonic to wall; 0: not set */

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

int64_t clock_system(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_wall(void)
{
	int64_t base = atomic_load_explicit(&steady, memory_order_relaxed);

	return (base ? clock_monotonic() + base : clock_system()) +
	       atomic_load_explicit(&offset, memory_order_relaxed);
}

void clock_set(int64_t wall_us)
{
	atomic_store_explicit(&steady, wall_us - clock_monotonic(), memory_order_relaxed);
}

int64_t clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

void clock_set_offset(int64_t offset_us)
{
	atomic_store_explicit(&offset, offset_us, memory_order_relaxed);
}

/* Floor division: times before 1970 have positive microseconds too. */
const char *clock_format(int64_t wall_us, char ret[TIME_TEXT_SIZE])
{
	int64_t us = wall_us % USEC_PER_SEC;
	time_t seconds = (time_t)(wall_us / USEC_PER_SEC - (us < 0));
	struct tm tm = { 0 };

	us += us < 0 ? USEC_PER_SEC : 0;
	gmtime_r(&seconds, &tm);
	snprintf(ret, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, (unsigned)us % 1000000);
	return ret;
}
