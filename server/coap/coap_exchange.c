/* Requests and answers.
 *
 * A request becomes an exchange and goes to the dispatcher.  What is answered from memory goes
 * back in the same message.  For the rest the acknowledgement is held back for a moment,
 * because most answers are there by then and ride on it; only what takes longer costs an empty
 * acknowledgement and a separate answer (RFC 7252 5.2.2). */

#include "server/coap/coap_internal.h"

#include "api/route.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/images.h"
#include "core/roster.h"
#include "server/coap/coap_code.h"

#include <stdlib.h>
#include <string.h>

#define ACK_HOLD_US     (300 * USEC_PER_MS) /* a peer repeats itself after 2 s at the earliest */
#define DEADLINE_US     (20 * USEC_PER_SEC)
#define PEER_RUNNING    8           /* exchanges of one peer at a time */
#define BODIES_MAX      (64u << 20) /* bytes of begun bodies, each thread */
#define BODY_LIMIT(max) ((max) < BLOCK_BODY_MAX ? (max) : BLOCK_BODY_MAX)

/* What this thread is dispatching, until it is answered. */
static _Thread_local struct exchange *inside;

/* --- exchanges ---------------------------------------------------------------------------- */

static void done(struct req *req, struct res *res)
{
	struct exchange *x = req->transport;

	x->res = res;
	if (inside == x)
		inside = NULL;
	else if (queue_push(x->net->notes, &x->note.node) != RC_OK)
		abort(); /* unbounded and never closed while exchanges run */
}

struct req *request_create(struct net *net)
{
	struct arena *mem = net->spare ? net->spare : arena_create();
	struct req *req = req_create_in(mem);

	net->spare = NULL;
	req->via = VIA_COAP;
	req->came = net->now;
	req->came_wall = net->wall;
	return req;
}

void request_free(struct net *net, struct req *req)
{
	struct arena *mem = req_release(req);

	if (net->spare)
		arena_free(mem);
	else
		net->spare = mem;
}

struct exchange *exchange_create(struct net *net, struct peer *peer, struct req *req)
{
	struct exchange *x = arena_new(req->mem, struct exchange);

	x->note.kind = NOTE_ANSWER;
	x->net = net;
	x->req = req;
	req->transport = x;
	req->done = done;
	req->deadline = net->now + DEADLINE_US;
	if (!peer)
		return x;
	x->peer = peer_ref(peer);
	x->wakes = peer->wakes;
	req->peer = peer->text;
	if (peer->admitted == RC_OK)
		req->actor = (struct actor){ .kind = ACTOR_DEVICE,
					     .role = ROLE_DEVICE,
					     .id = peer->id.device_id,
					     .name = peer->id.name,
					     .device = peer->id.device,
					     .session = peer->number };
	return x;
}

void exchange_free(struct exchange *x)
{
	struct peer *peer = x->peer;

	if (x->res && x->res->image)
		image_close(x->res->image);
	request_free(x->net, x->req);
	peer_unref(peer);
}

bool exchange_dispatch(struct exchange *x)
{
	inside = x;
	dispatch(x->net->server->dispatcher, x->req);
	bool answered = !inside;
	inside = NULL;
	if (!answered) {
		count(&x->net->stats.running, 1);
		if (x->peer)
			x->peer->running++;
	}
	return answered;
}

void exchange_send(struct exchange *x, coap_pdu_type_t type, const struct reply *reply)
{
	coap_session_t *session = x->peer->session;
	coap_mid_t mid = type == COAP_MESSAGE_ACK ? x->q.mid : coap_new_message_id(session);
	coap_pdu_t *pdu = coap_pdu_init(type, 0, mid, coap_session_max_pdu_size(session));

	if (!pdu)
		return;
	if (!coap_add_token(pdu, x->q.token_size, x->q.token) || !reply_write(reply, pdu)) {
		coap_delete_pdu(pdu);
		return;
	}
	/* Its timer is needed in two seconds at the earliest. */
	if (type == COAP_MESSAGE_CON)
		x->peer->shard->stale = true;
	coap_send(session, pdu);
}

/* --- what libcoap wants back from its handler --------------------------------------------- */

/* No message at all, for now: it drops an empty one that needs no acknowledgement. */
static void stay_silent(coap_pdu_t *response)
{
	coap_pdu_set_type(response, COAP_MESSAGE_NON);
}

/* An answer fits its message, so only memory can be missing.  Half of one says something else:
 * the peer asks again, as if it had been lost. */
static void say(const struct reply *reply, coap_pdu_t *response)
{
	if (reply_write(reply, response))
		return;
	log_warn("no memory for an answer");
	coap_pdu_set_code(response, COAP_EMPTY_CODE);
	stay_silent(response);
}

/* --- duplicates --------------------------------------------------------------------------- */

static void stop_waiting(struct exchange *x)
{
	if (!x->waiting)
		return;
	x->waiting = false;
	TAILQ_REMOVE(&x->net->acks, x, acks);
}

/* True when the request came before: answered as then, or acknowledged while it runs; one that
 * wants no acknowledgement is not answered again (RFC 7252 section 4.3). */
static bool is_duplicate(struct peer *p, const struct inquiry *q, coap_pdu_t *response)
{
	struct recent_entry *e = p->recent ? recent_find(p->recent, q, p->net->now) : NULL;

	if (!e)
		return false;
	count(&p->net->stats.duplicates, 1);
	if (!q->confirmable)
		stay_silent(response);
	else if (e->reply)
		say(e->reply, response);
	else
		stop_waiting(e->running); /* an empty message is its acknowledgement */
	return true;
}

static struct recent_entry *remember(struct peer *p, const struct inquiry *q)
{
	if (!p->recent)
		p->recent = xcalloc(1, sizeof(*p->recent));
	return recent_add(p->recent, q, p->net->now);
}

/* What was answered at once.  Reading again does no harm, so that is not kept. */
static void remember_answer(struct peer *p, const struct inquiry *q, const struct reply *reply)
{
	struct recent_entry *e = q->code == COAP_REQUEST_CODE_GET ? NULL : remember(p, q);

	if (e)
		recent_answered(e, reply);
}

/* --- answers ------------------------------------------------------------------------------ */

static bool starts_observing(const struct exchange *x, const struct reply *reply)
{
	return x->q.observe == OBSERVE_START && x->res->observe &&
	       reply->code == CODE_CONTENT && x->peer->admitted == RC_OK &&
	       !(x->q.has_block2 && x->q.block2.num);
}

static void make_reply(struct exchange *x, struct reply *ret)
{
	struct reply_wish wish = {
		.block = x->q.has_block2 ? &x->q.block2 : NULL,
		.token_size = x->q.token_size,
	};

	reply_make(x->res, x->req, &wish, ret);
	if (x->q.has_block1) {
		ret->has_block1 = true;
		ret->block1 = x->q.block1;
	}
	if (!starts_observing(x, ret))
		return;
	ret->observe = observe_start(x->peer, x, ret);
	/* Woken before there was anything to wake: the answer may be out of date. */
	if (x->wakes != x->peer->wakes)
		observe_changed(x->peer);
}

/* A request's answer, when it did not come at once. */
static void answer_late(struct exchange *x)
{
	struct peer *p = x->peer;
	struct recent_entry *e = p->recent ? recent_find(p->recent, &x->q, p->net->now) : NULL;
	coap_pdu_type_t type = COAP_MESSAGE_NON;
	struct reply reply;

	make_reply(x, &reply);
	if (x->q.confirmable)
		type = x->waiting ? COAP_MESSAGE_ACK : COAP_MESSAGE_CON;
	stop_waiting(x);
	if (e && e->running == x) {
		if (x->req->method == METHOD_GET)
			recent_forget(e);
		else
			recent_answered(e, &reply);
	}
	exchange_send(x, type, &reply);
}

void exchange_answered(struct exchange *x)
{
	atomic_fetch_sub(&x->net->stats.running, 1);
	x->peer->running--;
	if (x->observed)
		observe_answered(x);
	else if (x->peer->session && !x->peer->doomed)
		answer_late(x);
	stop_waiting(x);
	exchange_free(x);
}

static void acknowledge(struct exchange *x)
{
	coap_pdu_t *ack;

	if (!x->peer->session || x->peer->doomed)
		return;
	ack = coap_pdu_init(COAP_MESSAGE_ACK, COAP_EMPTY_CODE, x->q.mid, 0);
	if (ack)
		coap_send(x->peer->session, ack);
}

void exchanges_turn(struct net *net)
{
	struct exchange *x;

	while ((x = TAILQ_FIRST(&net->acks)) && x->ack_at <= net->now) {
		stop_waiting(x);
		acknowledge(x);
	}
}

int64_t exchanges_next(const struct net *net)
{
	const struct exchange *x = TAILQ_FIRST(&net->acks);

	return x ? x->ack_at : INT64_MAX;
}

/* --- requests ----------------------------------------------------------------------------- */

static void refuse_as(struct refusal *ret, enum err err, const char *detail)
{
	*ret = (struct refusal){ code_of_rc(err_rc(err)), err, detail };
}

/* Whether this peer may be served this route now; the dispatcher checks the role itself, but a
 * body is not collected for somebody who will be refused, and a device that only the roster
 * does not know yet is told to come again. */
static bool may_ask(struct peer *p, const struct req *req, struct refusal *ret_why)
{
	if (atomic_load_explicit(&p->net->server->draining, memory_order_relaxed)) {
		refuse_as(ret_why, ERR_UNAVAILABLE, "the server is stopping");
		return false;
	}
	if (p->running >= PEER_RUNNING) {
		refuse_as(ret_why, ERR_TOO_MANY, "wait for the answers of earlier requests");
		return false;
	}
	if (peer_admit(p) == RC_OK || req->route->roles == ROLE_ANY)
		return true;
	if (p->admitted == RC_NOT_FOUND && !roster_ready(p->net->server->core->roster))
		refuse_as(ret_why, ERR_UNAVAILABLE, "the server is starting");
	else
		refuse_as(ret_why, ERR_UNAUTHENTICATED, NULL);
	return false;
}

static bool find_route(struct req *req, struct refusal *ret_why)
{
	enum rc rc = route_find(req);

	if (rc != RC_OK)
		refuse_as(ret_why, err_of_rc(rc), NULL);
	return rc == RC_OK;
}

static size_t body_max(const struct req *req)
{
	size_t max = req->route->body_max ? req->route->body_max : BODY_MAX_DEFAULT;

	return BODY_LIMIT(max);
}

/* Adds a block to the peer's body.  False: not the last one (*ret_why has 2.31), or refused. */
static bool take_block(struct peer *p, const struct inquiry *q, struct req *req,
		       struct refusal *ret_why)
{
	struct block_part part = { q->block1, q->payload, q->body_key, body_max(req) };
	bool last = false;

	if (p->net->body_bytes > BODIES_MAX) {
		peer_body_drop(p);
		refuse_as(ret_why, ERR_UNAVAILABLE, "too many bodies are under way");
		return false;
	}
	enum rc rc = block_body_add(&p->body, &part, &last);
	if (rc == RC_OK && last) {
		req->body =
			(struct bytes){ arena_copy(req->mem, p->body.p, p->body.n), p->body.n };
		peer_body_drop(p);
		return true;
	}
	peer_body_count(p);
	*ret_why = (struct refusal){ .code = CODE_CONTINUE };
	if (rc != RC_OK)
		refuse_as(ret_why, rc == RC_INCOMPLETE ? ERR_BLOCK_MISSING : err_of_rc(rc),
			  NULL);
	return false;
}

static bool take_body(struct peer *p, const struct inquiry *q, struct req *req,
		      struct refusal *ret_why)
{
	if (q->has_block1)
		return take_block(p, q, req, ret_why);
	if (q->payload.n > body_max(req)) {
		refuse_as(ret_why, ERR_TOO_LARGE, NULL);
		return false;
	}
	if (q->payload.n)
		req->body.p = arena_copy(req->mem, q->payload.p, q->payload.n);
	req->body.n = q->payload.n;
	return true;
}

/* 2.31 or a refusal: the transport's own answers. */
static void answer_itself(struct peer *p, const struct inquiry *q, const struct refusal *why,
			  struct req *req, coap_pdu_t *response)
{
	struct reply reply;

	if (why->code == CODE_CONTINUE)
		reply_code(CODE_CONTINUE, &reply);
	else
		reply_refuse(why, req, &reply);
	if (why->code == CODE_CONTINUE) {
		reply.has_block1 = true;
		reply.block1 = q->block1;
	} else if (why->err == ERR_TOO_LARGE) {
		reply.size1 = (int64_t)body_max(req);
	}
	remember_answer(p, q, &reply);
	say(&reply, response);
	request_free(p->net, req);
}

static void wait_for(struct exchange *x, coap_pdu_t *response)
{
	struct recent_entry *e = remember(x->peer, &x->q);

	if (e)
		e->running = x;
	stay_silent(response);
	if (!x->q.confirmable)
		return;
	x->waiting = true;
	x->ack_at = x->net->now + ACK_HOLD_US;
	TAILQ_INSERT_TAIL(&x->net->acks, x, acks);
}

static void run(struct peer *p, const struct inquiry *q, struct req *req, coap_pdu_t *response)
{
	struct exchange *x = exchange_create(p->net, p, req);
	struct reply reply;

	x->q = *q;
	x->q.payload = (struct bytes){ NULL, 0 };
	if (q->observe == OBSERVE_STOP)
		observe_cancel(p, q);
	if (!exchange_dispatch(x)) {
		wait_for(x, response);
		return;
	}
	make_reply(x, &reply);
	remember_answer(p, q, &reply);
	say(&reply, response);
	exchange_free(x);
}

void device_handle(struct shard *shard, coap_session_t *session, const coap_pdu_t *pdu,
		   coap_pdu_t *response)
{
	struct peer *p = coap_session_get_app_data(session);
	struct refusal why;
	struct inquiry q;

	/* The handshake's end and this request came in one datagram, and libcoap did not notice
	 * the first: it could never answer. */
	if (!p)
		p = peer_stray(shard, session);
	if (p->doomed) {
		stay_silent(response);
		return;
	}
	inquiry_head(pdu, &q);
	count(&shard->net->stats.requests, 1);
	peer_heard(p);
	if (is_duplicate(p, &q, response))
		return;
	struct req *req = request_create(shard->net);
	if (inquiry_read(pdu, &q, req, &why) && find_route(req, &why) &&
	    may_ask(p, req, &why) && take_body(p, &q, req, &why))
		run(p, &q, req, response);
	else
		answer_itself(p, &q, &why, req, response);
}

void exchange_handle(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *pdu,
		     const coap_string_t *query, coap_pdu_t *response)
{
	struct shard *shard = coap_get_app_data(coap_session_get_context(session));

	(void)resource;
	(void)query;
	if (shard->port)
		device_handle(shard, session, pdu, response);
	else
		plain_handle(shard, session, pdu, response);
}
