/* Keep-alive clients of an HTTPS server, in one thread: each asks, reads the answer, asks
 * again.
 *
 *     load_https PORT PATH CONNECTIONS SECONDS SERVER_PID
 *
 * Certificates are not checked.  The result is a line of JSON. */

#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ANSWER_MAX 16384

struct client {
	int fd;
	SSL *ssl;
	bool open;
	int64_t asked_at;
	size_t have;
	char answer[ANSWER_MAX];
};

static char request[512];
static uint64_t done, bad;
static struct latencies latencies;

static void ask(struct client *c)
{
	int n = (int)strlen(request);

	c->have = 0;
	c->asked_at = load_now();
	if (SSL_write(c->ssl, request, n) != n)
		load_die("a request cannot be written");
}

/* True when the whole answer is there. */
static bool is_whole(struct client *c)
{
	c->answer[c->have] = '\0';
	const char *end = strstr(c->answer, "\r\n\r\n"), *length;
	if (!end)
		return false;
	length = strcasestr(c->answer, "\r\nContent-Length:");
	if (!length || length > end)
		load_die("an answer without a length");
	size_t size = strtoul(length + 17, NULL, 10);
	return c->have >= (size_t)(end + 4 - c->answer) + size;
}

static void read_answer(struct client *c)
{
	int n;

	while ((n = SSL_read(c->ssl, c->answer + c->have, (int)(ANSWER_MAX - 1 - c->have))) >
	       0) {
		c->have += (size_t)n;
		if (!is_whole(c))
			continue;
		bad += strncmp(c->answer, "HTTP/1.1 200", 12) != 0;
		done++;
		latency_add(&latencies, load_now() - c->asked_at);
		ask(c);
	}
	if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
		load_die("a connection ended");
}

static void go_on(struct client *c)
{
	if (!c->open) {
		int n = SSL_do_handshake(c->ssl);
		if (n != 1 && SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
			load_die("a handshake failed");
		if (n != 1)
			return;
		c->open = true;
		ask(c);
	}
	read_answer(c);
}

static void client_open(struct client *c, SSL_CTX *ctx, int epoll, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(port) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		load_die("no connection");
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->ssl = SSL_new(ctx);
	if (!c->ssl)
		load_die("no TLS");
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
	go_on(c);
}

static void run_until(int epoll, int64_t end)
{
	struct epoll_event events[64];

	while (load_now() < end) {
		int n = epoll_wait(epoll, events, ARRAY_LEN(events), 10);
		for (int i = 0; i < n; i++)
			go_on(events[i].data.ptr);
	}
}

int main(int argc, char **argv)
{
	if (argc != 6)
		load_die("see the head of its source");
	size_t count = load_number(argv[3]);
	pid_t server = (pid_t)load_number(argv[5]);
	struct client *clients = calloc(count, sizeof(*clients));
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!clients || !ctx || epoll < 0)
		load_die("no memory");
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		 argv[2]);
	for (size_t i = 0; i < count; i++)
		client_open(&clients[i], ctx, epoll, (uint16_t)load_number(argv[1]));
	run_until(epoll, load_now() + 1000000);
	done = 0;
	memset(&latencies, 0, sizeof(latencies));
	double cpu = load_cpu(server);
	int64_t began = load_now();
	run_until(epoll, began + (int64_t)(strtod(argv[4], NULL) * 1e6));
	printf("{\"count\": %llu, \"bad\": %llu, \"server_cpu\": %.6f, \"seconds\": %.4f, ",
	       (unsigned long long)done, (unsigned long long)bad, load_cpu(server) - cpu,
	       (double)(load_now() - began) / 1e6);
	latency_print(&latencies, stdout);
	printf("}\n");
	return 0;
}
