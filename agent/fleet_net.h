/* A bad network inside one process: a UDP relay for each device, which loses, doubles, delays
 * and reorders datagrams each way, by a seed.
 *
 * A device that comes with another port gets another port towards the server too, as behind a
 * NAT that forgot it.  One thread.  At most NET_QUEUE_MAX datagrams of 1500 bytes are on their
 * way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_QUEUE_MAX 65536

struct net_shape {
	unsigned loss, dup, reorder; /* of 1000 datagrams */
	unsigned delay_min_ms, delay_max_ms;
};

struct net;

/* host and port: the server.  NULL when it cannot be reached or there are too few descriptors.
 */
struct net *net_create(const char *host, uint16_t port, const struct net_shape *shape,
		       size_t relays, uint64_t seed);
void net_free(struct net *n);
/* Where a device dials 127.0.0.1 to come through its relay. */
uint16_t net_port(const struct net *n, size_t relay);
/* Readable when there is something to do. */
int net_fd(const struct net *n);
void net_read(struct net *n, int64_t now_ms);
/* Passes on what is due and yields the time of the next; INT64_MAX: nothing. */
int64_t net_step(struct net *n, int64_t now_ms);
