/* Peers: our side of each DTLS session, from the handshake's end until libcoap closes it.
 *
 * The one thing to know: a session that reached us is either admitted (its device may come in),
 * a stranger (a good certificate of a device that is not known yet: it is asked for again at
 * every request), nobody (4.01), or doomed. */

#include "server/coap/coap_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/roster.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE_SLOTS_MIN 256
#define PINGS            3
#define PING_EVERY_US    (800 * USEC_PER_MS)
#define BODY_LIFE_US     (INT64_C(247) * USEC_PER_SEC) /* EXCHANGE_LIFETIME */
#define SWEEP_EVERY_US   USEC_PER_SEC

/* --- sessions by device ------------------------------------------------------------------- */

static struct peer_list *slot_of(struct net *net, const struct roster_device *device)
{
	uint64_t h = (uint64_t)(uintptr_t)device * UINT64_C(0x9e3779b97f4a7c15);

	return &net->devices[(h >> 32) & (net->device_slots - 1)];
}

static void devices_grow(struct net *net)
{
	struct peer_list *old = net->devices;
	size_t old_slots = net->device_slots;
	struct peer *p;

	net->device_slots = old_slots * 2;
	net->devices = xcalloc(net->device_slots, sizeof(*net->devices));
	for (size_t i = 0; i < old_slots; i++) {
		while ((p = LIST_FIRST(&old[i]))) {
			LIST_REMOVE(p, of_device);
			LIST_INSERT_HEAD(slot_of(net, p->id.device), p, of_device);
		}
	}
	free(old);
}

static void device_add(struct peer *p)
{
	struct net *net = p->net;

	if (net->device_count++ >= net->device_slots)
		devices_grow(net);
	LIST_INSERT_HEAD(slot_of(net, p->id.device), p, of_device);
}

static void device_remove(struct peer *p)
{
	LIST_REMOVE(p, of_device);
	p->net->device_count--;
}

static struct peer *same_device(struct peer *p, const struct roster_device *device)
{
	while (p && p->id.device != device)
		p = LIST_NEXT(p, of_device);
	return p;
}

struct peer *peer_first_of(struct net *net, const struct roster_device *device)
{
	return same_device(LIST_FIRST(slot_of(net, device)), device);
}

struct peer *peer_next_of(struct peer *p)
{
	return same_device(LIST_NEXT(p, of_device), p->id.device);
}

/* --- life --------------------------------------------------------------------------------- */

struct peer *peer_ref(struct peer *p)
{
	p->refs++;
	return p;
}

void peer_unref(struct peer *p)
{
	if (p && --p->refs == 0)
		free(p);
}

struct peer *peer_create(struct shard *shard, coap_session_t *session)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	p->net = shard->net;
	p->shard = shard;
	p->session = session;
	p->admitted = RC_UNAUTHENTICATED;
	if (!coap_print_addr(coap_session_get_addr_remote(session), (uint8_t *)p->text,
			     sizeof(p->text)))
		p->text[0] = '\0';
	coap_session_set_app_data(session, p);
	LIST_INSERT_HEAD(&p->net->peers, p, all);
	count(&p->net->stats.sessions, 1);
	return p;
}

void peer_body_count(struct peer *p)
{
	p->net->body_bytes += p->body.room;
	p->net->body_bytes -= p->body_room;
	p->body_room = p->body.room;
	p->body_at = p->net->now;
	if (p->body.open && !p->body_listed)
		LIST_INSERT_HEAD(&p->net->bodies, p, with_body);
	else if (!p->body.open && p->body_listed)
		LIST_REMOVE(p, with_body);
	p->body_listed = p->body.open;
}

void peer_body_drop(struct peer *p)
{
	block_body_drop(&p->body);
	peer_body_count(p);
}

static void calm(struct peer *p)
{
	if (!p->suspect_at)
		return;
	if (p->session)
		coap_session_set_nstart(p->session, COAP_DEFAULT_NSTART);
	TAILQ_REMOVE(&p->net->suspects, p, suspect);
	p->suspect_at = 0;
	p->pings = 0;
}

/* The session is no more, or cannot be sent to any more; exchanges may still hold the peer. */
static void peer_gone(struct peer *p)
{
	dtls_watch_session(p->session, NULL);
	coap_session_set_app_data(p->session, NULL);
	p->session = NULL;
	observe_stop(p);
	peer_body_drop(p);
	calm(p);
	if (p->doomed)
		TAILQ_REMOVE(&p->net->doomed, p, doom);
	if (p->id.device)
		device_remove(p);
	if (p->recent)
		recent_clear(p->recent);
	free(p->recent);
	p->recent = NULL;
	LIST_REMOVE(p, all);
	atomic_fetch_sub_explicit(&p->net->stats.sessions, 1, memory_order_relaxed);
	peer_unref(p);
}

void peer_doom(struct peer *p)
{
	if (p->doomed || !p->session)
		return;
	p->doomed = true;
	TAILQ_INSERT_TAIL(&p->net->doomed, p, doom);
}

struct peer *peer_stray(struct shard *shard, coap_session_t *session)
{
	struct peer *p = peer_create(shard, session);

	peer_doom(p);
	return p;
}

/* --- admission ---------------------------------------------------------------------------- */

enum rc peer_admit(struct peer *p)
{
	struct dtls *dtls = p->net->server->dtls;

	if (p->admitted != RC_NOT_FOUND)
		return p->admitted;
	p->admitted = dtls_admit(dtls, &p->id);
	if (p->id.device)
		device_add(p);
	return p->admitted;
}

void peer_recheck(struct peer *p)
{
	if (p->admitted != RC_OK || dtls_admit(p->net->server->dtls, &p->id) == RC_OK)
		return;
	log_info("session ended: its credential is no longer good", "peer", p->text);
	p->admitted = RC_DENIED;
	peer_doom(p);
}

/* A new handshake came in on this session: either its device lost its state and begins again
 * from the same port, or somebody forged a datagram.  A ping finds out, or three, before the
 * hello comes for the third time, after 3 s.  Called inside of OpenSSL: only marks. */
static void hello_seen(void *arg)
{
	struct peer *p = arg;

	if (p->suspect_at || p->doomed || !p->session)
		return;
	/* Whatever else it has not acknowledged, the pings must leave (RFC 7252 4.7). */
	coap_session_set_nstart(p->session, COAP_DEFAULT_NSTART + PINGS);
	p->suspect_at = p->net->now;
	p->pings = 0;
	TAILQ_INSERT_TAIL(&p->net->suspects, p, suspect);
}

void peer_heard(struct peer *p)
{
	calm(p);
	if (p->admitted == RC_OK)
		roster_seen(p->net->server->core->roster, p->id.device, p->net->wall);
}

static void peer_connected(coap_session_t *session)
{
	struct shard *shard = coap_get_app_data(coap_session_get_context(session));
	struct net_stats *stats = &shard->net->stats;
	struct peer *p = peer_create(shard, session);

	count(&stats->handshakes, 1);
	if (dtls_identify(shard->net->server->dtls, session, &p->id) == RC_OK)
		p->admitted = RC_NOT_FOUND;
	count(&stats->resumed, p->id.resumed);
	p->number = atomic_fetch_add(&shard->net->server->numbers, 1) + 1;
	p->watch = (struct dtls_watch){ hello_seen, p };
	dtls_watch_session(session, &p->watch);
	if (peer_admit(p) == RC_DENIED) {
		log_info("handshake refused: the credential is revoked or replaced", "peer",
			 p->text);
		count(&stats->refused, 1);
		peer_doom(p);
	}
}

/* --- libcoap's callbacks ------------------------------------------------------------------ */

int peer_event(coap_session_t *session, coap_event_t event)
{
	struct peer *p = coap_session_get_app_data(session);
	bool closed = event == COAP_EVENT_DTLS_CLOSED || event == COAP_EVENT_SERVER_SESSION_DEL;

	if (event == COAP_EVENT_DTLS_CONNECTED && !p)
		peer_connected(session);
	else if (closed && p)
		peer_gone(p);
	return 0;
}

void peer_nack(coap_session_t *session, const coap_pdu_t *sent, coap_nack_reason_t reason,
	       coap_mid_t mid)
{
	struct peer *p = coap_session_get_app_data(session);
	coap_bin_const_t token = coap_pdu_get_token(sent);

	(void)mid;
	if (!p)
		return;
	if (coap_pdu_get_code(sent) == COAP_EMPTY_CODE) {
		if (reason == COAP_NACK_RST) /* the answer to a ping */
			peer_heard(p);
	} else if (p->observed && p->observed->token_size == token.length &&
		   memcmp(p->observed->token, token.s, token.length) == 0) {
		/* Rejected, or nobody there: either ends an observation (RFC 7641 4.5). */
		observe_stop(p);
	}
}

/* --- turns -------------------------------------------------------------------------------- */

static void question(struct peer *p, int64_t now)
{
	int64_t silent = now - p->suspect_at;

	if (silent >= PINGS * PING_EVERY_US) {
		log_info("session replaced: its device begins a new handshake", "peer",
			 p->text);
		calm(p);
		peer_doom(p);
	} else if (silent >= p->pings * PING_EVERY_US) {
		p->pings++;
		p->shard->rearm = true;
		coap_session_send_ping(p->session);
	}
}

static void question_all(struct net *net)
{
	struct peer *p, *next;

	for (p = TAILQ_FIRST(&net->suspects); p; p = next) {
		next = TAILQ_NEXT(p, suspect);
		question(p, net->now);
	}
}

/* Bodies that were begun and left. */
static void sweep(struct net *net)
{
	struct peer *p, *next;

	if (net->now - net->swept_at < SWEEP_EVERY_US)
		return;
	net->swept_at = net->now;
	for (p = LIST_FIRST(&net->bodies); p; p = next) {
		next = LIST_NEXT(p, with_body);
		if (net->now - p->body_at > BODY_LIFE_US)
			peer_body_drop(p);
	}
}

static void end_doomed(struct net *net)
{
	struct peer *p;

	while ((p = TAILQ_FIRST(&net->doomed))) {
		coap_session_t *session = p->session;

		/* Says goodbye; the event that it raises lets the peer go.  The session itself
		 * goes when libcoap's timer is set anew. */
		p->shard->rearm = true;
		coap_session_disconnected(session, COAP_NACK_TLS_FAILED);
		p = coap_session_get_app_data(session);
		if (p)
			peer_gone(p);
	}
}

static void end_handshakes(struct net *net)
{
	coap_session_t *session;

	while ((session = dtls_handshake_over(&net->handshakes, net->now))) {
		struct shard *shard = coap_get_app_data(coap_session_get_context(session));

		shard->rearm = true;
		coap_session_disconnected(session, COAP_NACK_TLS_FAILED);
	}
	atomic_store_explicit(&net->stats.begun, net->handshakes.count, memory_order_relaxed);
	atomic_store_explicit(&net->stats.begun_total, net->handshakes.total,
			      memory_order_relaxed);
	atomic_store_explicit(&net->stats.handshakes_us, net->handshakes.took_us,
			      memory_order_relaxed);
}

void peers_turn(struct net *net)
{
	end_handshakes(net);
	question_all(net);
	sweep(net);
	end_doomed(net);
}

void peers_init(struct net *net)
{
	LIST_INIT(&net->peers);
	LIST_INIT(&net->bodies);
	dtls_handshakes_init(&net->handshakes);
	TAILQ_INIT(&net->doomed);
	TAILQ_INIT(&net->suspects);
	TAILQ_INIT(&net->due);
	TAILQ_INIT(&net->later);
	TAILQ_INIT(&net->acks);
	net->device_slots = DEVICE_SLOTS_MIN;
	net->devices = xcalloc(net->device_slots, sizeof(*net->devices));
}

void peers_finish(struct net *net)
{
	struct peer *p;

	while ((p = LIST_FIRST(&net->peers)))
		peer_gone(p);
	free(net->devices);
}
