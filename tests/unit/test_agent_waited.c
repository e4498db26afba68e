/* Which waits of an update are over: in memory, and through restarts. */
#include "agent/update.h"

#include "tests/tap.h"

/* A device that has just started knows how many are over before it knows what they are. */
static void test_more_are_over_than_are_known(void)
{
	int64_t moment;
	struct update u = { .job = 3, .attempt = 1 };
	for (size_t i = 0; i < UPDATE_WAITS_MAX; i++)
		u.wait[i].until.time = UINT64_MAX; /* nobody asks for what is not counted */
	for (u.waited = 0; u.waited <= UPDATE_WAITS_MAX; u.waited++)
		is_int(update_next_wait(&u, &moment), WAIT_OVER, "over, and none is known");
}

int main(void)
{
	test_more_are_over_than_are_known();
	return tap_done();
}
