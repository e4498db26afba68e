/* What a handshake is given.  The one thing to know: libcoap would parse the PEM files again at
 * every ClientHello and never lets us see its SSL_CTX.  So it is told that there are keys in
 * files without naming one, and everything is set on the SSL object, and once on its SSL_CTX,
 * in the callback that it offers "for additional set-up". */

#include "server/coap/dtls_internal.h"

#include "base/hash.h"
#include "base/log.h"
#include "certs/certs.h"
#include "server/coap/coap_steer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX    4
#define CA_MAX       16
#define VERIFY_DEPTH 3
/* Of what we send, in one record; no datagram of ours is as large.  Each session has a buffer
 * of this size for as long as it lives: 16 KiB by default. */
#define RECORD_MAX 2048

/* AEAD only.  The client's order counts: a device knows what its hardware does well. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
			      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-CCM8:"
			      "ECDHE-ECDSA-AES128-CCM:ECDHE-PSK-CHACHA20-POLY1305:"
			      "PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:"
			      "PSK-CHACHA20-POLY1305:PSK-AES128-CCM8:PSK-AES128-CCM";
static const char groups[] = "P-256:X25519:P-384";
static const char sigalgs[] = "ECDSA+SHA256:ECDSA+SHA384";
static const uint8_t id_context[] = "muster";

static enum rc bad_file(const char *what, const char *path)
{
	ERR_clear_error();
	log_error("cannot use a file for DTLS", "what", what, "path", path);
	return RC_INVALID;
}

static enum rc load_certificate(struct dtls *d, const char *path)
{
	CLEAN(bio) BIO *in = BIO_new_file(path, "r");
	X509 *x;

	d->cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	if (!d->cert)
		return bad_file("certificate", path);
	d->chain = sk_X509_new_null();
	while (d->chain && sk_X509_num(d->chain) < CHAIN_MAX &&
	       (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		if (sk_X509_push(d->chain, x) <= 0)
			X509_free(x);
	}
	ERR_clear_error(); /* the end of the file is an error to OpenSSL */
	return d->chain ? RC_OK : RC_INTERNAL;
}

static enum rc load_key(struct dtls *d, const char *path)
{
	CLEAN(bio) BIO *in = BIO_new_file(path, "r");

	d->key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
	if (!d->key)
		return bad_file("key", path);
	if (X509_check_private_key(d->cert, d->key) != 1)
		return bad_file("key of another certificate", path);
	return RC_OK;
}

static bool trust(struct dtls *d, X509 *ca)
{
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(ca));

	if (!name || sk_X509_NAME_push(d->ca_names, name) <= 0) {
		X509_NAME_free(name);
		return false;
	}
	return X509_STORE_add_cert(d->store, ca) == 1;
}

static enum rc load_trust(struct dtls *d, const char *path)
{
	CLEAN(bio)
	BIO *in = path ? BIO_new_file(path, "r")
		       : BIO_new_mem_buf(certs_chain_pem(d->core->certs), -1);
	int n = 0;

	d->store = X509_STORE_new();
	d->ca_names = sk_X509_NAME_new_null();
	for (; in && d->store && d->ca_names && n < CA_MAX; n++) {
		CLEAN(x509) X509 *ca = PEM_read_bio_X509(in, NULL, NULL, NULL);

		if (!ca || !trust(d, ca))
			break;
	}
	if (n == 0)
		return bad_file("CA certificates", path ? path : "(embedded)");
	ERR_clear_error();
	d->own_ca = !path;
	return RC_OK;
}

enum rc dtls_create(const struct core *core, const struct dtls_options *options,
		    struct dtls **ret)
{
	struct dtls *d = xcalloc(1, sizeof(*d));

	d->core = core;
	pthread_mutex_init(&d->tickets.mutex, NULL);
	random_bytes(d->decoy, sizeof(d->decoy));
	d->guesses = guesses_create();
	enum rc rc = load_certificate(d, options->cert_path);
	if (rc == RC_OK)
		rc = load_key(d, options->key_path);
	if (rc == RC_OK)
		rc = load_trust(d, options->ca_path);
	if (rc == RC_OK)
		rc = tickets_open(d, options);
	if (rc != RC_OK) {
		dtls_free(d);
		return rc;
	}
	*ret = d;
	return RC_OK;
}

void dtls_free(struct dtls *d)
{
	if (!d)
		return;
	tickets_close(d);
	guesses_free(d->guesses);
	pthread_mutex_destroy(&d->tickets.mutex);
	X509_free(d->cert);
	EVP_PKEY_free(d->key);
	sk_X509_pop_free(d->chain, X509_free);
	X509_STORE_free(d->store);
	sk_X509_NAME_pop_free(d->ca_names, X509_NAME_free);
	OPENSSL_cleanse(d, sizeof(*d));
	free(d);
}

/* Once for each SSL_CTX, at its first handshake.  What an SSL copies from its SSL_CTX when it
 * is made is set on the SSL as well, in prepare_ssl(): the first two exist already.  Only their
 * buffers stay as large as they were. */
static bool prepare_ctx(struct dtls *d, SSL_CTX *ctx)
{
	if (SSL_CTX_set_cipher_list(ctx, ciphers) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, groups) != 1 ||
	    SSL_CTX_set1_sigalgs_list(ctx, sigalgs) != 1 ||
	    SSL_CTX_set1_client_sigalgs_list(ctx, sigalgs) != 1 ||
	    SSL_CTX_set_max_send_fragment(ctx, RECORD_MAX) != 1)
		return false;
	/* Tickets resume; the cache would keep 20,000 sessions for nothing. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, DTLS_TICKET_LIFE_S);
	return tickets_attach(d, ctx);
}

static bool prepare_ssl(SSL *ssl)
{
	SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* Without it a client certificate never resumes. */
	return SSL_set_session_id_context(ssl, id_context, sizeof(id_context) - 1) == 1 &&
	       SSL_set_min_proto_version(ssl, DTLS1_2_VERSION) == 1 &&
	       SSL_set1_groups_list(ssl, groups) == 1 &&
	       SSL_set1_sigalgs_list(ssl, sigalgs) == 1 &&
	       SSL_set1_client_sigalgs_list(ssl, sigalgs) == 1;
}

static int verify_nothing_more(int ok, X509_STORE_CTX *x)
{
	(void)x;
	return ok;
}

static bool prepare_certificate(struct dtls *d, SSL *ssl)
{
	STACK_OF(X509_NAME) *names = SSL_dup_CA_list(d->ca_names);

	if (!names)
		return false;
	SSL_set_client_CA_list(ssl, names);
	SSL_set_verify(
		ssl, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
		verify_nothing_more);
	SSL_set_verify_depth(ssl, VERIFY_DEPTH);
	return SSL_use_cert_and_key(ssl, d->cert, d->key, d->chain, 1) == 1 &&
	       SSL_set1_verify_cert_store(ssl, d->store) == 1;
}

/* Inside every ClientHello.  libcoap has decided by then whether the client comes with PSK, and
 * asks for a peer certificate only if not: a PSK client is given no certificate, or a client
 * that offers both kinds of suites could end on either. */
static int prepare_handshake(void *tls, coap_dtls_pki_t *setup)
{
	struct dtls_port *port = setup->cn_call_back_arg;
	SSL *ssl = tls;
	bool with_certificate = SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER;

	if (!port->prepared)
		port->prepared = prepare_ctx(port->dtls, SSL_get_SSL_CTX(ssl));
	bool ok = port->prepared && prepare_ssl(ssl) &&
		  (!with_certificate || prepare_certificate(port->dtls, ssl));
	if (ok && port->dtls->cookies_checked)
		handshake_begins(port, ssl);
	/* libcoap could not load the certificate that it was not given, and left an error. */
	ERR_clear_error();
	return ok;
}

static bool set_psk(struct dtls *d, coap_context_t *ctx)
{
	/* Not empty, or libcoap 4.3.1 takes no PSK client once certificates are set up; never
	 * used, because identity_key() has a key for every identity. */
	coap_dtls_spsk_t psk = {
		.version = COAP_DTLS_SPSK_SETUP_VERSION,
		.validate_id_call_back = identity_key,
		.id_call_back_arg = d,
		.psk_info.key = { .length = sizeof(d->decoy), .s = d->decoy },
	};

	return coap_context_set_psk2(ctx, &psk) == 1;
}

static bool set_pki(struct dtls_port *port, coap_context_t *ctx)
{
	coap_dtls_pki_t pki = {
		.version = COAP_DTLS_PKI_SETUP_VERSION,
		.verify_peer_cert = 1,
		.cert_chain_validation = 1,
		.cert_chain_verify_depth = VERIFY_DEPTH,
		.additional_tls_setup_call_back = prepare_handshake,
		.cn_call_back_arg = port,
		.pki_key.key_type = COAP_PKI_KEY_PEM,
	};

	return coap_context_set_pki(ctx, &pki) == 1;
}

/* --- cookies ------------------------------------------------------------------------------ */

void dtls_cookies_are_checked(struct dtls *d, bool checked)
{
	d->cookies_checked = checked;
}

/* Who shows none has been answered already, and does not come here. */
static int cookie_make(SSL *ssl, unsigned char *cookie, unsigned int *ret_size)
{
	(void)ssl;
	(void)cookie;
	*ret_size = 0;
	return 0;
}

static int cookie_check(SSL *ssl, const unsigned char *cookie, unsigned int size)
{
	(void)ssl;
	(void)cookie;
	return size == STEER_COOKIE_SIZE;
}

/* A socket that nobody reads, for a client that is not meant. */
static int nowhere_open(coap_address_t *ret)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(ret->addr);

	coap_address_init(ret);
	ret->addr.sin = (struct sockaddr_in){ .sin_family = AF_INET,
					      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd >= 0 && bind(fd, &ret->addr.sa, sizeof(ret->addr.sin)) == 0 &&
	    getsockname(fd, &ret->addr.sa, &size) == 0)
		ret->size = size;
	return fd;
}

/* libcoap shows its SSL_CTX only through a session.  Before the first one of a peer we need it
 * already, so one is begun as a client, which uses the same, and dropped. */
static bool take_over_cookies(coap_context_t *ctx)
{
	coap_tls_library_t library;
	coap_address_t nowhere;
	CLEAN(fd) int fd = nowhere_open(&nowhere);
	coap_session_t *s =
		fd >= 0 ? coap_new_client_session(ctx, NULL, &nowhere, COAP_PROTO_DTLS) : NULL;
	SSL *ssl = s ? coap_session_get_tls(s, &library) : NULL;

	if (ssl) {
		SSL_CTX_set_cookie_generate_cb(SSL_get_SSL_CTX(ssl), cookie_make);
		SSL_CTX_set_cookie_verify_cb(SSL_get_SSL_CTX(ssl), cookie_check);
	}
	if (s)
		coap_session_release(s);
	return ssl != NULL;
}

enum rc dtls_port_create(struct dtls *d, coap_context_t *ctx, struct dtls_handshakes *h,
			 struct dtls_port **ret)
{
	struct dtls_port *port = xcalloc(1, sizeof(*port));

	port->dtls = d;
	port->handshakes = h;
	if ((d->cookies_checked && !take_over_cookies(ctx)) || !set_psk(d, ctx) ||
	    !set_pki(port, ctx)) {
		log_error("DTLS cannot be set up");
		free(port);
		return RC_INTERNAL;
	}
	*ret = port;
	return RC_OK;
}

void dtls_port_free(struct dtls_port *p)
{
	free(p);
}
