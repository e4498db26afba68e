/* Handshakes that are begun and not finished.  The one thing to know: libcoap gives whatever
 * comes from an address to the session of that address, and OpenSSL drops a ClientHello in the
 * middle of a handshake as an old one.  So a device that died there and begins again from the
 * same port would not be heard until its old handshake has run out, half a minute later (RFC
 * 6347 4.2.8).  We look at what OpenSSL reads, through a callback of its BIO: a hello with
 * another random is of another handshake, and whoever sent it has shown our cookie. */

#include "server/coap/dtls_internal.h"

#include "base/clock.h"

#include <openssl/bio.h>
#include <string.h>

#define AT_EPOCH    3
#define AT_MESSAGE  13
#define AT_FRAGMENT (13 + 6)
#define AT_RANDOM   (13 + 12 + 2)

struct dtls_handshake {
	struct dtls_handshakes *among; /* NULL: taken out */
	SSL *ssl;
	int64_t begun_at, heard_at; /* monotonic, us */
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

	return is_hello(p, n) && !SSL_is_init_finished(one->ssl) &&
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

static long on_bio(BIO *bio, int what, const char *buf, size_t size, int i, long l, int ret,
		   size_t *processed)
{
	struct dtls_handshake *one = (void *)BIO_get_callback_arg(bio);

	(void)size, (void)i, (void)l;
	if (what == BIO_CB_FREE) {
		take_out(one);
		free(one);
		return 1;
	}
	if (what != (BIO_CB_READ | BIO_CB_RETURN) || ret <= 0 || !processed || !one->among)
		return ret;
	bool over = begins_anew(one, (const uint8_t *)buf, *processed);
	note_datagram(one, over);
	if (!over)
		return ret;
	/* Not to be read: its answer would be of the old handshake. */
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
	*one = (struct dtls_handshake){ port->handshakes, ssl, now, now, { 0 } };
	TAILQ_INSERT_TAIL(&one->among->begun, one, link);
	one->among->count++;
	one->among->total++;
	BIO_set_callback_arg(bio, (char *)one);
	BIO_set_callback_ex(bio, on_bio);
}

void handshake_ends(SSL *ssl)
{
	BIO *bio = SSL_get_rbio(ssl);

	if (BIO_get_callback_ex(bio) != on_bio)
		return;
	struct dtls_handshake *one = (void *)BIO_get_callback_arg(bio);
	BIO_set_callback_ex(bio, NULL);
	if (one->among)
		one->among->took_us += (uint64_t)(clock_monotonic() - one->begun_at);
	take_out(one);
	free(one);
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
