/* Observations (RFC 7641): one of a session at most, of one path.
 *
 * A wake from the roster does not say what changed.  The observed request is asked anew through
 * the dispatcher, like any other, and what it answers is sent when it differs from what was
 * sent last.  Asking is paced, so that a stage of 100,000 devices does not make them all come
 * for their image in the same second. */

#include "server/coap/coap_internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "core/roster.h"
#include "server/coap/coap_code.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SEQ_MASK    0xffffffu
#define LATER_US    (5 * USEC_PER_SEC) /* the database was away: ask again */
#define DEADLINE_US (20 * USEC_PER_SEC)
#define BURST_S     0.05
#define TURN_MAX    64 /* then acknowledgements are read: libcoap walks what waits for one */

static void enqueue(struct peer *p)
{
	if (p->observed->queued)
		return;
	p->observed->queued = true;
	p->observed->is_later = false;
	TAILQ_INSERT_TAIL(&p->net->due, p, due);
}

static void enqueue_later(struct peer *p)
{
	if (p->observed->queued)
		return;
	p->observed->queued = true;
	p->observed->is_later = true;
	p->observed->later_at = p->net->now + LATER_US;
	TAILQ_INSERT_TAIL(&p->net->later, p, due);
}

static void dequeue(struct peer *p)
{
	struct observation *o = p->observed;

	assert(o);
	if (!o->queued)
		return;
	TAILQ_REMOVE(o->is_later ? &p->net->later : &p->net->due, p, due);
	o->queued = false;
}

static bool has_token_of(const struct observation *o, const struct inquiry *q)
{
	return o && o->token_size == q->token_size &&
	       memcmp(o->token, q->token, q->token_size) == 0;
}

/* A copy of the message that began the observation changes nothing: its answer is as new as can
 * be, but a peer that has one already passes over it, so what is to be pushed still is. */
uint32_t observe_start(struct peer *p, const struct exchange *x, const struct reply *reply)
{
	size_t size = strlen(x->req->path) + 1;

	if (has_token_of(p->observed, &x->q) && p->observed->mid == x->q.mid)
		return p->observed->seq;
	uint32_t seq = p->observed ? p->observed->seq + 1 : 1;
	struct observation *o = xcalloc(1, sizeof(*o) + size);

	observe_stop(p);
	memcpy(o->path, x->req->path, size);
	memcpy(o->token, x->q.token, sizeof(o->token));
	o->token_size = x->q.token_size;
	o->mid = x->q.mid;
	o->accept = x->req->accept;
	o->seq = seq & SEQ_MASK;
	o->number = ++p->net->observations ? p->net->observations : ++p->net->observations;
	sha256_of(reply->payload, &o->last);
	p->observed = o;
	count(&p->net->stats.observers, 1);
	return o->seq;
}

void observe_stop(struct peer *p)
{
	if (!p->observed)
		return;
	dequeue(p);
	free(p->observed);
	p->observed = NULL;
	atomic_fetch_sub_explicit(&p->net->stats.observers, 1, memory_order_relaxed);
}

void observe_cancel(struct peer *p, const struct inquiry *q)
{
	if (has_token_of(p->observed, q))
		observe_stop(p);
}

void observe_changed(struct peer *p)
{
	p->wakes++;
	if (!p->observed || p->doomed)
		return;
	if (p->observed->running)
		p->observed->again = true;
	else if (p->observed->queued && p->observed->is_later)
		dequeue(p);
	if (!p->observed->running)
		enqueue(p);
}

static struct exchange *ask(struct peer *p)
{
	struct observation *o = p->observed;
	struct req *req = request_create(p->net);
	struct exchange *x = exchange_create(p->net, p, req);

	x->observed = o->number;
	x->q.token_size = o->token_size;
	memcpy(x->q.token, o->token, sizeof(o->token));
	req->method = METHOD_GET;
	req->accept = o->accept;
	req->deadline = p->net->now + DEADLINE_US;
	/* It was a path once, so it is one. */
	if (req_set_path(req, o->path) != RC_OK)
		abort();
	return x;
}

/* Sends what was answered, if it is news; a failure ends the observation (RFC 7641 4.2). */
static void tell(struct exchange *x)
{
	struct peer *p = x->peer;
	struct observation *o = p->observed;
	struct reply_wish wish = { .token_size = x->q.token_size };
	struct digest now;
	struct reply reply;

	reply_make(x->res, x->req, &wish, &reply);
	sha256_of(reply.payload, &now);
	bool good = code_class(reply.code) == 2;
	if (good && digest_equal(&now, &o->last))
		return;
	if (good) {
		o->last = now;
		o->seq = (o->seq + 1) & SEQ_MASK;
		reply.observe = o->seq;
	}
	count(&p->net->stats.pushes, 1);
	exchange_send(x, COAP_MESSAGE_CON, &reply);
	if (!good)
		observe_stop(p);
}

void observe_answered(struct exchange *x)
{
	struct peer *p = x->peer;
	struct observation *o = p->observed;

	if (!p->session || p->doomed || !o || o->number != x->observed)
		return;
	o->running = false;
	if (x->res->rc == RC_UNAVAILABLE || x->res->rc == RC_LIMIT) {
		enqueue_later(p);
		return;
	}
	bool again = o->again;
	o->again = false;
	tell(x);
	if (again && p->observed)
		enqueue(p);
}

static void run(struct peer *p)
{
	dequeue(p);
	if (peer_admit(p) != RC_OK) {
		observe_stop(p);
		return;
	}
	p->observed->running = true;
	struct exchange *x = ask(p);
	if (exchange_dispatch(x)) {
		observe_answered(x);
		exchange_free(x);
	}
}

static void revive(struct net *net)
{
	struct peer *p;

	while ((p = TAILQ_FIRST(&net->later)) && p->observed->later_at <= net->now) {
		dequeue(p);
		enqueue(p);
	}
}

void observes_turn(struct net *net)
{
	double rate = net->server->wakes_per_s;
	double burst = rate * BURST_S < 1 ? 1 : rate * BURST_S;
	struct peer *p;

	net->push_tokens += (double)(net->now - net->push_at) / USEC_PER_SEC * rate;
	net->push_at = net->now;
	if (net->push_tokens > burst)
		net->push_tokens = burst;
	revive(net);
	for (int i = 0; i < TURN_MAX && net->push_tokens >= 1 && (p = TAILQ_FIRST(&net->due));
	     i++) {
		net->push_tokens -= 1;
		run(p);
	}
}

int64_t observes_next(const struct net *net)
{
	if (!TAILQ_EMPTY(&net->due))
		return net->now + USEC_PER_SEC / net->server->wakes_per_s;
	const struct peer *p = TAILQ_FIRST(&net->later);
	return p ? p->observed->later_at : INT64_MAX;
}
