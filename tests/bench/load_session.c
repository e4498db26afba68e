/* One device of load_dtls: OpenSSL alone, the cheapest client there is. */

#include "tests/bench/load_dtls.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define ADDRESS_FIRST 0x7f010001u /* 127.1.0.1 */
#define NAME_MAX_SIZE 64
#define KEY_MAX       64
#define RECORD_MAX    1400

static SSL_CTX *ctx;
static const struct options *o;
static uint8_t fixed_key[KEY_MAX];
static size_t fixed_key_size;

static size_t unhex(const char *text, uint8_t *ret, size_t max)
{
	size_t n = 0;

	for (; n < max && text[0] && text[1]; text += 2) {
		char pair[3] = { text[0], text[1], 0 };

		ret[n++] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

static void name_of(const struct session *s, char ret[NAME_MAX_SIZE])
{
	snprintf(ret, NAME_MAX_SIZE, "%s-%05u", o->prefix, (unsigned)(o->first + s->number));
}

static unsigned give_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_max,
			 unsigned char *psk, unsigned psk_max)
{
	const struct session *s = SSL_get_app_data(ssl);
	char name[NAME_MAX_SIZE], text[256];

	(void)hint;
	name_of(s, name);
	snprintf(identity, identity_max, "%s", name);
	if (fixed_key_size) {
		memcpy(psk, fixed_key, fixed_key_size);
		return (unsigned)fixed_key_size;
	}
	int n = snprintf(text, sizeof(text), "%s:%s", o->psk_secret, name);
	if (psk_max < SHA256_DIGEST_LENGTH)
		return 0;
	SHA256((const unsigned char *)text, (size_t)n, psk);
	return SHA256_DIGEST_LENGTH;
}

static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct session *s = SSL_get_app_data(ssl);

	SSL_SESSION_free(s->ticket);
	s->ticket = ticket;
	return 1;
}

static const char *ciphers_of(void)
{
	bool both = o->cert_dir && (o->psk_secret || o->psk_hex);

	if (o->ciphers)
		return o->ciphers;
	if (both)
		return "ECDHE-ECDSA-AES128-GCM-SHA256:PSK-AES128-GCM-SHA256";
	return o->cert || o->cert_dir ? "ECDHE-ECDSA-AES128-GCM-SHA256"
				      : "PSK-AES128-GCM-SHA256";
}

void session_library(const struct options *options)
{
	o = options;
	ctx = SSL_CTX_new(DTLS_client_method());
	SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION);
	if (SSL_CTX_set_cipher_list(ctx, ciphers_of()) != 1)
		load_die("ciphers");
	SSL_CTX_set1_groups_list(ctx, "P-256");
	if (o->psk_hex)
		fixed_key_size = unhex(o->psk_hex, fixed_key, sizeof(fixed_key));
	if (o->psk_secret || o->psk_hex)
		SSL_CTX_set_psk_client_callback(ctx, give_psk);
	if (o->cert && (SSL_CTX_use_certificate_file(ctx, o->cert, SSL_FILETYPE_PEM) != 1 ||
			SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1))
		load_die("--cert and --key");
	if (!o->resume) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		return;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep_ticket);
}

static FILE *open_pem(const struct session *s, const char *kind)
{
	char name[NAME_MAX_SIZE], path[4096];

	name_of(s, name);
	snprintf(path, sizeof(path), "%s/%s.%s", o->cert_dir, name, kind);
	FILE *f = fopen(path, "r");
	if (!f)
		load_die(path);
	return f;
}

static void load_certificate(struct session *s)
{
	if (s->cert)
		return;
	FILE *f = open_pem(s, "crt");
	s->cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	f = open_pem(s, "key");
	s->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	if (!s->cert || !s->key)
		load_die("a certificate or key cannot be read");
}

static bool set_credential(struct session *s)
{
	if (!o->cert_dir)
		return true;
	if (s->number >= o->certs && o->certs)
		return SSL_set_cipher_list(s->ssl, "PSK-AES128-GCM-SHA256") == 1;
	load_certificate(s);
	SSL_set_psk_client_callback(s->ssl, NULL);
	return SSL_set_cipher_list(s->ssl, "ECDHE-ECDSA-AES128-GCM-SHA256") == 1 &&
	       SSL_use_certificate(s->ssl, s->cert) == 1 &&
	       SSL_use_PrivateKey(s->ssl, s->key) == 1;
}

static int make_socket(const struct session *s, struct sockaddr_in *to)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(ADDRESS_FIRST + s->number) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*to = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)o->port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    connect(fd, (struct sockaddr *)to, sizeof(*to)) != 0)
		return -1;
	return fd;
}

bool session_open(struct session *s, const struct options *options, int epoll)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = s->number };
	struct sockaddr_in to;

	(void)options;
	s->fd = make_socket(s, &to);
	if (s->fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &e) != 0)
		return false;
	s->ssl = SSL_new(ctx);
	BIO *bio = BIO_new_dgram(s->fd, BIO_NOCLOSE);
	BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &to);
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_options(s->ssl, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(s->ssl, RECORD_MAX);
	SSL_set_app_data(s->ssl, s);
	SSL_set_connect_state(s->ssl);
	if (o->resume && s->ticket)
		SSL_set_session(s->ssl, s->ticket);
	return set_credential(s);
}

void session_close(struct session *s)
{
	if (!s->ssl)
		return;
	if (SSL_is_init_finished(s->ssl))
		SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	s->ssl = NULL;
	close(s->fd);
	ERR_clear_error();
}

int session_handshake(struct session *s)
{
	int r = SSL_do_handshake(s->ssl);

	if (r == 1)
		return 1;
	int error = SSL_get_error(s->ssl, r);
	ERR_clear_error();
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

bool session_was_resumed(const struct session *s)
{
	return SSL_session_reused(s->ssl) == 1;
}

void session_timeout(struct session *s)
{
	DTLSv1_handle_timeout(s->ssl);
	ERR_clear_error();
}

void session_send(struct session *s, const uint8_t *p, size_t n)
{
	SSL_write(s->ssl, p, (int)n);
}

int session_receive(struct session *s, uint8_t *ret, size_t max)
{
	int n = SSL_read(s->ssl, ret, (int)max);

	if (n > 0)
		return n;
	int error = SSL_get_error(s->ssl, n);
	ERR_clear_error();
	return error == SSL_ERROR_WANT_READ ? 0 : -1;
}
