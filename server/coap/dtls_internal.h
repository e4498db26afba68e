/* Inside of dtls_*.c. */
#pragma once

#include "server/coap/dtls.h"

#include "base/clean.h"

#include <openssl/ssl.h>
#include <pthread.h>

#define TICKET_NAME_SIZE 16
#define TICKET_KEY_SIZE  32
#define TICKET_KEYS      2 /* current, previous */

struct ticket_key {
	uint8_t name[TICKET_NAME_SIZE];
	uint8_t cipher[TICKET_KEY_SIZE], mac[TICKET_KEY_SIZE];
	int64_t made_at; /* wall, us; 0: none */
};

struct dtls_tickets {
	pthread_mutex_t mutex; /* held for a copy only */
	struct ticket_key keys[TICKET_KEYS];
	char *path; /* NULL: in memory only */
	uint8_t seal_key[32];
};

struct dtls {
	const struct core *core;
	X509 *cert;
	EVP_PKEY *key;
	STACK_OF(X509) * chain;
	X509_STORE *store; /* device certificates are checked against it */
	STACK_OF(X509_NAME) * ca_names;
	bool cookies_checked; /* by the kernel */
	bool own_ca;          /* then a device's certificate says that it is one */
	uint8_t decoy[32];    /* keys for identities that we do not know, see dtls_identity.c */
	struct dtls_tickets tickets;
	struct dtls_guesses *guesses;
};

struct dtls_port {
	struct dtls *dtls;
	struct dtls_handshakes *handshakes;
	bool prepared; /* its SSL_CTX was seen and set up */
};

CLEAN_DEFINE(x509, X509 *, X509_free)
CLEAN_DEFINE(bio, BIO *, BIO_free_all)
CLEAN_DEFINE(pkey, EVP_PKEY *, EVP_PKEY_free)

/* dtls_guess.c; any thread */
struct dtls_guesses *guesses_create(void);
void guesses_free(struct dtls_guesses *g);
/* A handshake with a PSK begins.  False: too many of this identity failed from this address,
 * and the right key must not open either. */
bool guess_try(struct dtls_guesses *g, const coap_address_t *from,
	       struct bytes identity) MUST_CHECK;
void guess_succeeded(struct dtls_guesses *g, const coap_address_t *from, struct bytes identity);

/* dtls_tickets.c */
enum rc tickets_open(struct dtls *d, const struct dtls_options *options) MUST_CHECK;
void tickets_close(struct dtls *d);
/* Issues and reads tickets of this SSL_CTX with the shared keys. */
bool tickets_attach(struct dtls *d, SSL_CTX *ctx);
/* Of the ticket that a resumed session came with. */
bool ticket_tag(SSL *ssl, uint8_t ret[DTLS_TAG_SIZE]) MUST_CHECK;

/* dtls_begun.c; inside of its first ClientHello */
void handshake_begins(struct dtls_port *port, SSL *ssl);

/* dtls_identity.c */
/* A key for every name: its device's, or when it may not try or there is none, one that nobody
 * has.  Yields its size. */
size_t identity_key_of(struct dtls *d, struct bytes name, bool may_try, uint8_t ret[PSK_MAX]);
/* For libcoap: the key of an identity. */
const coap_bin_const_t *identity_key(coap_bin_const_t *identity, coap_session_t *session,
				     void *dtls);
enum rc identity_of_ssl(struct dtls *d, SSL *ssl, struct dtls_identity *ret) MUST_CHECK;
