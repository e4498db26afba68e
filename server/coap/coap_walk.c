/* libcoap's walk over its sessions, put off.
 *
 * The one thing to know: coap_io_do_epoll() ends in coap_io_prepare_epoll(), which looks at
 * every session of its context (who is idle, who must send again) and sets a timer.  That is
 * one walk for every few datagrams, and with 100,000 sessions most of the work.  libcoap calls
 * it through its symbol table, so the one that it finds is ours, of the same name: it notes
 * that a walk is due and lets the thread do it a moment later (coap_loop.c), once for all that
 * came meanwhile.  Where it does not find ours, it walks as ever; nothing else changes. */

#include "server/coap/coap_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <dlfcn.h>
#include <sys/epoll.h>

/* libcoap times nothing finer than a second.  Walks take a fiftieth of the thread's time at
 * most, until that would make its timers late. */
#define WALK_EVERY_US  (50 * USEC_PER_MS)
#define WALK_SHARE     50
#define WALK_LATEST_US (500 * USEC_PER_MS)

typedef unsigned int walk_fn(coap_context_t *ctx, coap_tick_t now);

static walk_fn *library_walk;

enum rc walk_init(void)
{
	void *found = dlsym(RTLD_NEXT, "coap_io_prepare_epoll");

	if (!found) {
		log_error("this libcoap cannot be used: it has no epoll");
		return RC_INTERNAL;
	}
	/* POSIX has it that a pointer to data may hold one to a function. */
	*(void **)&library_walk = found;
	return RC_OK;
}

/* By libcoap itself, at the end of a turn without events: so it is by its own clock, whichever
 * it found (coap_clock.c). */
void walk_now(struct shard *s)
{
	struct epoll_event none;

	s->rearm = s->stale = s->put_off = false;
	s->walked_at = s->net->now;
	int64_t began = clock_monotonic();
	coap_io_do_epoll(s->ctx, &none, 0);
	s->walk_us = clock_monotonic() - began;
}

int64_t walk_due(const struct shard *s)
{
	int64_t pause = s->walk_us * s->net->shard_count * WALK_SHARE;

	if (pause < WALK_EVERY_US)
		pause = WALK_EVERY_US;
	return s->walked_at + (pause > WALK_LATEST_US ? WALK_LATEST_US : pause);
}

unsigned int coap_io_prepare_epoll(coap_context_t *ctx, coap_tick_t now)
{
	struct shard *s = coap_get_app_data(ctx);

	if (!s || !s->put_off)
		return library_walk(ctx, now);
	s->stale = true;
	return 0;
}
