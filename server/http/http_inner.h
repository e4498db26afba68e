/* Inside the HTTPS transport.  A server has loops; a loop is a thread with a libmicrohttpd
 * daemon of its own on the shared listening socket; a connection and its requests stay on their
 * loop. */
#pragma once

#include "api/dispatch.h"
#include "server/http/http.h"
#include "server/http/tls.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#define HTTP_PEER_MAX 64
#define HTTP_LANES    2
#define HTTP_SPARE    64 /* arenas that a loop keeps */

struct http_addresses;

struct http_server {
	struct core *core;
	struct dispatcher *dispatcher;
	struct http_addresses *addresses;
	char *cert, *key, *trust; /* PEM; libmicrohttpd borrows them */
	int listen_fd;
	uint16_t port;
	int64_t header_timeout_us, idle_us, call_timeout_us;
	int max_connections; /* for each loop */
	int max_per_address;
	_Atomic bool stopping;
	struct http_loop *loops;
	int loop_count;
};

/* Handshakes that can go on, in order of arrival. */
struct http_lane {
	struct http_conn *head, **end;
};

struct http_loop {
	struct http_server *server;
	struct MHD_Daemon *daemon;
	pthread_t thread;
	int number;
	int epoll_fd; /* waits for the daemon's epoll, for wake_fd and for peers in a handshake
		       */
	int wake_fd;
	_Atomic bool woken;   /* wake_fd was written since the loop read it */
	_Atomic int resuming; /* threads inside http_loop_wake() or just before */
	_Atomic uint64_t beats;
	/* the thread's own: */
	struct http_conn *conns;
	struct http_lane lanes[HTTP_LANES];
	int lane; /* whose turn it is */
	struct arena *spare[HTTP_SPARE];
	int spare_count;
	struct http_conn *shaking; /* the one that goes on in this turn */
	int exchanges;             /* requests that were begun and not ended */
	int suspended;             /* of those: with the dispatcher */
	int64_t next_reap, next_expire;
};

/* A connection's way through its handshake (http_shake.c). */
enum http_shake {
	SHAKE_NEW = 0, /* libmicrohttpd has just accepted it */
	SHAKE_WAITS, /* for the peer or for its turn; suspended, unless it is the loop's shaking
		      */
	SHAKE_DONE,
};

/* A connection. */
struct http_conn {
	struct http_loop *loop;
	struct http_conn *next, *prev;
	struct MHD_Connection *connection;
	enum http_shake shake;
	bool finished;                /* the peer has said all of its handshake */
	struct http_conn *next_ready; /* in its lane */
	bool crowded;                 /* its address has many connections */
	int fd;
	struct sockaddr_storage address;
	char peer[HTTP_PEER_MAX];
	int64_t deadline; /* monotonic; 0: none.  Past it the connection is cut */
	enum tls_peer tls;
	struct digest certificate;
};

/* The loop goes round: a connection was resumed, or it is time to stop.  Any thread. */
void http_loop_wake(struct http_loop *loop);

/* Arenas go from one request to the next: malloc gives a fresh one's pages back to the system
 * and takes them again.  take: fresh or reset; give takes a reset one over. */
struct arena *http_arena_take(struct http_loop *loop);
void http_arena_give(struct http_loop *loop, struct arena *mem);

/* --- http_conn.c --- */

struct http_addresses *http_addresses_create(int max_per_address);
void http_addresses_free(struct http_addresses *a);
/* libmicrohttpd's callbacks: is there room for this address; a connection came or went. */
enum MHD_Result http_conn_admit(void *cls, const struct sockaddr *address, socklen_t size);
void http_conn_notify(void *cls, struct MHD_Connection *connection, void **context,
		      enum MHD_ConnectionNotificationCode code);
/* Cuts connections whose deadline has passed. */
void http_conn_reap(struct http_loop *loop, int64_t now);

/* --- http_shake.c --- */

void http_shake_init(struct http_loop *loop);
/* The peer of conn has something to say. */
void http_shake_ready(struct http_conn *conn);
/* Does a handshake wait for its turn? */
bool http_shake_waits(const struct http_loop *loop);
/* Before and after libmicrohttpd's turn. */
void http_shake_next(struct http_loop *loop);
void http_shake_after(struct http_loop *loop);
/* The connection goes. */
void http_shake_forget(struct http_conn *conn);
/* Gives all back to libmicrohttpd, which is to be stopped. */
void http_shake_stop(struct http_loop *loop);

/* --- http_exchange.c: one request and its answer --- */

enum MHD_Result http_exchange_step(void *cls, struct MHD_Connection *connection,
				   const char *url, const char *method, const char *version,
				   const char *data, size_t *size, void **context);
void http_exchange_end(void *cls, struct MHD_Connection *connection, void **context,
		       enum MHD_RequestTerminationCode code);

/* --- http_request.c --- */

struct http_head {
	bool is_head;       /* the method HEAD */
	bool has_body;      /* Content-Length above 0, or chunked */
	int64_t length;     /* -1: chunked */
	bool expects;       /* waits for 100 Continue before it sends the body */
	const char *accept; /* the header, or NULL */
	const char *if_none_match;
	enum err err; /* why it cannot be served, with detail; ERR_NONE: it can */
	const char *detail;
};
struct http_line {
	const char *method, *url;
};
/* Fills req from line and headers, and ret. */
void http_request_read(struct MHD_Connection *connection, const struct http_line *line,
		       struct req *req, struct http_head *ret);

/* --- http_answer.c --- */

/* Queues the answer; res may be changed (304, 406). */
enum MHD_Result http_answer(struct MHD_Connection *connection, const struct req *req,
			    struct res *res, const struct http_head *head, bool close);
