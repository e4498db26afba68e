/* A DTLS 1.2 client that does what it is told, for tests of the transport: it sends and prints
 * whole records, binds the port that it is given, keeps and uses session tickets, and can go
 * away without a word.
 *
 *   dtls --port P [--from PORT] [--source IP] [--ca FILE]
 *        [--psk NAME:HEXKEY | --cert FILE --key FILE]
 *        [--ciphers LIST] [--session-in FILE] [--session-out FILE] [--timeout SECONDS]
 *
 * It prints "connected resumed=0 cipher=NAME" or "failed WHY" (and exits with 1).  Then it
 * reads lines: "send HEX", "close" (says goodbye), "drop" (does not); and prints "got HEX" and,
 * when the server says goodbye, "closed". */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct options {
	int port, from, timeout_s;
	char *source, *psk, *cert, *key, *ca, *ciphers, *session_in, *session_out;
};

static struct options options = { .timeout_s = 5 };
static unsigned char psk_key[64];
static size_t psk_size;

static void fail(const char *why)
{
	unsigned long e = ERR_peek_last_error();

	printf("failed %s%s%s\n", why, e ? ": " : "", e ? ERR_reason_error_string(e) : "");
	exit(1);
}

static size_t unhex(const char *text, unsigned char *ret, size_t max)
{
	size_t n = 0;

	for (; n < max && text[0] && text[1] && text[0] != '\n'; text += 2) {
		char pair[3] = { text[0], text[1], 0 };

		ret[n++] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return n;
}

static unsigned give_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_max,
			 unsigned char *psk, unsigned psk_max)
{
	(void)ssl;
	(void)hint;
	if (psk_size > psk_max)
		return 0;
	snprintf(identity, identity_max, "%s", options.psk);
	memcpy(psk, psk_key, psk_size);
	return (unsigned)psk_size;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	FILE *f = fopen(options.session_out, "w");

	(void)ssl;
	if (f) {
		PEM_write_SSL_SESSION(f, session);
		fclose(f);
	}
	return 0;
}

static SSL_CTX *make_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(DTLS_client_method());

	SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION);
	if (options.ciphers && SSL_CTX_set_cipher_list(ctx, options.ciphers) != 1)
		fail("ciphers");
	if (options.psk) {
		char *colon = strchr(options.psk, ':');

		if (!colon)
			fail("--psk NAME:HEXKEY");
		*colon = '\0';
		psk_size = unhex(colon + 1, psk_key, sizeof(psk_key));
		SSL_CTX_set_psk_client_callback(ctx, give_psk);
		if (!options.ciphers)
			SSL_CTX_set_cipher_list(ctx, "PSK-AES128-CCM8:PSK-AES128-GCM-SHA256");
	}
	if (options.cert &&
	    (SSL_CTX_use_certificate_chain_file(ctx, options.cert) != 1 ||
	     SSL_CTX_use_PrivateKey_file(ctx, options.key, SSL_FILETYPE_PEM) != 1))
		fail("certificate");
	if (options.ca) {
		if (SSL_CTX_load_verify_file(ctx, options.ca) != 1)
			fail("ca");
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	}
	if (options.session_out) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
	}
	return ctx;
}

static int make_socket(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)options.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)options.from),
				    .sin_addr.s_addr = options.source
							       ? inet_addr(options.source)
							       : htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	/* Only a port that was asked for may be another's: with it the kernel would choose one
	 * that is in use, too. */
	if (options.from)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		fail(strerror(errno));
	return fd;
}

static SSL *make_ssl(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);

	getpeername(fd, (struct sockaddr *)&peer, &size);
	BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &peer);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(ssl, 1400);
	if (options.session_in) {
		FILE *f = fopen(options.session_in, "r");
		SSL_SESSION *session = f ? PEM_read_SSL_SESSION(f, NULL, NULL, NULL) : NULL;

		if (!session || SSL_set_session(ssl, session) != 1)
			fail("session");
		fclose(f);
		SSL_SESSION_free(session);
	}
	return ssl;
}

/* Milliseconds until the handshake must repeat itself, at most a second. */
static int repeat_ms(SSL *ssl)
{
	struct timeval left;

	if (!DTLSv1_get_timeout(ssl, &left) || left.tv_sec >= 1)
		return 1000;
	return (int)(left.tv_usec / 1000) + 1;
}

static void handshake(SSL *ssl, int fd)
{
	time_t until = time(NULL) + options.timeout_s;

	for (;;) {
		int r = SSL_connect(ssl);
		int error = r == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, r);
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (r == 1)
			return;
		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
			fail("handshake");
		if (time(NULL) > until) {
			ERR_clear_error();
			fail("timeout");
		}
		poll(&p, 1, repeat_ms(ssl));
		DTLSv1_handle_timeout(ssl);
	}
}

static bool obey(SSL *ssl, const char *line)
{
	unsigned char record[2048];

	if (strncmp(line, "send ", 5) == 0)
		SSL_write(ssl, record, (int)unhex(line + 5, record, sizeof(record)));
	else if (strncmp(line, "close", 5) == 0)
		SSL_shutdown(ssl);
	else if (strncmp(line, "drop", 4) == 0)
		return false;
	return true;
}

/* Prints what came; false when the server said goodbye. */
static bool listen_once(SSL *ssl)
{
	unsigned char record[2048];
	int n;

	while ((n = SSL_read(ssl, record, sizeof(record))) > 0) {
		printf("got ");
		for (int i = 0; i < n; i++)
			printf("%02x", record[i]);
		printf("\n");
	}
	int error = SSL_get_error(ssl, n);
	if (error == SSL_ERROR_WANT_READ)
		return true;
	printf("closed\n");
	return false;
}

static void talk(SSL *ssl, int fd)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = STDIN_FILENO, .events = POLLIN } };
	char line[8192];
	bool open = true;

	for (;;) {
		poll(p, 2, 1000);
		if (open && (p[0].revents & POLLIN))
			open = listen_once(ssl);
		p[0].fd = open ? fd : -1;
		if (!(p[1].revents & (POLLIN | POLLHUP)))
			continue;
		if (!fgets(line, sizeof(line), stdin) || !obey(ssl, line))
			return;
	}
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "port", 1, NULL, 'p' },       { "from", 1, NULL, 'f' },
		{ "source", 1, NULL, 's' },     { "psk", 1, NULL, 'k' },
		{ "cert", 1, NULL, 'c' },       { "key", 1, NULL, 'j' },
		{ "ca", 1, NULL, 'C' },         { "ciphers", 1, NULL, 'l' },
		{ "session-in", 1, NULL, 'i' }, { "session-out", 1, NULL, 'o' },
		{ "timeout", 1, NULL, 't' },    { NULL, 0, NULL, 0 },
	};
	char **texts[128] = { ['s'] = &options.source,     ['k'] = &options.psk,
			      ['c'] = &options.cert,       ['j'] = &options.key,
			      ['C'] = &options.ca,         ['l'] = &options.ciphers,
			      ['i'] = &options.session_in, ['o'] = &options.session_out };
	int *numbers[128] = {
		['p'] = &options.port, ['f'] = &options.from, ['t'] = &options.timeout_s
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == '?')
			exit(2);
		if (texts[c])
			*texts[c] = optarg;
		else
			*numbers[c] = (int)strtol(optarg, NULL, 10);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	read_options(argc, argv);
	SSL_CTX *ctx = make_context();
	int fd = make_socket();
	SSL *ssl = make_ssl(ctx, fd);

	BIO_ctrl(SSL_get_rbio(ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0,
		 &(struct timeval){ .tv_usec = 1000 });
	handshake(ssl, fd);
	printf("connected resumed=%d cipher=%s\n", SSL_session_reused(ssl),
	       SSL_get_cipher_name(ssl));
	talk(ssl, fd);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return 0;
}
