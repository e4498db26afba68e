/* libcoap's clock, replaced, as its allocator is (coap_memory.c): these functions have the
 * library's own names.  The one thing to know: 4.3.1 takes its ticks from the wall clock.  Set
 * forward, every session was idle for too long; set back, nothing was sent again for as long,
 * or ever.  Ours are monotonic.  What turns ticks into a time of day is left alone: the daemon
 * uses nothing of libcoap that asks for one. */

#include "server/coap/coap_internal.h"

#include "base/clock.h"

_Static_assert(COAP_TICKS_PER_SECOND == USEC_PER_SEC / USEC_PER_MS, "a tick is a millisecond");

static _Atomic bool asked; /* by anybody: in coap_startup() that can only be libcoap */

static coap_tick_t ticks_now(void)
{
	return (coap_tick_t)(clock_monotonic() / USEC_PER_MS);
}

void coap_ticks(coap_tick_t *ret)
{
	if (!atomic_load_explicit(&asked, memory_order_relaxed))
		atomic_store_explicit(&asked, true, memory_order_relaxed);
	*ret = ticks_now();
}

/* When a flight of a handshake goes out again, which OpenSSL keeps as a time of day; 0 says
 * that none does, and is "none" for libcoap too.  A clock that is set back still ends the
 * handshakes that wait for one: it is too early then for OpenSSL, and libcoap gives up. */
coap_tick_t coap_ticks_from_rt_us(uint64_t wall_us)
{
	int64_t left = (int64_t)wall_us - clock_system();

	if (wall_us == 0)
		return 0;
	return ticks_now() + (coap_tick_t)(left > 0 ? left / USEC_PER_MS : 0);
}

bool ticks_are_ours(void)
{
	return atomic_load(&asked);
}
