/* The parts of a running daemon, in the order in which they start.  Only the main thread
 * touches this struct; other threads have their part alone. */
#pragma once

#include "api/dispatch.h"
#include "certs/certs.h"
#include "certs/seal.h"
#include "core/core.h"
#include "core/images.h"
#include "core/notifier.h"
#include "core/roster.h"
#include "core/tally_rules.h"
#include "core/ticker.h"
#include "server/coap/coap_server.h"
#include "server/http/http.h"
#include "server/settings.h"
#include "server/setup.h"
#include "server/watchdog.h"

#include <pthread.h>

#define DAEMON_WORKERS_MAX TALLY_WORKERS_MAX

struct daemon_worker {
	pthread_t thread;
	struct dispatcher *dispatcher;
	int32_t shard; /* of the tallies */
};

enum daemon_phase {
	DAEMON_WAITING, /* for the database */
	DAEMON_LOADING, /* the roster */
	DAEMON_SERVING,
};

struct daemon {
	struct arena *mem;
	const char *config_path;
	struct settings settings;
	char node_name[65];
	const char *cert_path, *key_path; /* of the own CA's server certificate */
	struct cert_request own_request;
	int64_t looked_at, looked_wall; /* at the certificates; monotonic, and wall */
	int64_t warned_at;              /* monotonic */
	uint8_t seal_key[SEAL_KEY_SIZE];
	struct core core;

	struct db_pool *pool;
	struct dispatcher *dispatcher;
	struct daemon_worker workers[DAEMON_WORKERS_MAX];
	int worker_count;
	struct http_server *http;
	struct setup *setup;
	struct ticker *ticker;
	pthread_t ticker_thread;
	struct notifier *notifier;
	pthread_t notifier_thread;
	struct coap_server *coap;

	struct watchdog watchdog;
	enum daemon_phase phase;
	int64_t started; /* monotonic */
	bool told_ready;
};

/* daemon_start.c: what needs no database.  Logs why it fails; daemon_stop() cleans up. */
enum rc daemon_open_state(struct daemon *d) MUST_CHECK; /* keys, certificates, images */
enum rc daemon_start_core(struct daemon *d) MUST_CHECK; /* roster, dispatcher, workers */
enum rc daemon_start_http(struct daemon *d) MUST_CHECK;
/* daemon_certs.c: the CA, and the server's certificate, which is made when it must be. */
enum rc daemon_open_certs(struct daemon *d) MUST_CHECK;
/* Looks every hour, and when the clock was set.  True when the files hold another certificate
 * than the one that is served: this daemon must end, and start anew. */
bool daemon_has_new_certificate(struct daemon *d);
/* daemon_run.c: one step of the main loop: what the database's arrival allows next. */
enum rc daemon_step(struct daemon *d) MUST_CHECK;
void daemon_reload(struct daemon *d); /* SIGHUP */
/* Everything in reverse; parts that never started are left out. */
void daemon_stop(struct daemon *d);
