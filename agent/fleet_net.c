/* Datagrams wait in a heap by the time they are due.  A datagram is judged when it comes in, so
 * the same seed and the same traffic make the same losses. */
#include "agent/fleet_net.h"

#include "agent/link.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX   1500
#define EVENTS_MAX     64
#define REORDER_MIN_MS 5

enum direction { UP, DOWN };

struct relay {
	int down; /* the device's side */
	int up;   /* the server's side, connected; -1 until the device speaks */
	uint16_t port;
	struct sockaddr_in device;
	unsigned generation; /* of up */
};

struct datagram {
	int64_t due_ms;
	uint64_t order; /* of those due together */
	struct relay *relay;
	enum direction direction;
	unsigned generation;
	size_t n;
	uint8_t bytes[];
};

struct net {
	struct net_shape shape;
	struct sockaddr_storage server;
	socklen_t server_n;
	int epoll;
	uint64_t random;
	uint64_t order;
	struct relay *relay;
	size_t relay_count;
	struct datagram **heap;
	size_t heap_n;
};

/* --- the heap
 * ---------------------------------------------------------------------------------- */

static bool sooner(const struct datagram *a, const struct datagram *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

/* gcc's analyzer does not see that the heap keeps it. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static void heap_put(struct net *n, struct datagram *d)
{
	size_t at = n->heap_n++;
	while (at > 0 && sooner(d, n->heap[(at - 1) / 2])) {
		n->heap[at] = n->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	n->heap[at] = d;
}
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

static struct datagram *heap_take(struct net *n)
{
	struct datagram *first = n->heap[0];
	struct datagram *last = n->heap[--n->heap_n];
	size_t at = 0;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= n->heap_n)
			break;
		if (child + 1 < n->heap_n && sooner(n->heap[child + 1], n->heap[child]))
			child++;
		if (!sooner(n->heap[child], last))
			break;
		n->heap[at] = n->heap[child];
		at = child;
	}
	n->heap[at] = last;
	return first;
}

/* --- relays
 * ------------------------------------------------------------------------------------ */

static bool watch(struct net *n, int fd, size_t relay, enum direction d)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = relay * 2 + d };
	return epoll_ctl(n->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static bool open_down(struct net *n, size_t i)
{
	struct relay *r = &n->relay[i];
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(any);
	r->up = -1;
	r->down = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->down < 0 || bind(r->down, (struct sockaddr *)&any, sizeof(any)) != 0 ||
	    getsockname(r->down, (struct sockaddr *)&any, &size) != 0)
		return false;
	r->port = ntohs(any.sin_port);
	return watch(n, r->down, i, UP);
}

static bool open_up(struct net *n, struct relay *r)
{
	if (r->up >= 0)
		close(r->up);
	r->generation++;
	r->up = socket(n->server.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return r->up >= 0 && connect(r->up, (struct sockaddr *)&n->server, n->server_n) == 0 &&
	       watch(n, r->up, (size_t)(r - n->relay), DOWN);
}

static bool find_server(struct net *n, const char *host, uint16_t port)
{
	struct addrinfo *list = NULL;
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV };
	char text[8];
	snprintf(text, sizeof(text), "%u", port);
	if (getaddrinfo(host, text, &hints, &list) != 0)
		return false;
	memcpy(&n->server, list->ai_addr, list->ai_addrlen);
	n->server_n = list->ai_addrlen;
	freeaddrinfo(list);
	return true;
}

struct net *net_create(const char *host, uint16_t port, const struct net_shape *shape,
		       size_t relays, uint64_t seed)
{
	struct net *n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->shape = *shape;
	n->random = seed;
	n->relay = calloc(relays, sizeof(*n->relay));
	n->heap = calloc(NET_QUEUE_MAX, sizeof(struct datagram *));
	n->epoll = epoll_create1(EPOLL_CLOEXEC);
	bool made = n->relay && n->heap && n->epoll >= 0 && find_server(n, host, port);
	for (; made && n->relay_count < relays; n->relay_count++)
		made = open_down(n, n->relay_count);
	if (made)
		return n;
	net_free(n);
	return NULL;
}

void net_free(struct net *n)
{
	if (!n)
		return;
	for (size_t i = 0; n->relay && i < n->relay_count; i++) {
		close(n->relay[i].down);
		if (n->relay[i].up >= 0)
			close(n->relay[i].up);
	}
	for (size_t i = 0; n->heap && i < n->heap_n; i++)
		free(n->heap[i]);
	if (n->epoll >= 0)
		close(n->epoll);
	free(n->heap);
	free(n->relay);
	free(n);
}

uint16_t net_port(const struct net *n, size_t relay)
{
	return n->relay[relay].port;
}

int net_fd(const struct net *n)
{
	return n->epoll;
}

/* --- datagrams
 * --------------------------------------------------------------------------------- */

static bool happens(struct net *n, unsigned of_1000)
{
	return of_1000 > 0 && link_random(&n->random, 1000) < of_1000;
}

static int64_t choose_delay(struct net *n)
{
	unsigned spread = n->shape.delay_max_ms - n->shape.delay_min_ms;
	int64_t ms = n->shape.delay_min_ms + (int64_t)link_random(&n->random, spread + 1);
	if (happens(n, n->shape.reorder)) /* long enough for later ones to overtake it */
		ms += REORDER_MIN_MS + spread + (int64_t)link_random(&n->random, spread + 20);
	return ms;
}

static void put_one(struct net *n, struct relay *r, enum direction direction, const uint8_t *p,
		    size_t size, int64_t now_ms)
{
	struct datagram *d = NULL;
	if (n->heap_n < NET_QUEUE_MAX)
		d = malloc(sizeof(*d) + size);
	if (!d)
		return;
	*d = (struct datagram){ .due_ms = now_ms + choose_delay(n),
				.order = n->order++,
				.relay = r,
				.direction = direction,
				.generation = r->generation,
				.n = size };
	memcpy(d->bytes, p, size);
	heap_put(n, d);
}

static void put(struct net *n, struct relay *r, enum direction direction, const uint8_t *p,
		size_t size, int64_t now_ms)
{
	if (!happens(n, n->shape.loss))
		put_one(n, r, direction, p, size, now_ms);
	if (happens(n, n->shape.dup))
		put_one(n, r, direction, p, size, now_ms);
}

static void read_down(struct net *n, struct relay *r, int64_t now_ms)
{
	uint8_t buf[DATAGRAM_MAX];
	struct sockaddr_in from = { 0 };
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t got =
			recvfrom(r->down, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size);
		if (got < 0)
			return;
		bool same = r->up >= 0 && from.sin_port == r->device.sin_port;
		r->device = from;
		if (same || open_up(n, r))
			put(n, r, UP, buf, (size_t)got, now_ms);
	}
}

static void read_up(struct net *n, struct relay *r, int64_t now_ms)
{
	uint8_t buf[DATAGRAM_MAX];
	for (;;) {
		ssize_t got = recv(r->up, buf, sizeof(buf), 0);
		if (got < 0)
			return; /* also a refused one: a network is silent about that */
		put(n, r, DOWN, buf, (size_t)got, now_ms);
	}
}

void net_read(struct net *n, int64_t now_ms)
{
	struct epoll_event e[EVENTS_MAX];
	int count = epoll_wait(n->epoll, e, EVENTS_MAX, 0);
	for (int i = 0; i < count; i++) {
		struct relay *r = &n->relay[e[i].data.u64 / 2];
		if (e[i].data.u64 % 2 == UP)
			read_down(n, r, now_ms);
		else if (r->up >= 0)
			read_up(n, r, now_ms);
	}
}

static void pass_on(const struct datagram *d)
{
	const struct relay *r = d->relay;
	ssize_t sent = 0;
	if (d->generation != r->generation)
		return; /* of a session that is gone */
	if (d->direction == UP)
		sent = send(r->up, d->bytes, d->n, 0);
	else
		sent = sendto(r->down, d->bytes, d->n, 0, (const struct sockaddr *)&r->device,
			      sizeof(r->device));
	if (sent < 0)
		return; /* lost, then */
}

int64_t net_step(struct net *n, int64_t now_ms)
{
	while (n->heap_n > 0 && n->heap[0]->due_ms <= now_ms) {
		struct datagram *d = heap_take(n);
		pass_on(d);
		free(d);
	}
	return n->heap_n > 0 ? n->heap[0]->due_ms : INT64_MAX;
}
