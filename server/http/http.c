/* Start and stop of the HTTPS transport, and its loops.  The loops are ours, not
 * libmicrohttpd's, so that the watchdog hears from each of them and connections are reaped on
 * the thread that owns them. */

#include "server/http/http_inner.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/log.h"
#include "certs/certs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define FILE_MAX          65536
#define LOOP_WAIT_MS      500
#define EVENTS_MAX        64
#define REAP_EVERY_US     (500 * USEC_PER_MS)
#define EXPIRE_EVERY_US   USEC_PER_SEC
#define STOP_GRACE_US     (5 * USEC_PER_SEC)
#define STOP_ANSWER_US    USEC_PER_SEC        /* for the last answer to leave */
#define STOP_GIVE_UP_US   (60 * USEC_PER_SEC) /* calls end by themselves, long before */
#define CONN_MEMORY_BYTES 32768 /* bounds line and headers: more is answered 414 or 431 */
#define BACKLOG           1024

/* --- files and sockets --- */

/* A key, or what may be one. */
static void secret_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static char *file_text(const char *path)
{
	CLEAN(file) FILE *f = fopen(path, "re");
	char *text = f ? xcalloc(1, FILE_MAX + 2) : NULL; /* a byte too many, and the end */
	size_t n = f ? fread(text, 1, FILE_MAX + 1, f) : 0;

	if (!f || ferror(f) || n > FILE_MAX) {
		log_error("cannot read a file", "path", path, "why",
			  f && n > FILE_MAX ? "too large" : strerror(errno));
		secret_free(text);
		return NULL;
	}
	return text;
}

/* "host:port", "[v6]:port"; numbers alone. */
static enum rc address_parse(const char *listen, struct sockaddr_storage *ret,
			     socklen_t *ret_size)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char host[64] = "";
	const char *colon = strrchr(listen, ':');

	if (!colon || (size_t)(colon - listen) >= sizeof(host))
		return RC_INVALID;
	bool bracketed = listen[0] == '[' && colon > listen + 1 && colon[-1] == ']';
	memcpy(host, listen + bracketed, (size_t)(colon - listen) - 2 * bracketed);
	if (getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found) != 0)
		return RC_INVALID;
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	*ret_size = found->ai_addrlen;
	freeaddrinfo(found);
	return RC_OK;
}

static enum rc socket_open(struct http_server *s, const char *listen_text)
{
	struct sockaddr_storage address;
	socklen_t size = 0;
	int on = 1;

	if (address_parse(listen_text, &address, &size) != RC_OK) {
		log_error("the address to listen on cannot be read", "listen", listen_text);
		return RC_INVALID;
	}
	s->listen_fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listen_fd < 0)
		return RC_INTERNAL;
	setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s->listen_fd, (struct sockaddr *)&address, size) < 0 ||
	    listen(s->listen_fd, BACKLOG) < 0) {
		log_error("cannot listen", "listen", listen_text, "why", strerror(errno));
		return RC_UNAVAILABLE;
	}
	size = sizeof(address);
	if (getsockname(s->listen_fd, (struct sockaddr *)&address, &size) < 0)
		return RC_INTERNAL;
	/* The port is in the same place in both families. */
	s->port = ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
	return RC_OK;
}

static enum rc load_tls(struct http_server *s, const struct http_options *o)
{
	s->cert = file_text(o->cert_path);
	s->key = file_text(o->key_path);
	if (o->ca_path)
		s->trust = file_text(o->ca_path);
	else if (s->core->certs)
		s->trust = xstrdup(certs_chain_pem(s->core->certs));
	if (!s->cert || !s->key || !s->trust)
		return RC_INVALID;
	const char *fault = tls_pair_fault(s->cert, s->key);
	if (fault) {
		log_error("certificate and key cannot be used", "certificate", o->cert_path,
			  "key", o->key_path, "why", fault);
		return RC_INVALID;
	}
	return RC_OK;
}

/* --- libmicrohttpd --- */

PRINTF(2, 0) static void log_library(void *cls, const char *fmt, va_list ap)
{
	char text[256];

	(void)cls;
	if (log_threshold() < LOG_LEVEL_DEBUG)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = 0;
	log_debug("libmicrohttpd", "text", text);
}

/* http_request.c decodes by itself, strictly. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

static struct MHD_Daemon *daemon_start(struct http_loop *loop)
{
	struct http_server *s = loop->server;
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_LISTEN_SOCKET, s->listen_fd, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, s->max_connections, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)(s->idle_us / USEC_PER_SEC), NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONN_MEMORY_BYTES, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_exchange_end, loop },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)http_conn_notify, loop },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL },
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, s->cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, s->key },
		{ MHD_OPTION_HTTPS_MEM_TRUST, 0, s->trust },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};

	/* The logger comes first, so that it hears what is wrong with the others. */
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		http_conn_admit, loop, http_exchange_step, loop, MHD_OPTION_EXTERNAL_LOGGER,
		log_library, NULL, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

/* --- a loop --- */

/* The library has a wake-up of its own only for its own threads. */
void http_loop_wake(struct http_loop *loop)
{
	if (!atomic_exchange(&loop->woken, true))
		(void)eventfd_write(loop->wake_fd, 1);
}

struct arena *http_arena_take(struct http_loop *loop)
{
	memory_begin(); /* before its first allocation */
	return loop->spare_count ? loop->spare[--loop->spare_count] : arena_create();
}

void http_arena_give(struct http_loop *loop, struct arena *mem)
{
	if (loop->spare_count < HTTP_SPARE)
		loop->spare[loop->spare_count++] = mem;
	else
		arena_free(mem);
}

static bool loop_open(struct http_loop *loop)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct epoll_event wake = { .events = EPOLLIN, .data.ptr = loop };
	struct epoll_event library = { .events = EPOLLIN };

	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return info && loop->wake_fd >= 0 && loop->epoll_fd >= 0 &&
	       epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) == 0 &&
	       epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, info->epoll_fd, &library) == 0;
}

static void loop_close(struct http_loop *loop)
{
	if (loop->daemon)
		MHD_stop_daemon(loop->daemon);
	loop->daemon = NULL;
	while (loop->spare_count)
		arena_free(loop->spare[--loop->spare_count]);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
}

static void loop_woken(struct http_loop *loop)
{
	eventfd_t count;

	/* In this order: a wake-up from now on writes again. */
	(void)eventfd_read(loop->wake_fd, &count);
	atomic_store(&loop->woken, false);
}

static void loop_wait(struct http_loop *loop)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms = LOOP_WAIT_MS;
	struct epoll_event events[EVENTS_MAX];

	if (MHD_get_timeout(loop->daemon, &timeout_ms) != MHD_YES || timeout_ms > LOOP_WAIT_MS)
		timeout_ms = LOOP_WAIT_MS;
	if (http_shake_waits(loop))
		timeout_ms = 0;
	int n = epoll_wait(loop->epoll_fd, events, ARRAY_LEN(events), (int)timeout_ms);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == loop)
			loop_woken(loop);
		else if (events[i].data.ptr)
			http_shake_ready(events[i].data.ptr);
	}
}

static void loop_turn(struct http_loop *loop)
{
	loop_wait(loop);
	http_shake_next(loop);
	(void)MHD_run(loop->daemon);
	http_shake_after(loop);
	int64_t now = clock_monotonic();
	if (now >= loop->next_reap) {
		loop->next_reap = now + REAP_EVERY_US;
		http_conn_reap(loop, now);
	}
	if (loop->number == 0 && now >= loop->next_expire) {
		loop->next_expire = now + EXPIRE_EVERY_US;
		dispatch_expire(loop->server->dispatcher);
	}
	atomic_fetch_add(&loop->beats, 1);
}

static void *loop_run(void *arg)
{
	struct http_loop *loop = arg;

	while (!atomic_load(&loop->server->stopping))
		loop_turn(loop);

	MHD_quiesce_daemon(loop->daemon);
	int64_t stopped = clock_monotonic(), now = stopped, until = stopped + STOP_GRACE_US;
	while (loop->suspended ? now < stopped + STOP_GIVE_UP_US
			       : loop->exchanges && now < until) {
		bool waits = loop->suspended;
		loop_turn(loop);
		now = clock_monotonic();
		if (waits && until < now + STOP_ANSWER_US)
			until = now + STOP_ANSWER_US;
	}
	if (loop->suspended) {
		/* The library may not be stopped with calls under way; the process ends soon.
		 */
		log_error("calls were not answered before the end");
		return NULL;
	}
	/* Whoever resumed the last connection may still be about to wake us. */
	while (atomic_load(&loop->resuming))
		sched_yield();
	http_shake_stop(loop);
	/* The descriptors stay: http_stop() may be about to wake us. */
	MHD_stop_daemon(loop->daemon);
	loop->daemon = NULL;
	return NULL;
}

static enum rc loop_start(struct http_server *s, int number)
{
	struct http_loop *loop = &s->loops[number];
	char name[16];

	loop->server = s;
	loop->number = number;
	loop->wake_fd = loop->epoll_fd = -1;
	http_shake_init(loop);
	loop->daemon = daemon_start(loop);
	if (!loop->daemon || !loop_open(loop) ||
	    pthread_create(&loop->thread, NULL, loop_run, loop) != 0) {
		log_error("a network thread did not start");
		if (loop->daemon)
			MHD_quiesce_daemon(loop->daemon);
		loop_close(loop);
		return RC_INTERNAL;
	}
	snprintf(name, sizeof(name), "http-%d", number);
	pthread_setname_np(loop->thread, name);
	s->loop_count = number + 1;
	return RC_OK;
}

/* --- the server --- */

static int64_t seconds_or(int64_t seconds, int64_t absent)
{
	return (seconds > 0 ? seconds : absent) * USEC_PER_SEC;
}

enum rc http_start(struct core *core, struct dispatcher *dispatcher,
		   const struct http_options *o, struct http_server **ret)
{
	struct http_server *s = xcalloc(1, sizeof(*s));

	tls_start();
	s->core = core;
	s->dispatcher = dispatcher;
	s->listen_fd = -1;
	s->header_timeout_us = seconds_or(o->header_timeout_s, 10);
	s->call_timeout_us = seconds_or(o->call_timeout_s, 30);
	s->idle_us = seconds_or(o->idle_s, 60);
	s->max_connections = (o->max_connections + o->threads - 1) / o->threads;
	s->addresses = http_addresses_create(o->max_per_address);
	s->loops = xcalloc((size_t)o->threads, sizeof(*s->loops));

	enum rc rc = load_tls(s, o);
	if (rc == RC_OK)
		rc = socket_open(s, o->listen);
	for (int i = 0; i < o->threads && rc == RC_OK; i++)
		rc = loop_start(s, i);
	if (rc != RC_OK) {
		http_stop(s);
		return rc;
	}
	*ret = s;
	return RC_OK;
}

void http_stop(struct http_server *s)
{
	bool clean = true;

	if (!s)
		return;
	atomic_store(&s->stopping, true);
	for (int i = 0; i < s->loop_count; i++)
		http_loop_wake(&s->loops[i]);
	for (int i = 0; i < s->loop_count; i++) {
		pthread_join(s->loops[i].thread, NULL);
		if (s->loops[i].daemon)
			clean = false;
		else
			loop_close(&s->loops[i]);
	}
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (!clean)
		return; /* a call still points here */
	http_addresses_free(s->addresses);
	free(s->cert);
	secret_free(s->key);
	free(s->trust);
	free(s->loops);
	free(s);
}

uint16_t http_port(const struct http_server *s)
{
	return s->port;
}

int http_threads(const struct http_server *s)
{
	return s->loop_count;
}

uint64_t http_beats(const struct http_server *s, int i)
{
	return atomic_load(&s->loops[i].beats);
}
