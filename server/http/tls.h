/* TLS of the HTTPS transport: what we offer, and what a client has proved. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

/* TLS 1.2 and 1.3, forward secrecy, authenticated encryption alone, for GnuTLS. */
#define TLS_PRIORITIES                                                                         \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"          \
	"-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:"             \
	"-GROUP-DH-ALL:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:%SERVER_PRECEDENCE"

/* Before the first handshake: GnuTLS computes with GMP, which ends the process when malloc
 * returns NULL, so it gets the memory of base/memory.h. */
void tls_start(void);

enum tls_peer {
	TLS_PEER_UNKNOWN = 0, /* not looked at yet */
	TLS_PEER_NONE,        /* showed no certificate */
	TLS_PEER_PROVED,      /* a client certificate that our CA vouches for */
	TLS_PEER_REFUSED,     /* one that does not verify */
};

/* Writes true to *ret as soon as this gnutls_session_t's handshake has heard the peer's last
 * message.  ret must live as long as session. */
void tls_watch_finished(void *session, bool *ret);

/* session is a gnutls_session_t after its handshake.  ret: SHA-256 of the certificate, with
 * TLS_PEER_PROVED. */
enum tls_peer tls_peer_check(void *session, struct digest *ret);

/* Do certificate and key (PEM) belong together?  Why not, as static text; NULL when they do. */
const char *tls_pair_fault(const char *cert_pem, const char *key_pem);
