/* The kernel's program against the C that it must agree with: real sockets on loopback, and
 * which of them gets a datagram. */

#include "server/coap/coap_steer.h"

#include "base/clean.h"
#include "tests/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#define SHARDS    5
#define SENDERS   64
#define NOBODY    (-1)
#define HELLO_MAX 256

struct port {
	int fds[SHARDS + 1]; /* the doorman's first */
	struct sockaddr_storage address;
	socklen_t size;
	struct steer steer;
};

static struct sockaddr_storage loopback(int family, uint16_t port, socklen_t *ret_size)
{
	struct sockaddr_storage a = { .ss_family = (sa_family_t)family };
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&a;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&a;

	if (family == AF_INET) {
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in->sin_port = htons(port);
		*ret_size = sizeof(*in);
	} else {
		in6->sin6_addr = in6addr_loopback;
		in6->sin6_port = htons(port);
		*ret_size = sizeof(*in6);
	}
	return a;
}

/* With mapped, of IPv6 that takes IPv4 too, and is sent to by that. */
static bool port_open(struct port *p, int family, bool mapped)
{
	int one = 1;

	steer_init(&p->steer, SHARDS);
	p->address = loopback(family, 0, &p->size);
	if (mapped)
		((struct sockaddr_in6 *)(void *)&p->address)->sin6_addr = in6addr_any;
	for (int i = 0; i <= SHARDS; i++) {
		p->fds[i] = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (p->fds[i] < 0 ||
		    setsockopt(p->fds[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0 ||
		    bind(p->fds[i], (struct sockaddr *)&p->address, p->size) != 0 ||
		    getsockname(p->fds[i], (struct sockaddr *)&p->address, &p->size) != 0)
			return false;
		if (i == 0 && !steer_attach(&p->steer, p->fds[0]))
			return false;
	}
	/* The port is in the same place in both families. */
	if (mapped)
		p->address = loopback(
			AF_INET, ntohs(((struct sockaddr_in *)(void *)&p->address)->sin_port),
			&p->size);
	return true;
}

static void port_close(struct port *p)
{
	for (int i = 0; i <= SHARDS; i++)
		close(p->fds[i]);
}

/* Which socket got it. */
static int taker(const struct port *p)
{
	struct pollfd all[SHARDS + 1];
	char byte;

	for (int i = 0; i <= SHARDS; i++)
		all[i] = (struct pollfd){ .fd = p->fds[i], .events = POLLIN };
	if (poll(all, SHARDS + 1, 2000) != 1)
		return NOBODY;
	for (int i = 0; i <= SHARDS; i++)
		if (all[i].revents && recv(p->fds[i], &byte, 1, 0) == 1)
			return i;
	return NOBODY;
}

static int send_to(const struct port *p, int from, const uint8_t *bytes, size_t n)
{
	if (sendto(from, bytes, n, 0, (const struct sockaddr *)&p->address, p->size) !=
	    (ssize_t)n)
		return NOBODY;
	return taker(p);
}

static size_t hello(uint8_t *out, size_t session, const uint8_t *cookie, size_t cookie_size)
{
	size_t n = 13 + 12 + 34;

	memset(out, 0, HELLO_MAX);
	out[0] = 22;
	out[13] = 1;
	out[n++] = (uint8_t)session;
	n += session;
	out[n++] = (uint8_t)cookie_size;
	if (cookie_size)
		memcpy(out + n, cookie, cookie_size);
	return n + cookie_size + 8;
}

static int sender_open(const struct port *p, int family, struct sockaddr_storage *ret)
{
	socklen_t size;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)p;
	*ret = loopback(family, 0, &size);
	if (fd < 0 || bind(fd, (struct sockaddr *)ret, size) != 0 ||
	    getsockname(fd, (struct sockaddr *)ret, &size) != 0)
		return -1;
	return fd;
}

struct tally {
	int bare, wrong, right, previous, steady, outside, used[SHARDS + 1];
};

static void try_sender(struct port *p, int family, struct tally *t)
{
	uint8_t h[HELLO_MAX], data[40] = { 23, 0xfe, 0xfd, 0, 1 };
	struct sockaddr_storage from;
	CLEAN(fd) int fd = sender_open(p, family, &from);
	uint32_t cookie = htonl(steer_cookie(&p->steer, (const struct sockaddr *)&from)),
		 other = cookie ^ 1;
	const uint8_t *good = (const uint8_t *)&cookie, *bad = (const uint8_t *)&other;
	const uint8_t long_one[32] = { 0 };
	int home = send_to(p, fd, data, sizeof(data));

	t->outside += home < 1 || home > SHARDS;
	t->used[home > 0 ? home : 0]++;
	t->bare += send_to(p, fd, h, hello(h, 0, NULL, 0)) == 0 &&
		   send_to(p, fd, h, hello(h, 32, long_one, sizeof(long_one))) == 0;
	t->wrong += send_to(p, fd, h, hello(h, 32, bad, sizeof(other))) == 0;
	t->right += send_to(p, fd, h, hello(h, 0, good, sizeof(cookie))) == home &&
		    send_to(p, fd, h, hello(h, 32, good, sizeof(cookie))) == home;
	steer_rotate(&p->steer);
	if (!steer_attach(&p->steer, p->fds[0]))
		return;
	t->previous += send_to(p, fd, h, hello(h, 32, good, sizeof(cookie))) == home;
	steer_rotate(&p->steer);
	if (!steer_attach(&p->steer, p->fds[0]))
		return;
	t->steady += send_to(p, fd, h, hello(h, 32, good, sizeof(cookie))) == 0 &&
		     send_to(p, fd, data, sizeof(data)) == home;
}

static void try_family(int family, bool mapped, const char *name)
{
	struct tally t = { 0 };
	struct port p;
	int shards = 0;

	if (!port_open(&p, family, mapped)) {
		ok(family == AF_INET6, "%s: there are no sockets", name);
		return;
	}
	for (int i = 0; i < SENDERS; i++)
		try_sender(&p, mapped ? AF_INET : family, &t);
	for (int i = 1; i <= SHARDS; i++)
		shards += t.used[i] > 0;
	ok(t.outside == 0 && shards == SHARDS, "%s: senders are spread over all shards", name);
	ok(t.bare == SENDERS, "%s: a hello without our cookie goes to the doorman", name);
	ok(t.wrong == SENDERS, "%s: and one with a wrong one", name);
	ok(t.right == SENDERS, "%s: with the right one it goes where its sender's all go",
	   name);
	ok(t.previous == SENDERS, "%s: the key before is still good", name);
	ok(t.steady == SENDERS, "%s: an older one is not, and senders stay at home", name);
	port_close(&p);
}

/* Whoever has to add options to its datagrams is steered by its port all the same. */
static void try_options(int family, int level, int option, const char *name)
{
	static const uint8_t padding_4[] = { 1, 1, 1, 0 },
			     padding_6[] = { 0, 0, 1, 4, 0, 0, 0, 0 };
	uint8_t h[HELLO_MAX], data[40] = { 23, 0xfe, 0xfd, 0, 1 };
	bool six = family == AF_INET6;
	struct sockaddr_storage from;
	struct port p;

	if (!port_open(&p, family, false)) {
		ok(six, "%s: there are no sockets", name);
		return;
	}
	CLEAN(fd) int fd = sender_open(&p, family, &from);
	int home = send_to(&p, fd, data, sizeof(data));
	if (setsockopt(fd, level, option, six ? padding_6 : padding_4,
		       six ? sizeof(padding_6) : sizeof(padding_4)) != 0) {
		ok(errno == EPERM, "%s: may not be sent", name);
	} else {
		uint32_t cookie = htonl(steer_cookie(&p.steer, (const struct sockaddr *)&from));
		size_t n = hello(h, 0, (const uint8_t *)&cookie, sizeof(cookie));
		ok(home > 0 && send_to(&p, fd, data, sizeof(data)) == home,
		   "%s: a session stays at home", name);
		ok(send_to(&p, fd, h, n) == home, "%s: a good cookie is known", name);
	}
	port_close(&p);
}

static void try_short(void)
{
	static const uint8_t head[13 + 12 + 34 + 1] = { 22, [13] = 1 };
	struct sockaddr_storage from;
	uint8_t whole[HELLO_MAX];
	struct port p;
	int kept = 0, refused = 0;

	if (!port_open(&p, AF_INET, false))
		return;
	CLEAN(fd) int fd = sender_open(&p, AF_INET, &from);
	int home = send_to(&p, fd, head, 13);
	for (size_t n = 1; n <= 13; n++)
		kept += send_to(&p, fd, head, n) == home;
	for (size_t n = 14; n <= sizeof(head); n++)
		refused += send_to(&p, fd, head, n) == 0;
	ok(home > 0 && kept == 13, "what is too short to be a hello goes to its shard");
	ok(refused == (int)sizeof(head) - 13, "a hello that is cut off goes to the doorman");
	uint32_t cookie = htonl(steer_cookie(&p.steer, (const struct sockaddr *)&from));
	size_t n = hello(whole, 0, (const uint8_t *)&cookie, sizeof(cookie));
	ok(send_to(&p, fd, whole, n) == home, "one with a cookie does not");
	whole[4] = 1;
	ok(send_to(&p, fd, whole, n) == 0, "but one that claims to be of a session does");
	port_close(&p);
}

int main(void)
{
	try_family(AF_INET, false, "IPv4");
	try_family(AF_INET6, false, "IPv6");
	try_family(AF_INET6, true, "IPv4 on a socket of IPv6");
	try_options(AF_INET, IPPROTO_IP, IP_OPTIONS, "options of IPv4");
	try_options(AF_INET6, IPPROTO_IPV6, IPV6_HOPOPTS, "options for each hop");
	try_options(AF_INET6, IPPROTO_IPV6, IPV6_DSTOPTS, "options for the end");
	try_short();
	return tap_done();
}
