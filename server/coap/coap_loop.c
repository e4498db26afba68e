/* A network thread.  The one thing to know: libcoap's own loop walks every session for every
 * datagram.  Ours gives it as many events at once as there are datagrams waiting, and spreads
 * sessions over many contexts, so that a walk is rare and short. */

#include "server/coap/coap_internal.h"

#include "base/clock.h"
#include "core/roster.h"

#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TURN_US          USEC_PER_SEC /* longest turn: the watchdog counts them */
#define PROBE_TURN_US    (100 * USEC_PER_MS)
#define READY_MAX        64
#define BATCH_MAX_EVENTS 64
#define DATAGRAM_BYTES   768 /* what the kernel counts for a small one */
#define DEVICE_NOTES_MAX 65536

void net_tell(struct net *net, enum note_kind kind, struct roster_device *device)
{
	struct device_note *n;

	if (atomic_fetch_add(&net->device_notes, 1) >= DEVICE_NOTES_MAX && device) {
		/* The queue is not empty, so the thread will see this. */
		atomic_fetch_sub(&net->device_notes, 1);
		atomic_store(&net->rescan, true);
		return;
	}
	n = xmalloc(sizeof(*n));
	*n = (struct device_note){ .note.kind = kind, .device = device };
	if (queue_push(net->notes, &n->note.node) != RC_OK) {
		atomic_fetch_sub(&net->device_notes, 1);
		free(n);
	}
}

static void device_changed(struct net *net, const struct device_note *n)
{
	struct peer *p, *next;

	for (p = peer_first_of(net, n->device); p; p = next) {
		next = peer_next_of(p);
		if (n->note.kind == NOTE_EVICT)
			peer_recheck(p);
		else
			observe_changed(p);
	}
}

static void take_note(struct net *net, struct note *note)
{
	switch (note->kind) {
	case NOTE_ANSWER:
		exchange_answered((struct exchange *)note);
		return;
	case NOTE_WAKE:
	case NOTE_EVICT:
		device_changed(net, (struct device_note *)note);
		break;
	case NOTE_END:
		break;
	}
	atomic_fetch_sub(&net->device_notes, 1);
	free(note);
}

static void rescan(struct net *net)
{
	struct peer *p;

	if (!atomic_exchange(&net->rescan, false))
		return;
	LIST_FOREACH(p, &net->peers, all)
	{
		peer_recheck(p);
		observe_changed(p);
	}
}

static void take_notes(struct net *net)
{
	struct queue_node *node = queue_take(net->notes, 0);

	while (node) {
		struct queue_node *next = node->next;

		take_note(net, (struct note *)node);
		node = next;
	}
	rescan(net);
}

/* --- datagrams ---------------------------------------------------------------------------- */

/* About how many datagrams wait; too many costs a failed read each, too few another turn. */
static int datagrams_waiting(const struct shard *s)
{
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t size = sizeof(info);

	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &size) != 0)
		return 1;
	uint32_t n = info[SK_MEMINFO_RMEM_ALLOC] / DATAGRAM_BYTES;
	return n < 1 ? 1 : n > BATCH_MAX_EVENTS ? BATCH_MAX_EVENTS : (int)n;
}

static void shard_turn(struct shard *s)
{
	struct epoll_event ready[4], batch[BATCH_MAX_EVENTS + ARRAY_LEN(ready)];
	int n = epoll_wait(s->epfd, ready, ARRAY_LEN(ready), 0);
	int waiting = datagrams_waiting(s);
	size_t size = 0;

	for (int i = 0; i < n; i++) {
		/* libcoap's timer has no pointer; everything else is the one socket. */
		int times = ready[i].data.ptr ? waiting : 1;

		for (int k = 0; k < times && size < ARRAY_LEN(batch); k++)
			batch[size++] = ready[i];
	}
	/* Its timer too: it sets one for every message that waits for an acknowledgement, and
	 * all but the first too early, by the distance to the message before. */
	s->put_off = true;
	if (size)
		coap_io_do_epoll(s->ctx, batch, size);
	s->put_off = false;
}

/* libcoap sets its timer, and lets dead sessions go, only when it walks. */
static void walk(struct net *net)
{
	net->walk_at = INT64_MAX;
	for (int i = 0; i < net->shard_count; i++) {
		struct shard *s = &net->shards[i];

		if (s->rearm || (s->stale && walk_due(s) <= net->now))
			walk_now(s);
		else if (s->stale && walk_due(s) < net->walk_at)
			net->walk_at = walk_due(s);
	}
}

/* --- turns -------------------------------------------------------------------------------- */

static int timeout_ms(const struct net *net)
{
	int64_t at = net->now + (TAILQ_EMPTY(&net->suspects) ? TURN_US : PROBE_TURN_US);
	int64_t others[] = { exchanges_next(net), observes_next(net), doorman_next(net),
			     net->walk_at };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		at = others[i] < at ? others[i] : at;
	int64_t left = at - clock_monotonic();
	return left <= 0 ? 0 : (int)((left + USEC_PER_MS - 1) / USEC_PER_MS);
}

static void turn(struct net *net)
{
	struct epoll_event ready[READY_MAX];
	int n = epoll_wait(net->epfd, ready, ARRAY_LEN(ready), timeout_ms(net));

	net->now = clock_monotonic();
	net->wall = clock_wall();
	atomic_fetch_add_explicit(&net->beats, 1, memory_order_relaxed);
	for (int i = 0; i < n; i++) {
		if (net->doorman && ready[i].data.ptr == net->doorman)
			net->doorman->ready = true;
		else if (ready[i].data.ptr)
			shard_turn(ready[i].data.ptr);
		else
			take_notes(net);
	}
	exchanges_turn(net);
	observes_turn(net);
	peers_turn(net);
	walk(net);
	atomic_store_explicit(&net->took_us, clock_monotonic() - net->now,
			      memory_order_relaxed);
	if (net->doorman)
		doorman_turn(net);
}

void *net_run(void *arg)
{
	struct net *net = arg;

	net->now = net->push_at = net->swept_at = clock_monotonic();
	net->wall = clock_wall();
	for (int i = 0; i < net->shard_count; i++)
		net->shards[i].rearm = true;
	walk(net);
	while (!atomic_load(&net->server->ending))
		turn(net);
	return NULL;
}
