/* One session, one request.  A lost session is never mended: it is taken down (in link_step,
 * not inside libcoap's callbacks) and another is made, with a new port and a new handshake.
 *
 * libcoap retransmits a message by itself; our own deadline only says when to stop believing in
 * the session, because a server that was restarted does not know it any more and stays silent.
 */
#include "agent/link.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FAILURES_MAX       16  /* of the exponent */
#define FLIGHTS_MAX        12  /* of one hello or flight, seven minutes: OpenSSL's own limit */
#define OPTION_REQUEST_TAG 292 /* RFC 9175; not in every libcoap's headers */

int64_t link_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

uint64_t link_random(uint64_t *state, uint64_t n)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % n;
}

/* --- what libcoap tells
 * ------------------------------------------------------------------------ */

static struct suit_bytes option_bytes(const coap_pdu_t *pdu, coap_option_num_t number)
{
	coap_opt_iterator_t it;
	coap_opt_t *o = coap_check_option(pdu, number, &it);
	return o ? (struct suit_bytes){ coap_opt_value(o), coap_opt_length(o) }
		 : (struct suit_bytes){ NULL, 0 };
}

static bool option_number(const coap_pdu_t *pdu, coap_option_num_t number, uint32_t *ret)
{
	coap_opt_iterator_t it;
	coap_opt_t *o = coap_check_option(pdu, number, &it);
	if (o)
		*ret = coap_decode_var_bytes(coap_opt_value(o), coap_opt_length(o));
	return o != NULL;
}

/* Anywhere up to the whole pause: a fleet that lost its server at one moment would come back in
 * step for minutes, all at once and then nobody. */
static int64_t backoff_ms(struct link *l)
{
	int64_t pause = l->config->retry_min_ms;
	for (unsigned i = 1; i < l->failures && pause < l->config->retry_max_ms; i++)
		pause *= 2;
	if (pause > l->config->retry_max_ms)
		pause = l->config->retry_max_ms;
	int64_t least = l->config->retry_min_ms / 2;
	return least + (int64_t)link_random(&l->random, (uint64_t)(pause - least) + 1);
}

/* 5.xx and 4.29: the same request again, when the server wants it. */
static void put_off(struct link *l, const coap_pdu_t *pdu)
{
	uint32_t age;
	l->count.put_off++;
	if (l->failures < FAILURES_MAX)
		l->failures++;
	int64_t pause = backoff_ms(l);
	if (option_number(pdu, COAP_OPTION_MAXAGE, &age)) {
		age = age < LINK_MAX_AGE_S ? age : LINK_MAX_AGE_S;
		/* not everybody at the same second */
		pause = age * 1000 +
			(int64_t)link_random(&l->random, age * UINT64_C(250) + 100);
	}
	l->sent = false;
	l->not_before_ms = link_now_ms() + pause;
}

static bool token_is(const coap_pdu_t *pdu, const uint8_t *token, size_t n)
{
	coap_bin_const_t t = coap_pdu_get_token(pdu);
	return n > 0 && t.length == n && memcmp(t.s, token, n) == 0;
}

static void fill_answer(const coap_pdu_t *pdu, struct link_answer *a)
{
	const uint8_t *body = NULL;
	size_t n = 0;
	uint32_t block;
	unsigned code = coap_pdu_get_code(pdu);
	a->code = (code >> 5) * 100 + (code & 31);
	if (coap_get_data(pdu, &n, &body))
		a->body = (struct suit_bytes){ body, n };
	a->etag = option_bytes(pdu, COAP_OPTION_ETAG);
	if (option_number(pdu, COAP_OPTION_BLOCK1, &block)) {
		a->has_block1 = true;
		a->block1_num = block >> 4;
		a->block1_szx = block & 7;
	}
	if (!option_number(pdu, COAP_OPTION_BLOCK2, &block))
		return;
	a->has_block = true;
	a->num = block >> 4;
	a->more = block >> 3 & 1;
	a->szx = block & 7;
}

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent,
				   const coap_pdu_t *received, const coap_mid_t mid)
{
	struct link *l = coap_session_get_app_data(session);
	struct link_answer a = { 0 };
	uint32_t sequence;
	(void)sent;
	(void)mid;
	if (!l || l->lost) /* what a lost session still brings is not ours any more */
		return COAP_RESPONSE_FAIL;
	bool asked = l->asking && l->sent && token_is(received, l->token, l->token_n);
	bool observed =
		l->observing && token_is(received, l->observe_token, l->observe_token_n);
	if (!asked && !observed)
		return COAP_RESPONSE_FAIL; /* a reset: the server need not try again */
	fill_answer(received, &a);
	if (asked && !l->request.once && (a.code >= 500 || a.code == 429)) {
		put_off(l, received);
		return COAP_RESPONSE_OK;
	}
	bool has_observe = option_number(received, COAP_OPTION_OBSERVE, &sequence);
	l->failures = 0;
	if (asked) {
		l->asking = false;
		if (l->request.observe)
			l->observing = has_observe;
	} else {
		a.told = true;
		l->observing = has_observe;
	}
	l->events->answer(l->user, &a);
	return COAP_RESPONSE_OK;
}

static void on_nack(coap_session_t *session, const coap_pdu_t *sent,
		    const coap_nack_reason_t reason, const coap_mid_t mid)
{
	struct link *l = coap_session_get_app_data(session);
	(void)sent;
	(void)reason;
	(void)mid;
	if (l)
		l->lost = true;
}

static void forget_session(struct link *l)
{
	free((void *)(uintptr_t)l->resume.p);
	l->resume = (struct suit_bytes){ NULL, 0 };
}

/* What the next session may resume from. */
static void keep_session(struct link *l, coap_session_t *session)
{
	if (l->config->kind != LINK_CERT)
		return; /* with a shared key nothing would be gained */
	forget_session(l);
	l->resume = link_tls_session(session);
}

static int on_event(coap_session_t *session, const coap_event_t event)
{
	struct link *l = coap_session_get_app_data(session);
	if (!l)
		return 0;
	if (event == COAP_EVENT_DTLS_CONNECTED) {
		l->phase = LINK_UP;
		coap_session_set_max_retransmit(session, COAP_DEFAULT_MAX_RETRANSMIT);
		keep_session(l, session);
	}
	if (event == COAP_EVENT_DTLS_ERROR && l->phase == LINK_CONNECTING)
		forget_session(l); /* it may be what the server does not like */
	if (event == COAP_EVENT_DTLS_CLOSED || event == COAP_EVENT_DTLS_ERROR)
		l->lost = true;
	return 0;
}

/* --- sessions
 * ---------------------------------------------------------------------------------- */

coap_context_t *link_context(void)
{
	coap_context_t *context = coap_new_context(NULL);
	if (!context)
		return NULL;
	coap_register_response_handler(context, on_response);
	coap_register_nack_handler(context, on_nack);
	coap_register_event_handler(context, on_event);
	return context;
}

static bool look_up(const char *host, uint16_t number, coap_address_t *ret)
{
	struct addrinfo *list = NULL;
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV };
	char port[8];
	snprintf(port, sizeof(port), "%u", (unsigned)number);
	if (getaddrinfo(host, port, &hints, &list) != 0)
		return false;
	coap_address_init(ret);
	bool fits = list->ai_addrlen <= sizeof(ret->addr);
	if (fits) {
		memcpy(&ret->addr, list->ai_addr, list->ai_addrlen);
		ret->size = list->ai_addrlen;
	}
	freeaddrinfo(list);
	return fits;
}

/* Where a session goes, and where from. */
struct way {
	coap_address_t to, from;
	const coap_address_t *bind; /* NULL: anywhere */
};

static bool find_way(const struct link_config *c, struct way *ret)
{
	const char *host = c->relay_port ? "127.0.0.1" : c->host;
	if (!look_up(host, c->relay_port ? c->relay_port : c->port, &ret->to))
		return false;
	if (!c->from)
		return true;
	ret->bind = &ret->from;
	return look_up(c->from, 0, &ret->from);
}

static coap_session_t *dial_psk(struct link *l, const struct way *w)
{
	const struct link_config *c = l->config;
	coap_dtls_cpsk_t setup = { .version = COAP_DTLS_CPSK_SETUP_VERSION };
	setup.psk_info.identity =
		(coap_bin_const_t){ strlen(c->identity), (const uint8_t *)c->identity };
	setup.psk_info.key = (coap_bin_const_t){ c->psk_n, c->psk };
	return coap_new_client_session_psk2(l->context, w->bind, &w->to, COAP_PROTO_DTLS,
					    &setup);
}

static bool show_certificate(struct link *l, coap_session_t *s)
{
	const struct link_config *c = l->config;
	struct link_keys *own = c->keys ? NULL
				: c->key
					? link_keys_with(c->ca_file, c->cert_file, c->key)
					: link_keys_open(c->ca_file, c->cert_file, c->key_file);
	l->proof = (struct link_proof){ .keys = c->keys ? c->keys : own, .resume = l->resume };
	if (c->keys)
		l->proof.certificate = c->certificate;
	bool ok = l->proof.keys && link_tls_setup(s, c->host, &l->proof);
	link_keys_free(own);
	return ok;
}

static coap_session_t *dial_cert(struct link *l, const struct way *w)
{
	char *host = (char *)(uintptr_t)l->config->host;
	coap_dtls_pki_t setup = { .version = COAP_DTLS_PKI_SETUP_VERSION,
				  .verify_peer_cert = 1,
				  .cert_chain_validation = 1,
				  .cert_chain_verify_depth = 3,
				  .client_sni = link_tls_is_address(host) ? NULL : host };
	setup.pki_key.key_type = COAP_PKI_KEY_PEM; /* of no file: we give it parsed */
	coap_session_t *s = coap_new_client_session_pki(l->context, w->bind, &w->to,
							COAP_PROTO_DTLS, &setup);
	if (s && !show_certificate(l, s)) {
		coap_session_release(s);
		return NULL;
	}
	return s;
}

static coap_session_t *dial(struct link *l, const struct way *w)
{
	switch (l->config->kind) {
	case LINK_PLAIN:
		return coap_new_client_session(l->context, w->bind, &w->to, COAP_PROTO_UDP);
	case LINK_PSK:
		return dial_psk(l, w);
	case LINK_CERT:
		return dial_cert(l, w);
	}
	return NULL;
}

/* libcoap gives up after five flights, 31 s; RFC 6347 section 4.2.4.1 lets their pauses grow to
 * a minute. */
static void say_hello(struct link *l, int64_t now)
{
	int64_t most = l->config->hello_timeout_ms, least = most * 2 / 3;
	l->phase = LINK_CONNECTING;
	l->waits = true;
	l->traffic.received = 0;
	link_tls_count(l->session, &l->traffic);
	coap_session_set_max_retransmit(l->session, FLIGHTS_MAX);
	/* nor do all give up at the same moment */
	l->deadline_ms =
		now + least + (int64_t)link_random(&l->random, (uint64_t)(most - least) + 1);
}

static void connect_now(struct link *l, int64_t now)
{
	struct way w = { .bind = NULL };
	unsigned ms = l->config->ack_timeout_ms;
	l->count.connects++;
	l->session = find_way(l->config, &w) ? dial(l, &w) : NULL;
	if (!l->session) {
		l->lost = true;
		return;
	}
	coap_session_set_app_data(l->session, l);
	coap_session_set_ack_timeout(l->session, (coap_fixed_point_t){ (uint16_t)(ms / 1000),
								       (uint16_t)(ms % 1000) });
	l->phase = LINK_UP;
	if (l->config->kind != LINK_PLAIN)
		say_hello(l, now);
}

static void take_down(struct link *l)
{
	coap_session_t *s = l->session;
	l->session = NULL;
	l->phase = LINK_DOWN;
	l->lost = false;
	l->sent = false;
	l->token_n = 0;
	if (!s)
		return;
	coap_session_set_app_data(s, NULL);
	/* frees the messages that hold the session, so that the release is the last one */
	coap_session_disconnected(s, COAP_NACK_NOT_DELIVERABLE);
	coap_session_release(s);
}

static void lose(struct link *l, int64_t now)
{
	bool told = l->observing;
	take_down(l);
	l->observing = false;
	if (!l->cut) {
		if (l->failures < FAILURES_MAX)
			l->failures++;
		l->not_before_ms = now + backoff_ms(l);
	}
	l->cut = false;
	if (told && !l->asking)
		l->events->unobserved(l->user);
}

/* --- requests
 * ---------------------------------------------------------------------------------- */

static bool add_number(coap_pdu_t *pdu, coap_option_num_t number, unsigned value)
{
	uint8_t buf[4];
	return coap_add_option(pdu, number, coap_encode_var_safe(buf, sizeof(buf), value),
			       buf) > 0;
}

static bool add_path(coap_pdu_t *pdu, const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");
		if (!coap_add_option(pdu, COAP_OPTION_URI_PATH, n, (const uint8_t *)path))
			return false;
		if (!path[n])
			return true;
		path += n + 1;
	}
}

static bool add_blocks(coap_pdu_t *pdu, const struct link_request *r)
{
	unsigned part = r->num << 4 | (unsigned)r->more << 3 | r->szx;
	return (!r->blocks || add_number(pdu, COAP_OPTION_BLOCK2, r->num << 4 | r->szx)) &&
	       (!r->part || (add_number(pdu, COAP_OPTION_BLOCK1, part) &&
			     add_number(pdu, OPTION_REQUEST_TAG, r->tag)));
}

static bool fill_pdu(const struct link *l, coap_pdu_t *pdu)
{
	const struct link_request *r = &l->request;
	return coap_add_token(pdu, l->token_n, l->token) &&
	       (!r->observe || add_number(pdu, COAP_OPTION_OBSERVE, 0)) &&
	       add_path(pdu, r->path) &&
	       (!r->body_n || add_number(pdu, COAP_OPTION_CONTENT_FORMAT, r->format)) &&
	       add_blocks(pdu, r) && (!r->body_n || coap_add_data(pdu, r->body_n, r->body));
}

/* An observation goes on under its own token (RFC 7641 section 3.3.1). */
static void choose_token(struct link *l)
{
	if (l->request.observe && l->observing) {
		memcpy(l->token, l->observe_token, l->observe_token_n);
		l->token_n = l->observe_token_n;
		return;
	}
	coap_session_new_token(l->session, &l->token_n, l->token);
	if (l->request.observe) {
		memcpy(l->observe_token, l->token, l->token_n);
		l->observe_token_n = l->token_n;
	}
}

static void send_now(struct link *l, int64_t now)
{
	const struct link_request *r = &l->request;
	coap_pdu_t *pdu = coap_new_pdu(COAP_MESSAGE_CON,
				       r->method == LINK_GET ? COAP_REQUEST_CODE_GET
							     : COAP_REQUEST_CODE_POST,
				       l->session);
	if (!pdu) {
		l->lost = true;
		return;
	}
	choose_token(l);
	if (!fill_pdu(l, pdu)) {
		coap_delete_pdu(pdu);
		l->lost = true;
		return;
	}
	l->sent = true;
	l->deadline_ms = now + l->config->request_timeout_ms;
	if (r->blocks) {
		l->count.blocks++;
		l->count.blocks_again += l->sent_before;
	}
	l->sent_before = true;
	if (coap_send(l->session, pdu) == COAP_INVALID_MID)
		l->lost = true;
}

void link_init(struct link *l, coap_context_t *context, const struct link_config *config,
	       uint64_t seed)
{
	*l = (struct link){ .context = context, .config = config, .random = seed };
}

void link_listen(struct link *l, const struct link_events *events, void *user)
{
	l->events = events;
	l->user = user;
}

void link_finish(struct link *l)
{
	take_down(l);
	forget_session(l);
}

void link_ask(struct link *l, const struct link_request *r)
{
	l->request = *r;
	l->asking = true;
	l->sent = false;
	l->sent_before = false;
}

void link_cancel(struct link *l)
{
	l->asking = false;
	l->sent = false;
}

void link_rest(struct link *l)
{
	link_cancel(l);
	l->resting = true;
}

void link_cut(struct link *l)
{
	if (!l->session)
		return;
	l->lost = true;
	l->cut = true;
}

static void go_to_rest(struct link *l)
{
	take_down(l);
	l->resting = false;
	l->observing = false;
	l->failures = 0;
	l->not_before_ms = 0;
}

static void check_session(struct link *l, int64_t now)
{
	if (l->phase == LINK_CONNECTING && l->waits && l->traffic.received > 0) {
		l->waits = false;
		l->deadline_ms = now + l->config->request_timeout_ms;
	}
	bool waiting =
		l->phase == LINK_CONNECTING || (l->phase == LINK_UP && l->asking && l->sent);
	if (waiting && now >= l->deadline_ms)
		l->lost = true;
	if (l->phase == LINK_UP &&
	    coap_session_get_state(l->session) != COAP_SESSION_STATE_ESTABLISHED)
		l->lost = true;
}

int64_t link_step(struct link *l, int64_t now_ms)
{
	if (l->resting)
		go_to_rest(l);
	check_session(l, now_ms);
	if (l->lost)
		lose(l, now_ms);
	if (l->asking && !l->sent && now_ms >= l->not_before_ms) {
		if (l->phase == LINK_DOWN)
			connect_now(l, now_ms);
		if (l->phase == LINK_UP)
			send_now(l, now_ms);
	}
	if (l->lost)
		return now_ms;
	if (l->phase == LINK_CONNECTING || (l->asking && l->sent))
		return l->deadline_ms;
	return l->asking ? l->not_before_ms : INT64_MAX;
}
