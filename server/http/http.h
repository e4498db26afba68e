/* The HTTPS transport: libmicrohttpd on threads of our own, one epoll loop each.  They never
 * wait for the database: a call is suspended until a worker has its answer.
 *
 * Order in the daemon: start it when the dispatcher is there; stop it while the workers still
 * run, so that calls under way are answered. */
#pragma once

#include "base/bytes.h"
#include "core/core.h"

#include <stdint.h>

struct dispatcher;
struct http_server;

struct http_options {
	const char *listen;    /* "127.0.0.1:8443", "[::]:8443"; port 0: any free one */
	int threads;           /* 1..64 */
	int max_connections;   /* in all */
	int max_per_address;   /* from one address */
	int idle_s;            /* a connection without a request is closed after so long */
	const char *cert_path; /* the server's certificate, PEM; its chain may follow */
	const char *key_path;  /* its key, PEM */
	const char *ca_path;   /* what client certificates are checked against, PEM; NULL: the
				  embedded CA (core->certs) */
	int64_t header_timeout_s; /* to the end of the headers, handshake included; 0: 10 */
	int64_t call_timeout_s;   /* an answer takes at most so long; 0: 30 */
};

/* Texts of options are needed during the call only.  Logs why when it fails: RC_INVALID for
 * options that cannot be meant, RC_UNAVAILABLE when the address is taken, RC_INTERNAL. */
enum rc http_start(struct core *core, struct dispatcher *dispatcher,
		   const struct http_options *options, struct http_server **ret) MUST_CHECK;
/* Takes no new requests, waits for the answers of those under way, joins the threads, frees s.
 * NULL is fine. */
void http_stop(struct http_server *s);

/* The port in use. */
uint16_t http_port(const struct http_server *s);
int http_threads(const struct http_server *s);
/* How often thread i went round its loop, at least once a second while it is well. */
uint64_t http_beats(const struct http_server *s, int i);
