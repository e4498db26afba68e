/* TLS of the client's side, as far as libcoap leaves it to us; see link_tls.c. */
#pragma once

#include "suit/crypto.h"

#include <coap3/coap.h>
#include <stdbool.h>

/* Whom to believe, and what to show: parsed once, used by any number of sessions. */
struct link_keys;

/* PEM files.  cert_file may hold a chain, and may be NULL: then each session brings its own
 * certificate for the key.  NULL when one cannot be used. */
struct link_keys *link_keys_open(const char *ca_file, const char *cert_file,
				 const char *key_file);
/* The same by a private key that is kept elsewhere (link_key.h); key stays as long as they. */
struct link_keys *link_keys_with(const char *ca_file, const char *cert_file,
				 struct suit_key *key);
void link_keys_free(struct link_keys *k);
/* Reads up to max certificates of a PEM file as DER, each malloc'd; yields their number. */
size_t link_certificates_read(const char *path, struct suit_bytes *ret, size_t max);

bool link_tls_is_address(const char *host);

struct link_proof {
	const struct link_keys *keys;
	struct suit_bytes certificate; /* DER, for the keys' private key; none: the keys' own */
	struct suit_bytes resume;      /* what link_tls_session() gave; none: in full */
};
/* Right after the session was made: expects host, and shows the certificate.  A proof that has
 * one of its own must stay until the session has gone. */
bool link_tls_setup(coap_session_t *session, const char *host, const struct link_proof *proof);
/* What a later session to the same server may resume from, malloc'd; none: it may not. */
struct suit_bytes link_tls_session(coap_session_t *session);
/* Of DTLS records; a session's first flight is sent before it is counted. */
struct link_tls_traffic {
	uint64_t sent, received;
};
/* Counts what the session sends and receives from now on; ret must outlive it. */
void link_tls_count(coap_session_t *session, struct link_tls_traffic *ret);
