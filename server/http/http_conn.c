/* Connections: how many an address may have, and how long a peer may take.  A peer that sends
 * or reads byte by byte keeps libmicrohttpd's idle clock going for ever, so each phase of a
 * request has a deadline of its own, and the loop cuts whoever is past it. */

#include "server/http/http_inner.h"

#include "base/clock.h"
#include "base/hash.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024
#define CROWD   16 /* connections of an address */

struct counted {
	struct counted *next;
	uint8_t ip[16];
	int connections;
};

struct http_addresses {
	pthread_mutex_t mutex;
	struct counted *buckets[BUCKETS];
	int max;
	uint64_t seed;
};

struct http_addresses *http_addresses_create(int max_per_address)
{
	struct http_addresses *a = xcalloc(1, sizeof(*a));

	pthread_mutex_init(&a->mutex, NULL);
	a->max = max_per_address;
	random_bytes(&a->seed, sizeof(a->seed));
	return a;
}

void http_addresses_free(struct http_addresses *a)
{
	if (!a)
		return;
	for (int i = 0; i < BUCKETS; i++)
		while (a->buckets[i]) {
			struct counted *c = a->buckets[i];
			a->buckets[i] = c->next;
			free(c);
		}
	pthread_mutex_destroy(&a->mutex);
	free(a);
}

/* IPv4 as mapped into IPv6, which it is already where one socket listens to both; of IPv6 the
 * first 64 bits, because one peer has them all. */
static void address_ip(const struct sockaddr *address, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in =
			(const struct sockaddr_in *)(const void *)address;
		ret[10] = ret[11] = 0xff;
		memcpy(ret + 12, &in->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in =
			(const struct sockaddr_in6 *)(const void *)address;
		memcpy(ret, &in->sin6_addr, IN6_IS_ADDR_V4MAPPED(&in->sin6_addr) ? 16 : 8);
	}
}

/* The place in its bucket where this address is or would be. */
static struct counted **find(struct http_addresses *a, const uint8_t ip[16])
{
	uint64_t h = a->seed;

	for (int i = 0; i < 16; i++)
		h = (h ^ ip[i]) * UINT64_C(0x100000001b3);
	struct counted **at = &a->buckets[(h >> 32) % BUCKETS];
	while (*at && memcmp((*at)->ip, ip, 16) != 0)
		at = &(*at)->next;
	return at;
}

enum MHD_Result http_conn_admit(void *cls, const struct sockaddr *address, socklen_t size)
{
	const struct http_loop *loop = cls;
	struct http_addresses *a = loop->server->addresses;
	uint8_t ip[16];

	(void)size;
	address_ip(address, ip);
	pthread_mutex_lock(&a->mutex);
	const struct counted *c = *find(a, ip);
	bool room = !c || c->connections < a->max;
	pthread_mutex_unlock(&a->mutex);
	/* A handshake needs much, and not every library below it survives having nothing. */
	memory_begin();
	room = room && !memory_is_short();
	return room && !loop->server->stopping ? MHD_YES : MHD_NO;
}

/* How many it has then. */
static int count(struct http_addresses *a, const struct sockaddr_storage *address, int change)
{
	uint8_t ip[16];

	address_ip((const struct sockaddr *)(const void *)address, ip);
	pthread_mutex_lock(&a->mutex);
	struct counted **at = find(a, ip);
	if (!*at) {
		*at = xcalloc(1, sizeof(**at));
		memcpy((*at)->ip, ip, 16);
	}
	int now = (*at)->connections += change;
	if (now <= 0) {
		struct counted *gone = *at;
		*at = gone->next;
		free(gone);
	}
	pthread_mutex_unlock(&a->mutex);
	return now;
}

static void peer_text(const struct sockaddr_storage *address, char ret[HTTP_PEER_MAX])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
	char ip[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(ret, HTTP_PEER_MAX, "[%s]:%u", ip, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(ret, HTTP_PEER_MAX, "%s:%u", ip, ntohs(in->sin_port));
	}
}

static void conn_open(struct http_loop *loop, struct MHD_Connection *connection, void **context)
{
	struct http_conn *conn = xcalloc(1, sizeof(*conn));
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info ? info->client_addr : NULL;

	conn->loop = loop;
	conn->connection = connection;
	if (address)
		memcpy(&conn->address, address,
		       address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						      : sizeof(struct sockaddr_in));
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	conn->fd = info ? info->connect_fd : -1;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info)
		tls_watch_finished(info->tls_session, &conn->finished);
	conn->deadline = clock_monotonic() + loop->server->header_timeout_us;
	peer_text(&conn->address, conn->peer);
	conn->crowded = count(loop->server->addresses, &conn->address, 1) > CROWD;
	conn->next = loop->conns;
	if (conn->next)
		conn->next->prev = conn;
	loop->conns = conn;
	*context = conn;
}

static void conn_close(struct http_loop *loop, void **context)
{
	struct http_conn *conn = *context;

	if (!conn)
		return;
	http_shake_forget(conn);
	(void)count(loop->server->addresses, &conn->address, -1);
	if (conn->next)
		conn->next->prev = conn->prev;
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		loop->conns = conn->next;
	*context = NULL;
	free(conn);
}

void http_conn_notify(void *cls, struct MHD_Connection *connection, void **context,
		      enum MHD_ConnectionNotificationCode code)
{
	switch (code) {
	case MHD_CONNECTION_NOTIFY_STARTED:
		conn_open(cls, connection, context);
		break;
	case MHD_CONNECTION_NOTIFY_CLOSED:
		conn_close(cls, context);
		break;
	}
}

void http_conn_reap(struct http_loop *loop, int64_t now)
{
	for (struct http_conn *conn = loop->conns; conn; conn = conn->next) {
		if (conn->deadline == 0 || now < conn->deadline)
			continue;
		conn->deadline = 0;
		/* The loop sees the end of the stream and closes it in its own way. */
		shutdown(conn->fd, SHUT_RDWR);
	}
}
