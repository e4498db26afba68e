/* Two of three clocks. */

#include "core/clock_rules.h"

static bool near(int64_t a, int64_t b)
{
	return a - b <= CLOCK_NEAR_US && b - a <= CLOCK_NEAR_US;
}

enum clock_verdict clock_judge(int64_t ours, int64_t system, int64_t database)
{
	bool with_system = near(ours, system), with_database = near(ours, database);

	if (with_system)
		return with_database ? CLOCK_AGREES : CLOCK_DATABASE_OFF;
	if (with_database)
		return CLOCK_SYSTEM_OFF;
	return near(system, database) ? CLOCK_STEPPED : CLOCK_DOUBT;
}

bool clock_follows_system(enum clock_verdict v)
{
	return v == CLOCK_AGREES || v == CLOCK_DATABASE_OFF || v == CLOCK_STEPPED;
}

bool clock_is_proved(enum clock_verdict v)
{
	return v == CLOCK_AGREES || v == CLOCK_SYSTEM_OFF || v == CLOCK_STEPPED;
}

const char *clock_verdict_text(enum clock_verdict v)
{
	switch (v) {
	case CLOCK_AGREES:
		return "the clocks agree";
	case CLOCK_SYSTEM_OFF:
		return "the system's clock was set; the daemon keeps its own";
	case CLOCK_DATABASE_OFF:
		return "the database's clock differs from the system's";
	case CLOCK_STEPPED:
		return "the clocks were set; the daemon follows, and soaks begin again";
	case CLOCK_DOUBT:
		return "no two clocks agree";
	}
	return "unknown";
}
