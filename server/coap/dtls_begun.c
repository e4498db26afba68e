/* Handshakes that are begun and not finished, and hellos on sessions.  The one thing to know:
 * libcoap gives whatever comes from an address to the session of that address, and OpenSSL
 * drops a ClientHello there as an old one.  So a device that died and begins again from the
 * same port would not be heard until its old handshake has run out, half a minute later (RFC
 * 6347 4.2.8), or its session.  We look at what OpenSSL reads, through a callback of its BIO: a
 * hello with another random is of another handshake, and whoever sent it has shown our cookie.
 * What else may come from a forged address, and where in a datagram, tells nothing. */

#include "server/coap/dtls_internal.h"

#include "base/clock.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <string.h>

#define AT_EPOCH    3
#define AT_MESSAGE  13
#define AT_FRAGMENT (13 + 6)
#define AT_RANDOM   (13 + 12 + 2)

/* Lives as long as its BIO. */
struct dtls_handshake {
	struct dtls_handshakes *among; /* NULL: taken out */
	SSL *ssl;
	const struct dtls_watch *watch; /* of the session that came of it; NULL: nobody's */
	int64_t begun_at, heard_at;     /* monotonic, us */
	TAILQ_ENTRY(dtls_handshake) link;
};

void dtls_handshakes_init(struct dtls_handshakes *h)
{
	*h = (struct dtls_handshakes){ 0 };
	TAILQ_INIT(&h->begun);
}

static void take_out(struct dtls_handshake *one)
{
	if (!one->among)
		return;
	TAILQ_REMOVE(&one->among->begun, one, link);
	one->among->count--;
	one->among = NULL;
}

static bool is_hello(const uint8_t *p, size_t n)
{
	return n >= AT_RANDOM + SSL3_RANDOM_SIZE && p[0] == SSL3_RT_HANDSHAKE && !p[AT_EPOCH] &&
	       !p[AT_EPOCH + 1] && p[AT_MESSAGE] == SSL3_MT_CLIENT_HELLO && !p[AT_FRAGMENT] &&
	       !p[AT_FRAGMENT + 1] && !p[AT_FRAGMENT + 2];
}

static bool begins_anew(const struct dtls_handshake *one, const uint8_t *p, size_t n)
{
	uint8_t mine[SSL3_RANDOM_SIZE];

	return is_hello(p, n) &&
	       SSL_get_client_random(one->ssl, mine, sizeof(mine)) == sizeof(mine) &&
	       memcmp(mine, p + AT_RANDOM, sizeof(mine)) != 0;
}

/* To the end, as the one that was heard last; or to the front, when it is over. */
static void note_datagram(struct dtls_handshake *one, bool over)
{
	struct dtls_handshakes *h = one->among;

	TAILQ_REMOVE(&h->begun, one, link);
	one->heard_at = over ? 0 : clock_monotonic();
	if (over)
		TAILQ_INSERT_HEAD(&h->begun, one, link);
	else
		TAILQ_INSERT_TAIL(&h->begun, one, link);
}

/* SSL_get_error() looks at the thread's queue of errors first, and libcoap ends a session for
 * what it finds there; but that may be of another peer, whose handshake failed just before.
 * Where an alert is written, this session has failed itself. */
static void forget_errors_of_others(int what, const char *buf, size_t size)
{
	bool alert = what == BIO_CB_WRITE && size > 0 && buf[0] == SSL3_RT_ALERT;

	if (!alert && ERR_peek_error())
		ERR_clear_error();
}

/* False: it is not to be read. */
static bool take_datagram(struct dtls_handshake *one, const uint8_t *p, size_t n)
{
	bool anew = begins_anew(one, p, n);

	if (one->among && !SSL_is_init_finished(one->ssl)) {
		note_datagram(one, anew);
		return !anew; /* its answer would be of the old handshake */
	}
	if (anew && one->watch)
		one->watch->seen(one->watch->arg);
	return true;
}

static long on_bio(BIO *bio, int what, const char *buf, size_t size, int i, long l, int ret,
		   size_t *processed)
{
	struct dtls_handshake *one = (void *)BIO_get_callback_arg(bio);

	(void)i, (void)l;
	if (what == BIO_CB_FREE) {
		take_out(one);
		free(one);
		return 1;
	}
	if (what == BIO_CB_READ || what == BIO_CB_WRITE)
		forget_errors_of_others(what, buf, size);
	if (what != (BIO_CB_READ | BIO_CB_RETURN) || ret <= 0 || !processed ||
	    take_datagram(one, (const uint8_t *)buf, *processed))
		return ret;
	BIO_set_retry_read(bio);
	return -1;
}

void handshake_begins(struct dtls_port *port, SSL *ssl)
{
	BIO *bio = SSL_get_rbio(ssl);

	if (BIO_get_callback_ex(bio))
		return;
	struct dtls_handshake *one = xcalloc(1, sizeof(*one));
	int64_t now = clock_monotonic();
	*one = (struct dtls_handshake){ port->handshakes, ssl, NULL, now, now, { 0 } };
	TAILQ_INSERT_TAIL(&one->among->begun, one, link);
	one->among->count++;
	one->among->total++;
	BIO_set_callback_arg(bio, (char *)one);
	BIO_set_callback_ex(bio, on_bio);
}

void dtls_watch_session(coap_session_t *session, const struct dtls_watch *w)
{
	coap_tls_library_t library;
	SSL *ssl = coap_session_get_tls(session, &library);
	BIO *bio = ssl ? SSL_get_rbio(ssl) : NULL;

	if (!bio || BIO_get_callback_ex(bio) != on_bio)
		return;
	struct dtls_handshake *one = (void *)BIO_get_callback_arg(bio);
	if (one->among)
		one->among->took_us += (uint64_t)(clock_monotonic() - one->begun_at);
	take_out(one);
	one->watch = w;
}

static bool is_over(const struct dtls_handshakes *h, const struct dtls_handshake *one,
		    int64_t now)
{
	return one->heard_at == 0 || (h->count > DTLS_HANDSHAKES_KEPT &&
				      now - one->heard_at > DTLS_HANDSHAKE_SILENT_US);
}

coap_session_t *dtls_handshake_over(struct dtls_handshakes *h, int64_t now)
{
	struct dtls_handshake *one;

	while ((one = TAILQ_FIRST(&h->begun)) && is_over(h, one, now)) {
		take_out(one);
		if (!SSL_is_init_finished(one->ssl))
			return SSL_get_app_data(one->ssl);
	}
	return NULL;
}
