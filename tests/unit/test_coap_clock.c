/* libcoap's clock is ours, and monotonic: the calls inside of libcoap must reach it. */

#include "server/coap/coap_internal.h"

#include "base/clock.h"

#include "tests/tap.h"

#define SLACK_TICKS 500 /* the machine is busy */

static coap_tick_t ticks(void)
{
	coap_tick_t ret;

	coap_ticks(&ret);
	return ret;
}

static bool is_about(coap_tick_t have, coap_tick_t want)
{
	return have + 2 >= want && have <= want + SLACK_TICKS;
}

static void test_flights(void)
{
	uint64_t wall = (uint64_t)clock_system();

	is_int(coap_ticks_from_rt_us(0), 0, "a flight that is not waited for has no time");
	ok(is_about(coap_ticks_from_rt_us(wall + 2 * USEC_PER_SEC), ticks() + 2000),
	   "one of two seconds from now has");
	ok(is_about(coap_ticks_from_rt_us(wall - 10 * USEC_PER_SEC), ticks()),
	   "one of the past is due now");
}

int main(void)
{
	ok(!ticks_are_ours(), "nobody asked yet");
	coap_startup();
	ok(ticks_are_ours(), "test_R10: libcoap finds our clock");
	ok(is_about((coap_tick_t)(clock_monotonic() / USEC_PER_MS), ticks()),
	   "which is the monotonic one");
	test_flights();
	coap_cleanup();
	return tap_done();
}
