/* DTLS for the CoAP transport: what a handshake is given, and who came out of it.  The only
 * files that know OpenSSL are dtls_*.c.
 *
 * One struct dtls serves every context of every thread: keys and certificates are parsed once,
 * and a session ticket of one context opens a session on another. */
#pragma once

#include "base/bytes.h"
#include "base/model/device.h"
#include "core/core.h"

#include <coap3/coap.h>
#include <stdbool.h>
#include <sys/queue.h>

struct dtls;
struct dtls_port; /* what one libcoap context needs of it */

#define DTLS_TICKET_LIFE_S (12 * 3600) /* of a ticket key; one key further is still read */

struct dtls_options {
	const char *cert_path, *key_path;
	const char *ca_path;   /* NULL: core->certs */
	const char *state_dir; /* NULL: ticket keys in memory only */
	struct bytes seal_key; /* copied */
};

/* Logs why when it fails: RC_INVALID for files that cannot be used. */
enum rc dtls_create(const struct core *core, const struct dtls_options *options,
		    struct dtls **ret) MUST_CHECK;
void dtls_free(struct dtls *d);
/* Before contexts are set up: the kernel lets only hellos with a good cookie come to them
 * (coap_steer.h), so OpenSSL need not send cookies of its own. */
void dtls_cookies_are_checked(struct dtls *d, bool checked);

/* Handshakes of one thread that are begun and not finished, in the order in which they were
 * heard last.  One that is begun anew from the same address gives way at once (for that the
 * cookies must be checked); one that was not heard for a while gives way while there are many:
 * each holds some 40 kB, and libcoap would keep it for 31 s.  A client repeats itself after 1,
 * 2, 4 and 8 s, so with a loss of 30 % one in a hundred that still goes on is silent for so
 * long, and begins anew. */
struct dtls_handshake;
TAILQ_HEAD(dtls_handshake_queue, dtls_handshake);
struct dtls_handshakes {
	struct dtls_handshake_queue begun;
	size_t count;
	uint64_t total;   /* that were ever begun */
	uint64_t took_us; /* all that were finished, together */
};
#define DTLS_HANDSHAKES_KEPT     256 /* however long they are silent */
#define DTLS_HANDSHAKE_SILENT_US INT64_C(10000000)

void dtls_handshakes_init(struct dtls_handshakes *h);
/* The session of one that must go, to be disconnected by the caller; NULL: no more. */
coap_session_t *dtls_handshake_over(struct dtls_handshakes *h, int64_t now);

/* Sets a context up for PSK and certificates; its handshakes are kept in h.  Free the port
 * after the context, and h after that. */
enum rc dtls_port_create(struct dtls *d, coap_context_t *ctx, struct dtls_handshakes *h,
			 struct dtls_port **ret) MUST_CHECK;
void dtls_port_free(struct dtls_port *p);
/* Makes a new ticket key when the current one is old; writes the file.  Not on a network
 * thread. */
void dtls_rotate(struct dtls *d);

#define DTLS_TAG_SIZE 16

/* Who a peer has proved to be. */
struct dtls_identity {
	struct roster_device *device; /* NULL: a good certificate, but we know no such device */
	struct uuid device_id;
	enum credential_kind kind;
	bool resumed;
	uint8_t tag[DTLS_TAG_SIZE]; /* of the key or the certificate it came with */
	char name[ENDPOINT_NAME_MAX + 1];
};

/* Reads the peer's identity from an established session, resumed or not.
 * RC_UNAUTHENTICATED when it has none that could be a device's. */
enum rc dtls_identify(struct dtls *d, coap_session_t *session,
		      struct dtls_identity *ret) MUST_CHECK;
/* May this peer come in, or stay?  Looks the device up again if it was not known: it is in
 * id->device when this returns RC_OK.  RC_NOT_FOUND: not known (yet).  RC_DENIED: revoked, or
 * its credential is another one by now. */
enum rc dtls_admit(struct dtls *d, struct dtls_identity *id) MUST_CHECK;

/* A session's handshake is finished.  From now on calls seen(arg) when a client begins a new
 * one on it.  A device that lost its state does so from the same port, and libcoap gives the
 * message to the old session, which drops it. */
typedef void dtls_hello_seen(void *arg);
struct dtls_watch {
	dtls_hello_seen *seen;
	void *arg;
};
/* *w stays where it is until the session ends or is no longer watched (NULL). */
void dtls_watch_session(coap_session_t *session, const struct dtls_watch *w);
