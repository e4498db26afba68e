/* Twin: the least that answers CoAP over UDP.  recvmmsg, a walk over the options, sendmmsg.
 *
 *   bare_udp [--image FILE]      prints "port N"; GET t gives "ok", GET O a block of the image
 */

#include "tests/bench/load.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define BATCH 64

static const uint8_t *image;
static size_t image_size;

static struct {
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_parts[BATCH], out_parts[BATCH];
	struct sockaddr_in peers[BATCH];
	uint8_t in_bytes[BATCH][MESSAGE_MAX], out_bytes[BATCH][MESSAGE_MAX];
} b;

struct question {
	char path; /* its last letter */
	uint32_t block;
	bool bad;
};

static unsigned extended(const uint8_t **p, unsigned v)
{
	if (v == 13)
		return 13u + *(*p)++;
	if (v == 14) {
		*p += 2;
		return 269u + ((unsigned)(*p)[-2] << 8 | (*p)[-1]);
	}
	return v;
}

static struct question read_options(const uint8_t *p, const uint8_t *end)
{
	struct question q = { .block = 6 };
	unsigned number = 0;

	while (p < end && *p != 0xff) {
		unsigned delta = *p >> 4, size = *p & 15;

		/* The longest head has five bytes. */
		if (end - p < 5 && (delta > 12 || size > 12))
			break;
		p++;
		number += extended(&p, delta);
		size = extended(&p, size);
		if ((size_t)(end - p) < size) {
			q.bad = true;
			break;
		}
		if (number == 11 && size)
			q.path = (char)p[size - 1];
		if (number == 23) {
			q.block = 0;
			for (unsigned i = 0; i < size; i++)
				q.block = q.block << 8 | p[i];
		}
		p += size;
	}
	return q;
}

static size_t put_block(uint8_t *p, uint32_t block)
{
	size_t size = (size_t)16 << (block & 7), at = (block >> 4) * size;
	uint8_t *start = p;

	if (at >= image_size)
		return 0;
	size_t n = image_size - at < size ? image_size - at : size;
	uint32_t option = (block & ~15u) | (at + n < image_size ? 8 : 0) | (block & 7);
	memcpy(p,
	       "\x48"
	       "12345678"
	       "\x81\x2a\xb3",
	       12); /* ETag, Content-Format, Block2 */
	p += 12;
	*p++ = (uint8_t)(option >> 16);
	*p++ = (uint8_t)(option >> 8);
	*p++ = (uint8_t)option;
	*p++ = 0xff;
	memcpy(p, image + at, n);
	return (size_t)(p - start) + n;
}

static size_t answer(const uint8_t *p, size_t n, uint8_t *ret)
{
	size_t token = n >= 4 ? p[0] & 15u : 0;

	if (n < 4 + token || token > 8 || p[0] >> 6 != 1)
		return 0;
	struct question q = read_options(p + 4 + token, p + n);
	ret[0] = (uint8_t)(0x60 | token);
	ret[1] = 0x45;
	memcpy(ret + 2, p + 2, 2 + token);
	uint8_t *body = ret + 4 + token;
	size_t size = 3;
	if (q.path == 'O')
		size = put_block(body, q.block);
	else
		memcpy(body, "\xffok", 3);
	if (!size || q.bad)
		ret[1] = 0x80;
	return 4 + token + size;
}

static void prepare(void)
{
	for (int i = 0; i < BATCH; i++) {
		b.in_parts[i] = (struct iovec){ b.in_bytes[i], MESSAGE_MAX };
		b.in[i].msg_hdr = (struct msghdr){ .msg_name = &b.peers[i],
						   .msg_iov = &b.in_parts[i],
						   .msg_iovlen = 1 };
		b.out_parts[i].iov_base = b.out_bytes[i];
		b.out[i].msg_hdr = (struct msghdr){ .msg_namelen = sizeof(b.peers[i]),
						    .msg_iov = &b.out_parts[i],
						    .msg_iovlen = 1 };
	}
}

/* One batch; false when nothing is there. */
static bool serve(int fd)
{
	unsigned made = 0, sent = 0;

	for (int i = 0; i < BATCH; i++)
		b.in[i].msg_hdr.msg_namelen = sizeof(b.peers[i]);
	int n = recvmmsg(fd, b.in, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		size_t size = answer(b.in_bytes[i], b.in[i].msg_len, b.out_bytes[made]);
		if (!size)
			continue;
		b.out_parts[made].iov_len = size;
		b.out[made++].msg_hdr.msg_name = &b.peers[i];
	}
	while (sent < made) {
		int k = sendmmsg(fd, b.out + sent, made - sent, 0);
		if (k <= 0)
			break;
		sent += (unsigned)k;
	}
	return n == BATCH;
}

static void map_image(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		load_die(path);
	image_size = (size_t)st.st_size;
	image = mmap(NULL, image_size, PROT_READ, MAP_SHARED, fd, 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (argc == 3 && strcmp(argv[1], "--image") == 0)
		map_image(argv[2]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, size) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &size) != 0)
		load_die("no socket");
	load_widen(fd);
	prepare();
	printf("port %u\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;) {
		poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, -1);
		while (serve(fd))
			;
	}
}
