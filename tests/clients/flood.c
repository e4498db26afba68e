/* Forged ClientHellos, from senders that are not there: each comes from another address of
 * 127.0.0.0/8, and nobody reads the answers.
 *
 *   flood PORT PER_SECOND SECONDS COOKIE_SIZE
 *
 * COOKIE_SIZE 0: first hellos; else they pretend to have had an answer, with a random cookie.
 * Prints how many were sent. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOCKETS   16
#define BATCH     32
#define HELLO_MAX 160

static uint64_t state;

static uint32_t chance(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(z >> 16);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One record, one handshake message: version, random, session id, cookie, one suite with a key,
 * no compression. */
static size_t hello(uint8_t *out, size_t cookie)
{
	size_t body = 2 + 32 + 1 + 1 + cookie + 4 + 2, n = 25;

	memset(out, 0, HELLO_MAX);
	memcpy(out, "\x16\xfe\xff", 3);
	out[12] = (uint8_t)(12 + body);
	out[13] = 1;
	out[16] = out[24] = (uint8_t)body;
	out[n++] = 0xfe;
	out[n++] = 0xfd;
	for (size_t i = 0; i < 32; i++)
		out[n++] = (uint8_t)chance();
	out[n++] = 0;
	out[n++] = (uint8_t)cookie;
	for (size_t i = 0; i < cookie; i++)
		out[n++] = (uint8_t)chance();
	memcpy(out + n, "\x00\x02\xc0\xa8\x01\x00", 6);
	return n + 6;
}

struct letter {
	struct iovec part;
	uint8_t bytes[HELLO_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control;
};

static void write_letter(struct letter *l, struct msghdr *h, struct sockaddr_in *to,
			 size_t cookie)
{
	struct in_pktinfo from = { .ipi_spec_dst.s_addr =
					   htonl(0x7f000000u | (chance() & 0xffffff)) };

	l->part = (struct iovec){ l->bytes, hello(l->bytes, cookie) };
	*h = (struct msghdr){ .msg_name = to,
			      .msg_namelen = sizeof(*to),
			      .msg_iov = &l->part,
			      .msg_iovlen = 1,
			      .msg_control = &l->control,
			      .msg_controllen = sizeof(l->control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(c), &from, sizeof(from));
}

static long flood(const int *fds, struct sockaddr_in *to, double rate, double length,
		  size_t cookie)
{
	static struct letter letters[BATCH];
	struct mmsghdr messages[BATCH];
	double began = seconds();
	long sent = 0;

	memset(messages, 0, sizeof(messages));
	for (int turn = 0; seconds() - began < length; turn++) {
		if ((double)sent > (seconds() - began) * rate) {
			nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
			continue;
		}
		for (int i = 0; i < BATCH; i++)
			write_letter(&letters[i], &messages[i].msg_hdr, to, cookie);
		int n = sendmmsg(fds[turn % SOCKETS], messages, BATCH, 0);
		sent += n > 0 ? n : 0;
	}
	return sent;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fds[SOCKETS];

	if (argc != 5)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	state = (uint64_t)time(NULL) << 20;
	for (int i = 0; i < SOCKETS; i++)
		fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
	printf("%ld\n", flood(fds, &to, atof(argv[2]), atof(argv[3]), (size_t)atoi(argv[4])));
	return 0;
}
