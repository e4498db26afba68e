/* Inside of the CoAP transport: what its files share.
 *
 * A net is one network thread with all that is its own: libcoap contexts (shards), sessions,
 * exchanges, observations.  Nothing of it is touched by another thread but `notes`, `rescan`
 * and the counters.  A peer is our side of one DTLS session.
 *
 * libcoap may not lose a session while it is inside one of its own calls (it goes on using it
 * when our callback returns), so a peer that must go is only marked, and goes at the end of the
 * turn: doomed. */
#pragma once

#include "api/dispatch.h"
#include "base/queue.h"
#include "server/coap/coap_gate.h"
#include "server/coap/coap_recent.h"
#include "server/coap/coap_server.h"
#include "server/coap/coap_steer.h"
#include "server/coap/dtls.h"

#include <coap3/coap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define PEER_TEXT_MAX 64

struct net;
struct peer;

/* One libcoap context with its one socket. */
struct shard {
	struct net *net;
	coap_context_t *ctx;
	struct dtls_port *port; /* NULL: plain CoAP */
	int fd, epfd;
	bool rearm;        /* libcoap must walk at the end of this turn: something was sent or
			      dropped, its timer must be set anew */
	bool stale;        /* it must walk soon: datagrams came in */
	bool put_off;      /* what it does now may end without a walk */
	int64_t walked_at; /* monotonic us */
	int64_t walk_us;   /* how long that took */
};

/* What other threads tell a net. */
enum note_kind { NOTE_ANSWER, NOTE_WAKE, NOTE_EVICT, NOTE_END };
struct note {
	struct queue_node node; /* first */
	enum note_kind kind;
};
struct device_note {
	struct note note; /* first */
	struct roster_device *device;
};

/* One observation of a session, of what GET path answers. */
struct observation {
	uint8_t token[TOKEN_MAX];
	uint8_t token_size;
	uint16_t mid; /* of the message that began it */
	enum format accept;
	uint32_t seq;       /* 24 bits on the wire */
	uint32_t number;    /* tells it from one that it replaced */
	struct digest last; /* of the representation that was sent last */
	bool queued;        /* in net->due or net->later */
	bool running;       /* being asked for */
	bool again;         /* and it changed meanwhile */
	int64_t later_at;   /* in net->later: when it is due, monotonic us */
	bool is_later;
	char path[];
};

struct peer {
	int refs; /* the session's one, and one of each exchange */
	struct net *net;
	struct shard *shard;
	coap_session_t *session; /* NULL: it is gone */
	/* above and here what each request looks at */
	int64_t suspect_at;           /* a new handshake was seen; 0: no */
	struct recent *recent;        /* made when first needed */
	struct observation *observed; /* NULL: none */
	uint32_t wakes;               /* of its device, so far */
	uint64_t number;              /* a later session's is higher */
	enum rc admitted;             /* RC_OK; RC_NOT_FOUND: ask again; else never */
	int running;                  /* exchanges under way */
	bool doomed;
	struct dtls_identity id;
	struct block_body body;
	size_t body_room; /* of it, as counted in net->body_bytes */
	bool body_listed; /* in net->bodies */
	int64_t body_at;  /* last block, monotonic us */
	struct dtls_watch watch;
	int pings;
	char text[PEER_TEXT_MAX]; /* address and port */
	LIST_ENTRY(peer) all;
	LIST_ENTRY(peer) of_device;
	TAILQ_ENTRY(peer) doom;
	TAILQ_ENTRY(peer) suspect;
	TAILQ_ENTRY(peer) due; /* net->due or net->later */
	LIST_ENTRY(peer) with_body;
};
LIST_HEAD(peer_list, peer);
TAILQ_HEAD(peer_queue, peer);

/* One request (of the peer, or ours for a notification) on its way to the dispatcher. */
struct exchange {
	struct note note; /* first: NOTE_ANSWER */
	struct net *net;
	struct peer *peer; /* NULL on plain CoAP */
	struct req *req;   /* in whose memory this stands */
	struct res *res;   /* set when it is done */
	struct inquiry q;
	uint32_t observed; /* a notification: number of the observation; 0: a request */
	uint32_t wakes;    /* of the peer, when this began */
	bool waiting;      /* its acknowledgement may still carry the answer */
	int64_t ack_at;    /* until when, monotonic us */
	TAILQ_ENTRY(exchange) acks;
};
TAILQ_HEAD(exchange_queue, exchange);

/* See coap_doorman.c. */
struct doorman {
	int fd;
	int64_t rotated_at; /* monotonic us */
	struct steer steer;
	struct gate *gate;
	struct letters *letters; /* a batch of datagrams, in or out */
	bool ready;              /* something came */
};

struct net_stats {
	_Atomic uint64_t sessions, observers, handshakes, resumed, refused, requests,
		duplicates, pushes;
	_Atomic uint64_t begun;         /* handshakes that are not finished */
	_Atomic uint64_t begun_total;   /* that were ever begun */
	_Atomic uint64_t handshakes_us; /* what those that are finished took, together */
	_Atomic uint64_t running;       /* exchanges under way */
};

struct net {
	struct coap_server *server;
	int index;
	pthread_t thread;
	int epfd;
	struct queue *notes;
	_Atomic size_t device_notes; /* wakes and evictions in it */
	_Atomic bool rescan;         /* there were too many: look at every session */
	_Atomic uint64_t beats;
	struct net_stats stats;
	struct shard *shards;
	int shard_count;
	int64_t now, wall;         /* of this turn */
	int64_t swept_at, walk_at; /* walk_at: the next shard that is stale; INT64_MAX: none */
	struct arena *spare; /* of a request that was answered, for the next one; or NULL */
	struct peer_list peers;
	struct peer_list *devices; /* by roster entry; device_slots lists */
	size_t device_slots, device_count;
	struct peer_queue doomed, suspects, due, later;
	struct dtls_handshakes handshakes;
	struct peer_list bodies;
	size_t body_bytes;
	struct exchange_queue acks;
	struct doorman *doorman; /* of the first net alone; NULL: none */
	_Atomic int64_t took_us; /* its last turn */
	double push_tokens;
	int64_t push_at;       /* when tokens were counted last */
	uint32_t observations; /* numbers given */
};

struct coap_server {
	struct core *core;
	struct dispatcher *dispatcher;
	struct dtls *dtls;
	int threads;
	int wakes_per_s; /* of each thread */
	uint16_t port, plain_port;
	_Atomic uint64_t numbers; /* of sessions */
	_Atomic bool draining;    /* no new requests */
	_Atomic bool ending;      /* threads return */
	struct net *nets;
	pthread_t keeper; /* rotates the ticket keys */
	pthread_mutex_t mutex;
	pthread_cond_t wake_keeper;
};

static inline void count(_Atomic uint64_t *n, uint64_t by)
{
	atomic_fetch_add_explicit(n, by, memory_order_relaxed);
}

/* --- coap_endpoint.c: sockets ------------------------------------------------------------ */

/* "host:port" or "[host]:port", numeric. */
enum rc endpoint_parse(const char *text, coap_address_t *ret) MUST_CHECK;
/* Fails when somebody else has the address. */
enum rc endpoint_probe(const coap_address_t *a) MUST_CHECK;
/* Opens an endpoint on an address that other contexts share.  Port 0 is replaced in *a by the
 * port that it got. */
enum rc endpoint_open(coap_context_t *ctx, coap_proto_t proto, coap_address_t *a,
		      int *ret_fd) MUST_CHECK;
uint16_t endpoint_port(const coap_address_t *a);

/* --- coap_clock.c: libcoap's time ----------------------------------------------------------
 */

/* Whether libcoap found our clock; after coap_startup(). */
bool ticks_are_ours(void);

/* --- coap_walk.c: libcoap's own housekeeping -----------------------------------------------
 */

/* Once, before the first context. */
enum rc walk_init(void) MUST_CHECK;
/* Lets libcoap look at every session of the shard and set its timer. */
void walk_now(struct shard *s);
/* When it should, if it is stale; monotonic us. */
int64_t walk_due(const struct shard *s);

/* --- coap_loop.c: the thread -------------------------------------------------------------- */

/* Body of a network thread; arg is its net. */
void *net_run(void *arg);
/* From any thread: tells the net of a device, or (NOTE_END, NULL) to look whether it is to end.
 */
void net_tell(struct net *net, enum note_kind kind, struct roster_device *device);

/* --- coap_doorman.c: hellos that show no cookie --------------------------------------------
 */

/* Opens the first socket of the shared port, before the shards open theirs.  Port 0 is replaced
 * in *a.  NULL where the kernel does not take the program. */
struct doorman *doorman_open(coap_address_t *a, int shards, int sessions_max);
void doorman_close(struct doorman *d);
/* Once in each turn: reads hellos, and answers those that may come in. */
void doorman_turn(struct net *net);
/* When it wants the next turn, monotonic us; INT64_MAX: when a hello comes. */
int64_t doorman_next(const struct net *net);

/* --- coap_session.c: peers ---------------------------------------------------------------- */

void peers_init(struct net *net);
/* Forgets all that are left; before the contexts are freed. */
void peers_finish(struct net *net);
int peer_event(coap_session_t *session, coap_event_t event);
void peer_nack(coap_session_t *session, const coap_pdu_t *sent, coap_nack_reason_t reason,
	       coap_mid_t mid);
/* Nobody's, and not admitted, until its identity is set. */
struct peer *peer_create(struct shard *shard, coap_session_t *session);
/* The peer of a session, for one that came by no event; doomed from the start. */
struct peer *peer_stray(struct shard *shard, coap_session_t *session);
struct peer *peer_ref(struct peer *p);
void peer_unref(struct peer *p);
/* Its session goes at the end of this turn. */
void peer_doom(struct peer *p);
/* It sent something that only it can send. */
void peer_heard(struct peer *p);
/* Whether it may come in now; asks again for one that was not known. */
enum rc peer_admit(struct peer *p);
struct peer *peer_first_of(struct net *net, const struct roster_device *device);
struct peer *peer_next_of(struct peer *p);
/* A device's credential changed: those of its sessions that it no longer opens must go. */
void peer_recheck(struct peer *p);
/* After each change of its body: keeps the net's account. */
void peer_body_count(struct peer *p);
void peer_body_drop(struct peer *p);
/* At the end of a turn. */
void peers_turn(struct net *net);

/* --- coap_exchange.c: requests and answers ------------------------------------------------ */

/* libcoap's handler for every path and method. */
void exchange_handle(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *pdu,
		     const coap_string_t *query, coap_pdu_t *response);
/* The same for a session that has, or will have, a peer. */
void device_handle(struct shard *shard, coap_session_t *session, const coap_pdu_t *pdu,
		   coap_pdu_t *response);
/* An exchange was answered by another thread. */
void exchange_answered(struct exchange *x);
/* Acknowledges what waits too long for its answer. */
void exchanges_turn(struct net *net);
/* When the next acknowledgement is due, monotonic us; INT64_MAX: none. */
int64_t exchanges_next(const struct net *net);
/* A request of this net, and its end.  Most are answered before the next one comes: those
 * share one arena. */
struct req *request_create(struct net *net);
void request_free(struct net *net, struct req *req);
/* Makes an exchange in the memory of req, for peer; takes req over. */
struct exchange *exchange_create(struct net *net, struct peer *peer, struct req *req);
/* True: answered at once, in x->res.  False: exchange_answered() will come. */
bool exchange_dispatch(struct exchange *x) MUST_CHECK;
void exchange_free(struct exchange *x);
/* Sends a message of our own to the peer with the exchange's token. */
void exchange_send(struct exchange *x, coap_pdu_type_t type, const struct reply *reply);

/* --- coap_plain.c: without DTLS ------------------------------------------------------------
 */

/* Bounds what the library answers by itself; on the socket, before traffic. */
enum rc plain_filter(int fd) MUST_CHECK;
void plain_handle(struct shard *shard, coap_session_t *session, const coap_pdu_t *pdu,
		  coap_pdu_t *response);

/* --- coap_observe.c ------------------------------------------------------------------------
 */

/* Registers what x asked for; returns the sequence number for its answer. */
uint32_t observe_start(struct peer *p, const struct exchange *x, const struct reply *reply);
void observe_stop(struct peer *p);
/* The peer asks for it no more: ends the observation that has its token (RFC 7641 4.1). */
void observe_cancel(struct peer *p, const struct inquiry *q);
/* What is observed may have changed. */
void observe_changed(struct peer *p);
/* The answer to a notification's exchange. */
void observe_answered(struct exchange *x);
/* Asks for what is due, as fast as it is allowed to. */
void observes_turn(struct net *net);
int64_t observes_next(const struct net *net);
