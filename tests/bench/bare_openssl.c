/* Twin: OpenSSL alone.  Both ends of DTLS 1.2 handshakes in one process, over a socket pair;
 * only the server's end is measured: making its SSL, every call of its handshake, freeing it.
 *
 *   bare_openssl --cert FILE --key FILE --ca FILE --device-cert FILE --device-key FILE
 *       [--seconds S]
 *
 * As the daemon does it: P-256, client certificate asked for and verified, cookie, ticket. */

#include "tests/bench/load.h"

#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 20
#define MTU        1400

static const char *cert, *key, *ca, *device_cert, *device_key;
static double seconds = 1;

static double thread_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int make_cookie(SSL *ssl, unsigned char *ret, unsigned *ret_size)
{
	(void)ssl;
	memcpy(ret, "cookie", 6);
	*ret_size = 6;
	return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned size)
{
	(void)ssl;
	return size == 6 && memcmp(cookie, "cookie", 6) == 0;
}

static SSL_CTX *make_server(void)
{
	SSL_CTX *ctx = SSL_CTX_new(DTLS_server_method());

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"bench", 5);
	SSL_CTX_set_cookie_generate_cb(ctx, make_cookie);
	SSL_CTX_set_cookie_verify_cb(ctx, check_cookie);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set1_groups_list(ctx, "P-256");
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		load_die("the server's certificate");
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca));
	return ctx;
}

static SSL_CTX *make_client(void)
{
	SSL_CTX *ctx = SSL_CTX_new(DTLS_client_method());

	SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
	SSL_CTX_set1_groups_list(ctx, "P-256");
	if (SSL_CTX_use_certificate_file(ctx, device_cert, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, device_key, SSL_FILETYPE_PEM) != 1)
		load_die("the device's certificate");
	return ctx;
}

/* One end of the pair; the BIO wants an address, whatever it is. */
static SSL *make_end(SSL_CTX *ctx, int fd, bool server)
{
	struct sockaddr_in6 nobody = { .sin6_family = AF_INET };
	SSL *ssl = SSL_new(ctx);
	BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);

	BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &nobody);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(ssl, MTU);
	if (server) {
		SSL_set_options(ssl, SSL_OP_COOKIE_EXCHANGE);
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
	}
	return ssl;
}

/* CPU seconds of the server's end. */
static double handshake(SSL_CTX *server, SSL_CTX *client)
{
	int fds[2], mine = 0, theirs = 0;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) != 0)
		load_die("no socket pair");
	SSL *c = make_end(client, fds[0], false);
	double began = thread_cpu(), used;
	SSL *s = make_end(server, fds[1], true);
	used = thread_cpu() - began;
	for (int i = 0; i < ROUNDS_MAX && !(mine == 1 && theirs == 1); i++) {
		if (theirs != 1)
			theirs = SSL_do_handshake(c);
		began = thread_cpu();
		if (mine != 1)
			mine = SSL_do_handshake(s);
		used += thread_cpu() - began;
	}
	if (mine != 1 || theirs != 1)
		load_die("a handshake failed");
	began = thread_cpu();
	SSL_free(s);
	used += thread_cpu() - began;
	SSL_free(c);
	close(fds[0]);
	close(fds[1]);
	return used;
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "cert", 1, NULL, 0 },       { "key", 1, NULL, 1 },
		{ "ca", 1, NULL, 2 },         { "device-cert", 1, NULL, 3 },
		{ "device-key", 1, NULL, 4 }, { "seconds", 1, NULL, 5 },
		{ NULL, 0, NULL, 0 },
	};
	const char **texts[] = { &cert, &key, &ca, &device_cert, &device_key };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == '?')
			exit(2);
		if (c == 5)
			seconds = strtod(optarg, NULL);
		else
			*texts[c] = optarg;
	}
}

int main(int argc, char **argv)
{
	unsigned long long n = 0;
	double used = 0;

	read_options(argc, argv);
	SSL_CTX *server = make_server(), *client = make_client();
	int64_t end = load_now() + (int64_t)(seconds * 1e6);
	for (int i = 0; i < 20; i++)
		(void)handshake(server, client);
	for (; load_now() < end; n++)
		used += handshake(server, client);
	printf("{\"count\": %llu, \"server_cpu\": %.6f}\n", n, used);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return 0;
}
