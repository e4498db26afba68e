/* The doorman: answers a ClientHello that brings no cookie with a HelloVerifyRequest, as soon
 * as the gate lets it in, and keeps nothing more of it (RFC 6347 4.2.1).  libcoap would keep a
 * session for half a minute, and after some hundred of them let nobody in.  Which datagrams
 * come here is decided in the kernel: coap_steer.c. */

#include "server/coap/coap_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH       64
#define BATCHES     64 /* read in one turn */
#define ANSWERS     8  /* batches sent in one turn: what comes of them is seen in the next */
#define AGAIN_US    (5 * USEC_PER_MS)
#define HELLO_MAX   512
#define REPLY_SIZE  (13 + 12 + 3 + STEER_COOKIE_SIZE)
#define ROTATE_US   (60 * USEC_PER_SEC)
#define RECEIVE_MAX (4 << 20)

#define AT_TYPE     0
#define AT_EPOCH    3
#define AT_SEQUENCE 5
#define AT_MESSAGE  13
#define AT_SESSION  (13 + 12 + 34)
#define HELLO_MIN   (13 + 12 + 34 + 2)

/* 45 kB, more than the first cache has.  Kept with the doorman: the stack is cleared for every
 * call (-ftrivial-auto-var-init), and that was done in every turn while somebody waits. */
struct letters {
	struct mmsghdr message[BATCH];
	struct iovec part[BATCH];
	struct sockaddr_in6 from[BATCH]; /* or of IPv4 */
	uint8_t hello[BATCH][HELLO_MAX];
	_Alignas(size_t) uint8_t control[BATCH][GATE_CONTROL_MAX];
	uint8_t reply[BATCH][REPLY_SIZE];
};

static const struct sockaddr *sender_of(const struct hello *h)
{
	return (const struct sockaddr *)(const void *)&h->from;
}

/* Record header with the hello's own sequence number, handshake header, version, cookie. */
static void write_reply(const struct steer *s, const struct hello *h, uint8_t *out)
{
	static const uint8_t record[] = { 22, 0xfe, 0xff, 0, 0 };
	/* clang-format off */
	static const uint8_t head[] = {
		0, REPLY_SIZE - 13,
		3, 0, 0, 3 + STEER_COOKIE_SIZE, 0, 0, 0, 0, 0, 0, 0, 3 + STEER_COOKIE_SIZE,
		0xfe, 0xff, STEER_COOKIE_SIZE,
	};
	/* clang-format on */
	uint32_t cookie = htonl(steer_cookie(s, sender_of(h)));

	memcpy(out, record, sizeof(record));
	memcpy(out + AT_SEQUENCE, h->sequence, sizeof(h->sequence));
	memcpy(out + AT_SEQUENCE + sizeof(h->sequence), head, sizeof(head));
	memcpy(out + AT_SEQUENCE + sizeof(h->sequence) + sizeof(head), &cookie, sizeof(cookie));
}

static bool is_hello(const uint8_t *p, size_t n)
{
	return n >= HELLO_MIN && p[AT_TYPE] == 22 && !p[AT_EPOCH] && !p[AT_EPOCH + 1] &&
	       p[AT_MESSAGE] == 1;
}

static int receive(int fd, struct letters *l)
{
	for (int i = 0; i < BATCH; i++) {
		l->part[i] = (struct iovec){ l->hello[i], HELLO_MAX };
		l->message[i].msg_hdr = (struct msghdr){ .msg_name = &l->from[i],
							 .msg_namelen = sizeof(l->from[i]),
							 .msg_iov = &l->part[i],
							 .msg_iovlen = 1,
							 .msg_control = l->control[i],
							 .msg_controllen = GATE_CONTROL_MAX };
	}
	return recvmmsg(fd, l->message, BATCH, MSG_DONTWAIT, NULL);
}

static void take(struct doorman *d, const struct letters *l, int i, int64_t now)
{
	const struct msghdr *m = &l->message[i].msg_hdr;
	const uint8_t *p = l->hello[i];
	struct hello h = { .from = l->from[i],
			   .control_size = (uint8_t)m->msg_controllen,
			   .at = now };

	if (!is_hello(p, l->message[i].msg_len) || m->msg_controllen > sizeof(h.control))
		return;
	h.resumes = p[AT_SESSION] > 0;
	h.id = steer_cookie(&d->steer, sender_of(&h));
	memcpy(h.sequence, p + AT_SEQUENCE, sizeof(h.sequence));
	memcpy(h.control, l->control[i], m->msg_controllen);
	gate_wait(d->gate, &h);
}

static void read_all(struct doorman *d, int64_t now)
{
	int n = BATCH;

	for (int i = 0; i < BATCHES && n == BATCH; i++) {
		n = receive(d->fd, d->letters);
		for (int k = 0; k < n; k++)
			take(d, d->letters, k, now);
	}
}

/* What came with the hello says to which of our addresses it was sent; from there the answer
 * goes. */
static int write_answers(struct doorman *d, struct letters *l, int64_t now)
{
	struct hello h;
	int n = 0;

	for (; n < BATCH && gate_next(d->gate, now, &h); n++) {
		l->from[n] = h.from;
		memcpy(l->control[n], h.control, h.control_size);
		write_reply(&d->steer, &h, l->reply[n]);
		l->part[n] = (struct iovec){ l->reply[n], REPLY_SIZE };
		l->message[n].msg_hdr =
			(struct msghdr){ .msg_name = &l->from[n],
					 .msg_namelen = h.from.sin6_family == AF_INET6
								? sizeof(struct sockaddr_in6)
								: sizeof(struct sockaddr_in),
					 .msg_iov = &l->part[n],
					 .msg_iovlen = 1,
					 .msg_control = l->control[n],
					 .msg_controllen = h.control_size };
	}
	return n;
}

static int answer_batch(struct doorman *d, int64_t now)
{
	struct mmsghdr *m = d->letters->message;
	int n = write_answers(d, d->letters, now);

	for (int sent = 0; sent < n;) {
		int k = sendmmsg(d->fd, m + sent, (unsigned)(n - sent), MSG_DONTWAIT);
		/* The one that cannot be sent is left out: its sender asks again. */
		sent += k > 0 ? k : 1;
	}
	return n;
}

static void rotate(struct doorman *d, int64_t now)
{
	if (now - d->rotated_at <= ROTATE_US)
		return;
	d->rotated_at = now;
	steer_rotate(&d->steer);
	if (!steer_attach(&d->steer, d->fd))
		log_warn("the cookies' key cannot be changed", "why", strerror(errno));
}

static struct gate_load load_of(const struct coap_server *s, int64_t now)
{
	struct gate_load load = { .waits_us = dispatch_waits_us(s->dispatcher, now) };

	for (int i = 0; i < s->threads; i++) {
		int64_t took = atomic_load_explicit(&s->nets[i].took_us, memory_order_relaxed);

		load.took_us = took > load.took_us ? took : load.took_us;
		load.begun += atomic_load_explicit(&s->nets[i].stats.begun_total,
						   memory_order_relaxed);
		load.handshakes += atomic_load_explicit(&s->nets[i].stats.handshakes,
							memory_order_relaxed);
		load.handshakes_us += atomic_load_explicit(&s->nets[i].stats.handshakes_us,
							   memory_order_relaxed);
	}
	return load;
}

static void open_door(struct doorman *d, int64_t now)
{
	int n = BATCH;

	if (d->ready)
		read_all(d, now);
	d->ready = false;
	for (int i = 0; i < ANSWERS && n == BATCH; i++)
		n = answer_batch(d, now);
}

void doorman_turn(struct net *net)
{
	struct doorman *d = net->doorman;
	int64_t now = clock_monotonic();
	struct gate_load load = load_of(net->server, now);

	rotate(d, now);
	gate_pace(d->gate, now, &load);
	if (d->ready || gate_is_busy(d->gate))
		open_door(d, now);
}

int64_t doorman_next(const struct net *net)
{
	bool busy = net->doorman && gate_is_busy(net->doorman->gate);

	return busy ? net->now + AGAIN_US : INT64_MAX;
}

static bool set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool doorman_bind(struct doorman *d, coap_address_t *a)
{
	bool v6 = a->addr.sa.sa_family == AF_INET6;
	socklen_t size = sizeof(a->addr);

	set(d->fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_MAX);
	set(d->fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_MAX);
	if (v6)
		set(d->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	return set(d->fd, SOL_SOCKET, SO_REUSEPORT, 1) &&
	       (v6 ? set(d->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
		   : set(d->fd, IPPROTO_IP, IP_PKTINFO, 1)) &&
	       bind(d->fd, &a->addr.sa, a->size) == 0 && steer_attach(&d->steer, d->fd) &&
	       getsockname(d->fd, &a->addr.sa, &size) == 0;
}

struct doorman *doorman_open(coap_address_t *a, int shards, int sessions_max)
{
	struct doorman *d = xcalloc(1, sizeof(*d));

	steer_init(&d->steer, (uint32_t)shards);
	d->gate = gate_create(sessions_max);
	d->letters = xmalloc(sizeof(*d->letters));
	d->rotated_at = clock_monotonic();
	d->fd = socket(a->addr.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd >= 0 && doorman_bind(d, a))
		return d;
	log_warn("hellos are not looked at in the kernel; forged ones will cost more", "why",
		 strerror(errno));
	doorman_close(d);
	return NULL;
}

void doorman_close(struct doorman *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	gate_free(d->gate);
	free(d->letters);
	explicit_bzero(d, sizeof(*d));
	free(d);
}
