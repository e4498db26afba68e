/* The client's side of certificates: name check, chain, resumption.  libcoap 4.3.1 checks the
 * chain of the server's certificate but not whose it is, sends only the leaf of ours, parses
 * the files again for every session, never resumes, and calls no hook for clients.  The first
 * flight carries nothing of all that (the server answers it with a cookie), so it is early
 * enough after the session was made. */
#include "agent/link_tls.h"

#include "agent/link_key.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define CHAIN_MAX 4
#define CA_MAX    16

struct link_keys {
	X509_STORE *store;
	X509 *cert; /* NULL: each session brings one */
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
};

/* --- files
 * ------------------------------------------------------------------------------------- */

static bool read_trust(struct link_keys *k, const char *path)
{
	BIO *in = BIO_new_file(path, "r");
	int n = 0;
	k->store = X509_STORE_new();
	while (in && k->store && n < CA_MAX) {
		X509 *ca = PEM_read_bio_X509(in, NULL, NULL, NULL);
		bool added = ca && X509_STORE_add_cert(k->store, ca) == 1;
		X509_free(ca);
		if (!added)
			break;
		n++;
	}
	BIO_free(in);
	return n > 0;
}

static bool read_certificate(struct link_keys *k, const char *path)
{
	BIO *in = BIO_new_file(path, "r");
	X509 *x;
	k->cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	k->chain = sk_X509_new_null();
	while (k->cert && k->chain && sk_X509_num(k->chain) < CHAIN_MAX &&
	       (x = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		if (sk_X509_push(k->chain, x) <= 0)
			X509_free(x);
	BIO_free(in);
	return k->cert && k->chain;
}

static bool read_key(struct link_keys *k, const char *path)
{
	BIO *in = BIO_new_file(path, "r");
	k->key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
	BIO_free(in);
	return k->key;
}

/* The private key is there by now. */
static struct link_keys *complete(struct link_keys *k, const char *ca_file,
				  const char *cert_file)
{
	bool ok = k->key && read_trust(k, ca_file) &&
		  (!cert_file || (read_certificate(k, cert_file) &&
				  X509_check_private_key(k->cert, k->key) == 1));
	ERR_clear_error(); /* the end of a file is an error to OpenSSL */
	if (ok)
		return k;
	link_keys_free(k);
	return NULL;
}

struct link_keys *link_keys_open(const char *ca_file, const char *cert_file,
				 const char *key_file)
{
	struct link_keys *k = calloc(1, sizeof(*k));
	if (k && read_key(k, key_file))
		return complete(k, ca_file, cert_file);
	free(k);
	ERR_clear_error();
	return NULL;
}

struct link_keys *link_keys_with(const char *ca_file, const char *cert_file,
				 struct suit_key *key)
{
	struct link_keys *k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->key = link_key_of(key);
	return complete(k, ca_file, cert_file);
}

void link_keys_free(struct link_keys *k)
{
	if (!k)
		return;
	X509_STORE_free(k->store);
	X509_free(k->cert);
	sk_X509_pop_free(k->chain, X509_free);
	EVP_PKEY_free(k->key);
	free(k);
}

size_t link_certificates_read(const char *path, struct suit_bytes *ret, size_t max)
{
	BIO *in = BIO_new_file(path, "r");
	X509 *x;
	size_t n = 0;
	while (in && n < max && (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		unsigned char *der = NULL;
		int size = i2d_X509(x, &der);
		X509_free(x);
		if (size <= 0)
			break;
		ret[n++] = (struct suit_bytes){ der, (size_t)size };
	}
	BIO_free(in);
	ERR_clear_error();
	return n;
}

/* --- a session
 * --------------------------------------------------------------------------------- */

bool link_tls_is_address(const char *host)
{
	struct in6_addr any;
	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static SSL *ssl_of(coap_session_t *session)
{
	coap_tls_library_t library;
	SSL *ssl = coap_session_get_tls(session, &library);
	return library == COAP_TLS_LIBRARY_OPENSSL ? ssl : NULL;
}

static bool expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	if (link_tls_is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

/* When the server asks for it; 0: the handshake fails. */
static int show_own(SSL *ssl, void *arg)
{
	const struct link_proof *proof = arg;
	const unsigned char *at = proof->certificate.p;
	X509 *own = d2i_X509(NULL, &at, (long)proof->certificate.n);
	int ok = own && SSL_use_cert_and_key(ssl, own, proof->keys->key, NULL, 1) == 1;
	X509_free(own);
	return ok;
}

/* A certificate of the session's own is parsed late: of a crowd that is not let in yet, each
 * makes many sessions that end with the first flight. */
static bool show(SSL *ssl, const struct link_proof *proof)
{
	const struct link_keys *k = proof->keys;
	if (!proof->certificate.n)
		return k->cert && SSL_use_cert_and_key(ssl, k->cert, k->key, k->chain, 1) == 1;
	SSL_set_cert_cb(ssl, show_own, (void *)(uintptr_t)proof);
	return true;
}

/* A session that cannot be resumed costs a handshake in full, no more. */
static void resume(SSL *ssl, struct suit_bytes from)
{
	const unsigned char *at = from.p;
	SSL_SESSION *old = from.n ? d2i_SSL_SESSION(NULL, &at, (long)from.n) : NULL;
	if (old)
		SSL_set_session(ssl, old);
	SSL_SESSION_free(old);
}

bool link_tls_setup(coap_session_t *session, const char *host, const struct link_proof *proof)
{
	SSL *ssl = ssl_of(session);
	if (!ssl || !expect_host(ssl, host) || !show(ssl, proof) ||
	    SSL_set1_verify_cert_store(ssl, proof->keys->store) != 1)
		return false;
	resume(ssl, proof->resume);
	return true;
}

struct suit_bytes link_tls_session(coap_session_t *session)
{
	struct suit_bytes none = { NULL, 0 };
	SSL *ssl = ssl_of(session);
	SSL_SESSION *s = ssl ? SSL_get0_session(ssl) : NULL;
	unsigned char *der = NULL;
	if (!s || !SSL_SESSION_has_ticket(s) || !SSL_SESSION_is_resumable(s))
		return none;
	int n = i2d_SSL_SESSION(s, &der);
	return n > 0 ? (struct suit_bytes){ der, (size_t)n } : none;
}

static void count_record(int sent, int version, int type, const void *buf, size_t n, SSL *ssl,
			 void *arg)
{
	(void)version;
	(void)buf;
	(void)n;
	(void)ssl;
	struct link_tls_traffic *t = arg;
	if (type == SSL3_RT_HEADER)
		++*(sent ? &t->sent : &t->received);
}

void link_tls_count(coap_session_t *session, struct link_tls_traffic *ret)
{
	SSL *ssl = ssl_of(session);
	if (!ssl)
		return;
	SSL_set_msg_callback(ssl, count_record);
	SSL_set_msg_callback_arg(ssl, ret);
}
