/* The link to the server: one CoAP session over DTLS (PSK or certificates), made when there is
 * something to ask, and made again when it is lost.
 *
 * A link holds at most one request.  It is sent until it is answered: after a lost session,
 * after 5.xx (which waits for Max-Age), with growing pauses and jitter in between.  So whoever
 * asks is never told of a failure, and everything that is asked must bear being asked twice.
 * Only a request that is marked `once` is told of 5.xx, and is then not asked again.
 *
 * Not thread-safe: a link belongs to the thread of its libcoap context.  Callbacks run inside
 * coap_io_process() and may call link_ask(), never link_finish().
 *
 * Memory: one request body (LINK_BODY_MAX; a larger one comes block by block), what libcoap
 * keeps of one message in flight, and with certificates about 1.5 kB to resume a session from:
 * a handshake that costs the server, and the battery, a quarter. */
#pragma once

#include "agent/link_tls.h"
#include "suit/suit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coap3/coap.h>

#define LINK_PSK_MAX   64
#define LINK_PATH_MAX  80
#define LINK_BODY_MAX  1024 /* one message; a larger body goes by blocks (agent/upload.h) */
#define LINK_HOST_MAX  128
#define LINK_MAX_AGE_S 3600 /* nobody makes us wait longer than this */

enum link_kind { LINK_PLAIN, LINK_PSK, LINK_CERT };

struct link_config {
	enum link_kind kind;
	char host[LINK_HOST_MAX];
	uint16_t port;
	uint16_t relay_port; /* of a relay on this machine that leads to host; 0: none */
	const char *from;    /* a local address; NULL: any.  One has 64 k ports, and no more */
	const char *identity;
	const uint8_t *psk;
	size_t psk_n;
	const char *ca_file, *cert_file, *key_file; /* PEM, read for each session, unless: */
	const struct link_keys *keys;               /* NULL: from the files */
	struct suit_key *key;          /* in a token, in place of key_file; NULL: none */
	struct suit_bytes certificate; /* DER, for keys without one */
	unsigned ack_timeout_ms;
	int64_t request_timeout_ms; /* silence for so long means that the session is lost */
	int64_t hello_timeout_ms;   /* the same before anything was heard: a server that is
				     * overrun lets hellos wait */
	int64_t retry_min_ms, retry_max_ms;
};

enum link_method { LINK_GET, LINK_POST };

struct link_request {
	enum link_method method;
	char path[LINK_PATH_MAX]; /* segments with / between them */
	bool observe;
	bool once;   /* 5.xx and 4.29 are answers too: this is not worth coming back for */
	bool blocks; /* ask for one block */
	bool part;   /* the body is one block of a larger one: Block1 and Request-Tag */
	bool more;   /* and not the last */
	uint32_t num;
	uint8_t szx;
	uint32_t tag;
	uint16_t format; /* of the body */
	size_t body_n;   /* 0: no body */
	uint8_t body[LINK_BODY_MAX];
};

struct link_answer {
	unsigned code;          /* 205 is 2.05 */
	struct suit_bytes body; /* valid until the callback returns */
	bool has_block, more;
	uint32_t num;
	uint8_t szx;
	bool has_block1;
	uint32_t block1_num;
	uint8_t block1_szx;
	struct suit_bytes etag;
	bool told; /* not asked for: a notification */
};

struct link_events {
	void (*answer)(void *user, const struct link_answer *a);
	/* The session that observed is gone: ask again. */
	void (*unobserved)(void *user);
};

struct link_counters {
	uint64_t connects;     /* sessions begun */
	uint64_t put_off;      /* answers that said: come back later */
	uint64_t blocks;       /* requests for a block, first ones and repeated ones */
	uint64_t blocks_again; /* of those, repeated after a cut */
};

enum link_phase { LINK_DOWN, LINK_CONNECTING, LINK_UP };

struct link {
	const struct link_config *config;
	const struct link_events *events;
	void *user;
	coap_context_t *context;
	coap_session_t *session;
	enum link_phase phase;
	bool lost;             /* to be taken down at the next step */
	bool resting;          /* to be let go at the next step */
	bool cut;              /* lost by link_cut: no pause before the next session */
	unsigned failures;     /* since the last answer */
	int64_t not_before_ms; /* of the next attempt */
	int64_t deadline_ms;   /* of what is under way */
	bool asking;           /* request holds one */
	bool sent;
	bool sent_before;
	struct link_request request;
	uint8_t token[8], observe_token[8];
	size_t token_n, observe_token_n;
	bool observing;
	bool waits; /* with a hello that nobody has answered */
	uint64_t random;
	struct suit_bytes resume; /* of the last session with certificates, malloc'd */
	struct link_proof proof;  /* of this one */
	struct link_tls_traffic traffic;
	struct link_counters count;
};

/* Makes the context that links share; one per thread, or several.  NULL without memory. */
coap_context_t *link_context(void);
/* config, events and context stay the caller's and must outlive the link. */
void link_init(struct link *l, coap_context_t *context, const struct link_config *config,
	       uint64_t seed);
void link_listen(struct link *l, const struct link_events *events, void *user);
void link_finish(struct link *l);

/* Takes a copy; replaces what was asked before, if it is not answered yet. */
void link_ask(struct link *l, const struct link_request *r);
/* Forgets the request.  Its answer, should it still come, is dropped. */
void link_cancel(struct link *l);
/* Lets the session go, and what was asked; the next link_ask() makes another. */
void link_rest(struct link *l);
/* Loses the session at once, as if the network had gone, and goes on with another. */
void link_cut(struct link *l);
/* Does what is due and yields the time of the next thing; INT64_MAX: nothing. */
int64_t link_step(struct link *l, int64_t now_ms);

/* Monotonic milliseconds. */
int64_t link_now_ms(void);
/* A value below n from a state of one's own (SplitMix64); n is not 0. */
uint64_t link_random(uint64_t *state, uint64_t n);
