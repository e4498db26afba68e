/* Two of three clocks are believed. */

#include "core/clock_rules.h"
#include "tests/tap.h"

#define NOW   INT64_C(1795226400000000)
#define YEARS INT64_C(315360000000000) /* ten of them */
#define SOON  INT64_C(59000000)

static void test_one_is_off(int64_t by)
{
	is_int(clock_judge(NOW, NOW + by, NOW + SOON), CLOCK_SYSTEM_OFF, "the system's is off");
	is_int(clock_judge(NOW, NOW - SOON, NOW + by), CLOCK_DATABASE_OFF,
	       "the database's is off");
	is_int(clock_judge(NOW + by, NOW, NOW + SOON), CLOCK_STEPPED, "ours is off");
	is_int(clock_judge(NOW, NOW + by, NOW + 2 * by), CLOCK_DOUBT, "all differ");
}

int main(void)
{
	is_int(clock_judge(NOW, NOW, NOW), CLOCK_AGREES, "all agree");
	is_int(clock_judge(NOW, NOW - SOON, NOW + SOON), CLOCK_AGREES,
	       "as far as ours is near each");
	test_one_is_off(YEARS);
	test_one_is_off(-YEARS);
	test_one_is_off(CLOCK_NEAR_US + SOON + 1);
	ok(!clock_follows_system(CLOCK_SYSTEM_OFF) && !clock_follows_system(CLOCK_DOUBT),
	   "one that was set alone is not followed");
	ok(clock_follows_system(CLOCK_STEPPED), "a step of both is");
	ok(!clock_is_proved(CLOCK_DATABASE_OFF) && !clock_is_proved(CLOCK_DOUBT),
	   "a clock that the database denies proves nothing");
	ok(clock_is_proved(CLOCK_AGREES), "one that it shares does");
	return tap_done();
}
