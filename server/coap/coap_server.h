/* The CoAP transport: CoAP over DTLS (PSK and certificates on one port) and, when configured,
 * plain CoAP for what needs no identity.  Network threads own everything that is libcoap's;
 * nothing of it crosses threads.  They never wait for the database.
 *
 * Order in the daemon: start it when roster and dispatcher are there and before traffic is
 * announced; stop it while the workers still run, so that calls under way are answered. */
#pragma once

#include "base/bytes.h"
#include "core/core.h"

#include <stdint.h>

struct coap_server;
struct dispatcher;

struct coap_server_options {
	const char *listen;       /* "127.0.0.1:5684", "[::]:5684"; port 0: any free one */
	const char *plain_listen; /* the same for CoAP without DTLS; NULL or "": off */
	int threads;              /* network threads; 1..16 */
	int shards;               /* libcoap contexts of each thread; 1..256 */
	const char *cert_path;    /* the server's certificate, PEM; its chain may follow */
	const char *key_path;     /* its key, PEM */
	const char *ca_path;      /* what device certificates are checked against, PEM; NULL:
				     the embedded CA (core->certs) */
	const char *state_dir;    /* ticket keys are kept here; NULL: in memory only */
	struct bytes seal_key;    /* they are sealed with it, see certs/seal.h; copied */
	int session_idle_s;       /* a session that is silent for so long is dropped */
	int max_sessions;         /* in all; the longest idle one gives way to a new one */
	int max_handshakes;       /* unfinished ones, in all */
	int wakes_per_s;          /* pushes to observers, in all; 0: 2000 */
};

/* Texts of options are needed during the call only.  Logs why when it fails: RC_INVALID for
 * options that cannot be meant, RC_UNAVAILABLE when an address is taken, RC_INTERNAL. */
enum rc coap_server_start(struct core *core, struct dispatcher *dispatcher,
			  const struct coap_server_options *options,
			  struct coap_server **ret) MUST_CHECK;
/* From now on requests are refused: the server is stopping.  Does not wait. */
void coap_server_drain(struct coap_server *s);
/* Drains, waits up to fifteen seconds for the answers of requests under way, says goodbye to
 * every session, joins the threads, frees s.  NULL is fine. */
void coap_server_stop(struct coap_server *s);

/* The port in use; of plain CoAP 0 when it is off. */
uint16_t coap_server_port(const struct coap_server *s);
uint16_t coap_server_plain_port(const struct coap_server *s);
int coap_server_threads(const struct coap_server *s);
/* How often thread i went round its loop, at least once a second while it is well. */
uint64_t coap_server_beats(const struct coap_server *s, int i);

struct coap_server_stats {
	uint64_t sessions;    /* now */
	uint64_t observers;   /* now */
	uint64_t begun;       /* handshakes that are not finished, now */
	uint64_t begun_total; /* that were ever begun */
	uint64_t handshakes;  /* completed; of those: */
	uint64_t resumed;
	uint64_t refused; /* completed, but the device may not come in */
	uint64_t requests;
	uint64_t duplicates; /* answered again or dropped, not run */
	uint64_t pushes;
};
/* Sums over all threads, for the metrics; any thread. */
void coap_server_stats(const struct coap_server *s, struct coap_server_stats *ret);
