/* Session tickets (RFC 5077): sealed under keys that all contexts share and that survive a
 * restart, so a fleet resumes after one instead of handshaking in full.
 *
 * A ticket carries the device and the tag of the key it came with.  Where that device is
 * revoked, or has another key by now, the ticket is as good as none: a full handshake follows,
 * and there the device fails. */

#include "server/coap/dtls_internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "certs/pem_file.h"
#include "certs/seal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define TICKET_FILE    "coap-tickets"
#define TICKET_CONTEXT "coap tickets 1" /* of the seal; change it with the form below */
#define LIFE_US        (DTLS_TICKET_LIFE_S * USEC_PER_SEC)
#define IV_SIZE        16

/* What a ticket says of the device, beside OpenSSL's own state. */
struct ticket_note {
	struct uuid device_id;
	uint8_t tag[DTLS_TAG_SIZE];
	uint8_t kind;
};

static void key_make(struct ticket_key *k)
{
	random_bytes(k, sizeof(*k));
	k->made_at = clock_wall();
}

/* --- the file --------------------------------------------------------------------------- */

static enum rc keys_load(struct dtls_tickets *t)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct bytes sealed, plain;

	enum rc rc = pem_file_read(t->path, mem, &sealed);
	if (rc != RC_OK)
		return rc;
	rc = unseal((struct bytes){ t->seal_key, sizeof(t->seal_key) }, TICKET_CONTEXT, sealed,
		    mem, &plain);
	if (rc != RC_OK || plain.n != sizeof(t->keys))
		return RC_INVALID;
	memcpy(t->keys, plain.p, sizeof(t->keys));
	OPENSSL_cleanse((void *)(uintptr_t)plain.p, plain.n);
	return RC_OK;
}

static enum rc keys_store(const struct dtls_tickets *t,
			  const struct ticket_key keys[TICKET_KEYS])
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct bytes sealed;

	enum rc rc =
		seal((struct bytes){ t->seal_key, sizeof(t->seal_key) }, TICKET_CONTEXT,
		     (struct bytes){ (const uint8_t *)keys, sizeof(t->keys) }, mem, &sealed);
	return rc == RC_OK ? pem_file_write(t->path, sealed, 0600) : rc;
}

/* The key callback has no argument of its own. */
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;
static int slot;

static void slot_make(void)
{
	slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

enum rc tickets_open(struct dtls *d, const struct dtls_options *options)
{
	struct dtls_tickets *t = &d->tickets;

	pthread_once(&slot_once, slot_make);
	if (options->state_dir && options->seal_key.n == sizeof(t->seal_key)) {
		size_t size = strlen(options->state_dir) + sizeof("/" TICKET_FILE);

		t->path = xmalloc(size);
		snprintf(t->path, size, "%s/%s", options->state_dir, TICKET_FILE);
		memcpy(t->seal_key, options->seal_key.p, sizeof(t->seal_key));
		if (keys_load(t) == RC_INVALID)
			log_warn("the ticket keys cannot be read; making new ones", "path",
				 t->path);
	}
	dtls_rotate(d);
	return RC_OK;
}

void tickets_close(struct dtls *d)
{
	free(d->tickets.path);
}

static bool key_is_young(const struct ticket_key *k, int64_t now)
{
	return k->made_at && k->made_at <= now && now - k->made_at < LIFE_US;
}

static bool key_is_readable(const struct ticket_key *k, int64_t now)
{
	return k->made_at && k->made_at <= now && now - k->made_at < TICKET_KEYS * LIFE_US;
}

void dtls_rotate(struct dtls *d)
{
	struct dtls_tickets *t = &d->tickets;
	struct ticket_key keys[TICKET_KEYS];

	/* Only this thread writes keys, so reading them needs no lock. */
	if (key_is_young(&t->keys[0], clock_wall()))
		return;
	keys[1] = t->keys[0];
	key_make(&keys[0]);
	if (t->path && keys_store(t, keys) != RC_OK)
		log_warn("the ticket keys cannot be kept; a restart will cost full handshakes",
			 "path", t->path);
	pthread_mutex_lock(&t->mutex);
	memcpy(t->keys, keys, sizeof(t->keys));
	pthread_mutex_unlock(&t->mutex);
	OPENSSL_cleanse(keys, sizeof(keys));
}

/* --- OpenSSL's callbacks ---------------------------------------------------------------- */

/* Which of the keys has the name; -1 for none. */
static int key_find(struct dtls_tickets *t, const uint8_t name[TICKET_NAME_SIZE],
		    struct ticket_key *ret)
{
	int64_t now = clock_wall();
	int found = -1;

	pthread_mutex_lock(&t->mutex);
	for (int i = 0; i < TICKET_KEYS && found < 0; i++) {
		if (key_is_readable(&t->keys[i], now) &&
		    memcmp(t->keys[i].name, name, TICKET_NAME_SIZE) == 0) {
			*ret = t->keys[i];
			found = i;
		}
	}
	pthread_mutex_unlock(&t->mutex);
	return found;
}

static void key_current(struct dtls_tickets *t, struct ticket_key *ret)
{
	pthread_mutex_lock(&t->mutex);
	*ret = t->keys[0];
	pthread_mutex_unlock(&t->mutex);
}

static bool mac_start(EVP_MAC_CTX *mac, struct ticket_key *k)
{
	char sha256[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof(k->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

#define TICKET_ERROR   (-1)
#define TICKET_UNKNOWN 0
#define TICKET_GOOD    1
#define TICKET_RENEW   2

static int ticket_write(struct dtls_tickets *t, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *c,
			EVP_MAC_CTX *mac)
{
	struct ticket_key k;

	key_current(t, &k);
	memcpy(name, k.name, TICKET_NAME_SIZE);
	random_bytes(iv, IV_SIZE);
	bool ok = EVP_EncryptInit_ex(c, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1 &&
		  mac_start(mac, &k);
	OPENSSL_cleanse(&k, sizeof(k));
	return ok ? TICKET_GOOD : TICKET_ERROR;
}

static int ticket_read(struct dtls_tickets *t, const uint8_t *name, const uint8_t *iv,
		       EVP_CIPHER_CTX *c, EVP_MAC_CTX *mac)
{
	struct ticket_key k;
	int at = key_find(t, name, &k);

	if (at < 0)
		return TICKET_UNKNOWN;
	bool ok = EVP_DecryptInit_ex(c, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1 &&
		  mac_start(mac, &k);
	OPENSSL_cleanse(&k, sizeof(k));
	if (!ok)
		return TICKET_ERROR;
	return at == 0 ? TICKET_GOOD : TICKET_RENEW;
}

static int ticket_keys(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *c,
		       EVP_MAC_CTX *mac, int writing)
{
	struct dtls *d = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);
	struct dtls_tickets *t = &d->tickets;

	return writing ? ticket_write(t, name, iv, c, mac) : ticket_read(t, name, iv, c, mac);
}

static int note_write(SSL *ssl, void *arg)
{
	struct dtls_identity id;
	struct ticket_note note = { .kind = CREDENTIAL_NONE };

	if (identity_of_ssl(arg, ssl, &id) == RC_OK) {
		note.device_id = id.device_id;
		note.kind = (uint8_t)id.kind;
		memcpy(note.tag, id.tag, sizeof(note.tag));
	}
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &note, sizeof(note));
}

static bool note_of(SSL_SESSION *session, struct ticket_note *ret)
{
	void *data = NULL;
	size_t n = 0;

	if (!session || SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 ||
	    n != sizeof(*ret))
		return false;
	memcpy(ret, data, sizeof(*ret));
	return true;
}

bool ticket_tag(SSL *ssl, uint8_t ret[DTLS_TAG_SIZE])
{
	struct ticket_note note;

	if (!note_of(SSL_get_session(ssl), &note))
		return false;
	memcpy(ret, note.tag, sizeof(note.tag));
	return true;
}

static bool note_is_good(struct dtls *d, SSL_SESSION *session)
{
	struct dtls_identity id = { .device = NULL };
	struct ticket_note note;

	if (!note_of(session, &note))
		return false;
	id.kind = note.kind;
	id.device_id = note.device_id;
	memcpy(id.tag, note.tag, sizeof(id.tag));
	/* A certificate of a device that is not known yet may resume: it is asked for its name
	 * again at every request. */
	enum rc rc = dtls_admit(d, &id);
	return rc == RC_OK || (rc == RC_NOT_FOUND && id.kind == CREDENTIAL_CERT);
}

static SSL_TICKET_RETURN note_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
				   size_t name_size, SSL_TICKET_STATUS status, void *arg)
{
	(void)ssl;
	(void)name;
	(void)name_size;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (!note_is_good(arg, session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE
					    : SSL_TICKET_RETURN_USE_RENEW;
}

bool tickets_attach(struct dtls *d, SSL_CTX *ctx)
{
	return SSL_CTX_set_ex_data(ctx, slot, d) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_keys) == 1 &&
	       SSL_CTX_set_session_ticket_cb(ctx, note_write, note_read, d) == 1;
}
