/* Start and stop of the CoAP transport.  The one thing to know: while it stops, answers of
 * calls that are under way still come in and go out; only then do the threads end. */

#include "server/coap/coap_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/roster.h"
#include "server/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX      16
#define SHARDS_MAX       256
#define WAKES_DEFAULT    2000
#define DRAIN_US         (15 * USEC_PER_SEC) /* more than the daemon gives its calls */
#define DRAIN_STEP_NS    20000000
#define ROTATE_EVERY_S   60
#define HANDSHAKES_FLOOR 256 /* unfinished ones of a context */
#define SESSIONS_FLOOR   64

static const char well_known[] = ".well-known/core";

/* --- libcoap's own log -------------------------------------------------------------------- */

/* It calls a reset "alert", a socket that is empty "warning" and the certificate that it was
 * not given (dtls_setup.c) "error"; nothing of that is for an operator. */
static void library_log(coap_log_t level, const char *message)
{
	size_t n = strcspn(message, "\n");
	char line[200];

	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	memcpy(line, message, n);
	line[n] = '\0';
	if (level <= LOG_CRIT && !strstr(line, "got RST"))
		log_warn("libcoap", "says", line);
	else
		log_debug("libcoap", "says", line);
}

static enum rc library_start(void)
{
	bool chatty = log_threshold() >= LOG_LEVEL_DEBUG;

	coap_startup();
	coap_set_log_handler(library_log);
	coap_set_log_level(chatty ? LOG_INFO : LOG_CRIT);
	coap_dtls_set_log_level(chatty ? LOG_INFO : LOG_CRIT);
	if (!ticks_are_ours())
		log_warn("libcoap keeps its own time: a clock that is set ends sessions");
	return walk_init();
}

/* --- contexts ----------------------------------------------------------------------------- */

static void handle_all_methods(coap_resource_t *r)
{
	static const coap_request_t methods[] = {
		COAP_REQUEST_GET,    COAP_REQUEST_POST,  COAP_REQUEST_PUT,
		COAP_REQUEST_DELETE, COAP_REQUEST_FETCH, COAP_REQUEST_PATCH,
		COAP_REQUEST_IPATCH,
	};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		coap_register_request_handler(r, methods[i], exchange_handle);
}

/* Every path is ours: the route table knows which there are.  libcoap answers the well-known
 * one by itself unless it is named. */
static bool add_resources(coap_context_t *ctx)
{
	coap_resource_t *any = coap_resource_unknown_init(exchange_handle);
	coap_resource_t *core = coap_resource_init(coap_make_str_const(well_known), 0);

	if (!any || !core)
		return false;
	handle_all_methods(any);
	handle_all_methods(core);
	coap_add_resource(ctx, any);
	coap_add_resource(ctx, core);
	return true;
}

static unsigned share(int total, int parts, unsigned floor)
{
	/* Peers are spread by a hash, so a context may get more than its part. */
	unsigned n = (unsigned)(total / parts + total / parts / 4);

	return n < floor ? floor : n;
}

static void set_limits(coap_context_t *ctx, const struct coap_server_options *o)
{
	int parts = o->threads * o->shards;

	coap_context_set_block_mode(ctx, 0);
	coap_context_set_session_timeout(ctx, (unsigned)o->session_idle_s);
	coap_context_set_max_idle_sessions(ctx, share(o->max_sessions, parts, SESSIONS_FLOOR));
	coap_context_set_max_handshake_sessions(
		ctx, share(o->max_handshakes, parts, HANDSHAKES_FLOOR));
}

static bool poll_add(struct net *net, int fd, void *what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(net->epfd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static enum rc shard_open(struct net *net, const struct coap_server_options *o,
			  coap_address_t *address, bool plain)
{
	struct shard *s = &net->shards[net->shard_count];

	*s = (struct shard){ .net = net, .ctx = coap_new_context(NULL) };
	if (!s->ctx)
		return RC_INTERNAL;
	net->shard_count++; /* from here on net_close() frees it */
	coap_set_app_data(s->ctx, s);
	set_limits(s->ctx, o);
	if (!add_resources(s->ctx))
		return RC_INTERNAL;
	coap_register_event_handler(s->ctx, peer_event);
	coap_register_nack_handler(s->ctx, peer_nack);
	enum rc rc =
		plain ? RC_OK
		      : dtls_port_create(net->server->dtls, s->ctx, &net->handshakes, &s->port);
	if (rc == RC_OK)
		rc = endpoint_open(s->ctx, plain ? COAP_PROTO_UDP : COAP_PROTO_DTLS, address,
				   &s->fd);
	if (rc == RC_OK && plain)
		rc = plain_filter(s->fd);
	s->epfd = coap_context_get_coap_fd(s->ctx);
	if (rc == RC_OK && !poll_add(net, s->epfd, s))
		rc = RC_INTERNAL;
	return rc;
}

/* --- nets --------------------------------------------------------------------------------- */

struct addresses {
	coap_address_t dtls, plain;
	bool has_plain;
};

static enum rc net_open(struct net *net, const struct coap_server_options *o,
			struct addresses *a)
{
	struct doorman *d = net->doorman;
	enum rc rc = RC_OK;

	peers_init(net);
	net->notes = queue_create(0, true);
	net->epfd = epoll_create1(EPOLL_CLOEXEC);
	net->shards = xcalloc((size_t)o->shards * 2, sizeof(*net->shards));
	if (net->epfd < 0 || !poll_add(net, queue_fd(net->notes), NULL) ||
	    (d && !poll_add(net, d->fd, d)))
		return RC_INTERNAL;
	for (int i = 0; i < o->shards && rc == RC_OK; i++)
		rc = shard_open(net, o, &a->dtls, false);
	for (int i = 0; a->has_plain && i < o->shards && rc == RC_OK; i++)
		rc = shard_open(net, o, &a->plain, true);
	return rc;
}

/* What came in after the thread's last turn; answers still go out. */
static void last_notes(struct net *net)
{
	struct queue_node *node = queue_take(net->notes, 0);

	while (node) {
		struct note *note = (struct note *)node;

		node = node->next;
		if (note->kind == NOTE_ANSWER)
			exchange_answered((struct exchange *)note);
		else
			free(note);
	}
}

/* Says goodbye to every session.  Where calls are still running that nobody waits for any more,
 * what they will touch is left to the end of the process. */
static void net_close(struct net *net)
{
	if (!net->server)
		return;
	last_notes(net);
	peers_finish(net);
	for (int i = 0; i < net->shard_count; i++) {
		coap_free_context(net->shards[i].ctx);
		dtls_port_free(net->shards[i].port);
	}
	free(net->shards);
	arena_free(net->spare);
	doorman_close(net->doorman);
	if (net->epfd >= 0)
		close(net->epfd);
	if (atomic_load(&net->stats.running) == 0)
		queue_free(net->notes);
}

/* --- the keeper of ticket keys ------------------------------------------------------------ */

static void *keep_keys(void *arg)
{
	struct coap_server *s = arg;
	struct timespec until;

	pthread_mutex_lock(&s->mutex);
	while (!atomic_load(&s->ending)) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += ROTATE_EVERY_S;
		pthread_cond_timedwait(&s->wake_keeper, &s->mutex, &until);
		if (!atomic_load(&s->ending))
			dtls_rotate(s->dtls);
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* --- start and stop ----------------------------------------------------------------------- */

static enum rc options_check(const struct coap_server_options *o)
{
	if (o->listen && o->threads >= 1 && o->threads <= THREADS_MAX && o->shards >= 1 &&
	    o->shards <= SHARDS_MAX && o->cert_path && o->key_path && o->session_idle_s > 0 &&
	    o->max_sessions > 0 && o->max_handshakes > 0)
		return RC_OK;
	log_error("the options for CoAP cannot be meant");
	return RC_INVALID;
}

static enum rc addresses_read(const struct coap_server_options *o, struct addresses *a)
{
	a->has_plain = o->plain_listen && *o->plain_listen;
	enum rc rc = endpoint_parse(o->listen, &a->dtls);
	if (rc == RC_OK && a->has_plain)
		rc = endpoint_parse(o->plain_listen, &a->plain);
	if (rc == RC_OK)
		rc = endpoint_probe(&a->dtls);
	if (rc == RC_OK && a->has_plain)
		rc = endpoint_probe(&a->plain);
	return rc;
}

/* What the roster calls, from any thread, at any time: also while a server stops, and after.
 * There is one server in a process. */
static struct {
	pthread_rwlock_t lock;
	struct coap_server *server;
} bell = { .lock = PTHREAD_RWLOCK_INITIALIZER };

static void bell_set(struct coap_server *s)
{
	pthread_rwlock_wrlock(&bell.lock);
	bell.server = s;
	pthread_rwlock_unlock(&bell.lock);
}

static void tell_all(enum note_kind kind, struct roster_device *d)
{
	pthread_rwlock_rdlock(&bell.lock);
	for (int i = 0; bell.server && i < bell.server->threads; i++)
		net_tell(&bell.server->nets[i], kind, d);
	pthread_rwlock_unlock(&bell.lock);
}

static void on_wake(void *arg, struct roster_device *d)
{
	(void)arg;
	tell_all(NOTE_WAKE, d);
}

static void on_evict(void *arg, struct roster_device *d)
{
	(void)arg;
	tell_all(NOTE_EVICT, d);
}

static void server_free(struct coap_server *s)
{
	bool idle = true;

	for (int i = 0; i < s->threads; i++) {
		idle = idle && atomic_load(&s->nets[i].stats.running) == 0;
		net_close(&s->nets[i]);
	}
	dtls_free(s->dtls);
	pthread_mutex_destroy(&s->mutex);
	pthread_cond_destroy(&s->wake_keeper);
	if (!idle)
		return;
	free(s->nets);
	free(s);
}

static enum rc server_open(struct coap_server *s, const struct coap_server_options *o)
{
	struct dtls_options keys = { o->cert_path, o->key_path, o->ca_path, o->state_dir,
				     o->seal_key };
	struct addresses a;

	enum rc rc = addresses_read(o, &a);
	if (rc == RC_OK)
		rc = dtls_create(s->core, &keys, &s->dtls);
	if (rc != RC_OK)
		return rc;
	s->nets[0].doorman = doorman_open(&a.dtls, s->threads * o->shards, o->max_sessions);
	dtls_cookies_are_checked(s->dtls, s->nets[0].doorman != NULL);
	for (int i = 0; i < s->threads && rc == RC_OK; i++) {
		s->nets[i].server = s;
		s->nets[i].index = i;
		rc = net_open(&s->nets[i], o, &a);
	}
	if (rc != RC_OK)
		return rc;
	s->port = endpoint_port(&a.dtls);
	s->plain_port = a.has_plain ? endpoint_port(&a.plain) : 0;
	return RC_OK;
}

static void keeper_init(struct coap_server *s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&s->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake_keeper, &attr);
	pthread_condattr_destroy(&attr);
}

static void start_threads(struct coap_server *s)
{
	for (int i = 0; i < s->threads; i++) {
		char name[16];

		snprintf(name, sizeof(name), "coap-%d", i);
		s->nets[i].thread = thread_start(name, net_run, &s->nets[i]);
	}
	s->keeper = thread_start("coap-keys", keep_keys, s);
}

enum rc coap_server_start(struct core *core, struct dispatcher *dispatcher,
			  const struct coap_server_options *options, struct coap_server **ret)
{
	enum rc rc = options_check(options);

	if (rc == RC_OK)
		rc = library_start();
	if (rc != RC_OK)
		return rc;
	int wakes = options->wakes_per_s ? options->wakes_per_s : WAKES_DEFAULT;
	struct coap_server *s = xcalloc(1, sizeof(*s));
	s->core = core;
	s->dispatcher = dispatcher;
	s->threads = options->threads;
	s->wakes_per_s = wakes / s->threads ? wakes / s->threads : 1;
	s->nets = xcalloc((size_t)s->threads, sizeof(*s->nets));
	keeper_init(s);
	rc = server_open(s, options);
	if (rc != RC_OK) {
		server_free(s);
		return rc;
	}
	bell_set(s);
	roster_on_wake(core->roster, on_wake, NULL);
	roster_on_evict(core->roster, on_evict, NULL);
	start_threads(s);
	*ret = s;
	return RC_OK;
}

void coap_server_drain(struct coap_server *s)
{
	atomic_store(&s->draining, true);
}

/* Until no exchange is under way, or it takes too long. */
static void drain(struct coap_server *s)
{
	const struct timespec step = { .tv_nsec = DRAIN_STEP_NS };
	int64_t until = clock_monotonic() + DRAIN_US;
	uint64_t running = 1;

	coap_server_drain(s);
	while (running && clock_monotonic() < until) {
		nanosleep(&step, NULL);
		running = 0;
		for (int i = 0; i < s->threads; i++)
			running += atomic_load(&s->nets[i].stats.running);
	}
}

void coap_server_stop(struct coap_server *s)
{
	if (!s)
		return;
	drain(s);
	bell_set(NULL);
	pthread_mutex_lock(&s->mutex);
	atomic_store(&s->ending, true);
	pthread_cond_signal(&s->wake_keeper);
	pthread_mutex_unlock(&s->mutex);
	for (int i = 0; i < s->threads; i++)
		net_tell(&s->nets[i], NOTE_END, NULL);
	for (int i = 0; i < s->threads; i++)
		pthread_join(s->nets[i].thread, NULL);
	pthread_join(s->keeper, NULL);
	server_free(s);
}

uint16_t coap_server_port(const struct coap_server *s)
{
	return s->port;
}

uint16_t coap_server_plain_port(const struct coap_server *s)
{
	return s->plain_port;
}

int coap_server_threads(const struct coap_server *s)
{
	return s->threads;
}

uint64_t coap_server_beats(const struct coap_server *s, int i)
{
	return atomic_load_explicit(&s->nets[i].beats, memory_order_relaxed);
}

void coap_server_stats(const struct coap_server *s, struct coap_server_stats *ret)
{
	*ret = (struct coap_server_stats){ 0 };
	for (int i = 0; i < s->threads; i++) {
		const struct net_stats *n = &s->nets[i].stats;

		ret->sessions += atomic_load(&n->sessions);
		ret->observers += atomic_load(&n->observers);
		ret->begun += atomic_load(&n->begun);
		ret->begun_total += atomic_load(&n->begun_total);
		ret->handshakes += atomic_load(&n->handshakes);
		ret->resumed += atomic_load(&n->resumed);
		ret->refused += atomic_load(&n->refused);
		ret->requests += atomic_load(&n->requests);
		ret->duplicates += atomic_load(&n->duplicates);
		ret->pushes += atomic_load(&n->pushes);
	}
}
