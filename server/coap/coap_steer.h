/* Which socket of the shared port gets a datagram, decided by a program in the kernel.
 *
 * A ClientHello whose cookie is not ours goes to the doorman (socket 0), who answers it with a
 * cookie and keeps nothing; all else goes to the shard of its sender.  So no forged hello ever
 * costs more than its answer, and a hello that reaches OpenSSL has shown where it comes from.
 *
 * The cookie is a keyed hash of address and port: HalfSipHash-1-3, whose 32 bits fit into a
 * classic BPF program, which needs no privilege.  Keys live for a minute and are read for one
 * more. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define STEER_COOKIE_SIZE 4

struct steer_key {
	uint32_t k[2];
};

struct steer {
	struct steer_key current, previous;
	uint32_t spread; /* of senders over shards; odd */
	uint32_t shards; /* sockets 1 to so many */
};

void steer_init(struct steer *s, uint32_t shards);
/* New current key. */
void steer_rotate(struct steer *s);
/* Gives the program to the group of sockets that fd belongs to. */
bool steer_attach(const struct steer *s, int fd);
/* Of a sender, under the current key. */
uint32_t steer_cookie(const struct steer *s, const struct sockaddr *from);
