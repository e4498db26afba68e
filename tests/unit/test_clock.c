/* Clocks and time as text. */

#include "base/clock.h"
#include "tests/tap.h"

int main(void)
{
	char text[TIME_TEXT_SIZE];

	is_str(clock_format(0, text), "1970-01-01T00:00:00.000000Z", "the epoch");
	is_str(clock_format(INT64_C(1795226400123456), text), "2026-11-21T02:00:00.123456Z",
	       "now");
	is_str(clock_format(-1, text), "1969-12-31T23:59:59.999999Z", "just before the epoch");
	is_str(clock_format(INT64_C(951782400000000), text), "2000-02-29T00:00:00.000000Z",
	       "a leap day");
	int64_t a = clock_monotonic(), b = clock_monotonic();
	ok(b >= a, "monotonic time does not go back");
	int64_t before = clock_wall();
	clock_set_offset(3600 * USEC_PER_SEC);
	int64_t shifted = clock_wall() - before;
	clock_set_offset(0);
	ok(shifted >= 3600 * USEC_PER_SEC && shifted < 3660 * USEC_PER_SEC,
	   "tests can shift time");
	/* Two clocks are rounded down each, so the later one may look a microsecond earlier. */
	clock_set(clock_system() - 3600 * USEC_PER_SEC);
	int64_t set = clock_wall() + 3600 * USEC_PER_SEC - clock_system();
	ok(set <= USEC_PER_MS && set > -60 * USEC_PER_SEC,
	   "a clock that was set goes on from there");
	return tap_done();
}
