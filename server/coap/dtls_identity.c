/* Who came out of a handshake.  The one thing to know: a resumed handshake runs no callback, so
 * identity and admission are read from the session when it is connected, every time. */

#include "server/coap/dtls_internal.h"

#include "base/hash.h"
#include "core/roster.h"

#include <openssl/x509.h>
#include <string.h>

#define DEVICES_UNIT "devices" /* organisational unit that the embedded CA gives to devices */
#define DECOY_SIZE   16

static bool name_char_ok(char c, bool first)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return !first && (c == '.' || c == '_' || c == ':' || c == '-');
}

/* An endpoint name, or nobody's. */
static bool name_take(struct bytes from, char ret[ENDPOINT_NAME_MAX + 1])
{
	if (from.n == 0 || from.n > ENDPOINT_NAME_MAX)
		return false;
	for (size_t i = 0; i < from.n; i++) {
		if (!name_char_ok((char)from.p[i], i == 0))
			return false;
	}
	memcpy(ret, from.p, from.n);
	ret[from.n] = '\0';
	return true;
}

/* The only attribute of this kind in a subject.  Empty when there is none or more than one. */
static struct bytes subject_part(X509 *cert, int nid)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, nid, -1);

	if (at < 0 || X509_NAME_get_index_by_NID(subject, nid, at) >= 0)
		return (struct bytes){ NULL, 0 };
	const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	return (struct bytes){ ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s) };
}

/* Bound to the key: a session or ticket that came with another key is worth nothing. */
static void tag_of_key(struct bytes key, uint8_t ret[DTLS_TAG_SIZE])
{
	struct digest d;

	hmac_sha256(key, bytes_of("muster session"), &d);
	memcpy(ret, d.b, DTLS_TAG_SIZE);
}

static size_t key_of(const struct dtls *d, const struct uuid *id, uint8_t key[PSK_MAX])
{
	return roster_psk(d->core->roster, id, key);
}

/* Of its certificate, resumed or not: a ticket carries the peer's certificate. */
static enum rc tag_of_certificate(X509 *cert, uint8_t ret[DTLS_TAG_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (X509_digest(cert, EVP_sha256(), digest, &n) != 1)
		return RC_INTERNAL;
	tag_of_key((struct bytes){ digest, n }, ret);
	return RC_OK;
}

static enum rc identify_certificate(struct dtls *d, SSL *ssl, X509 *cert,
				    struct dtls_identity *ret)
{
	if (SSL_get_verify_result(ssl) != X509_V_OK ||
	    !name_take(subject_part(cert, NID_commonName), ret->name))
		return RC_UNAUTHENTICATED;
	/* An operator's certificate has the same issuer; it is no device's. */
	if (d->own_ca &&
	    !bytes_equal_text(subject_part(cert, NID_organizationalUnitName), DEVICES_UNIT))
		return RC_UNAUTHENTICATED;
	ret->kind = CREDENTIAL_CERT;
	return tag_of_certificate(cert, ret->tag);
}

static enum rc identify_psk(SSL *ssl, struct dtls_identity *ret)
{
	const char *name = SSL_get_psk_identity(ssl);

	if (!name || !name_take(bytes_of(name), ret->name))
		return RC_UNAUTHENTICATED;
	ret->kind = CREDENTIAL_PSK;
	return RC_OK;
}

/* The key that the session was made with, which the roster may have replaced meanwhile: a
 * resumed one's stands in its ticket, since a handshake may take longer than a key is good; in
 * a full one libcoap keeps it on the session (which is the SSL's app data). */
static enum rc tag_of_handshake(SSL *ssl, struct dtls_identity *id)
{
	const coap_session_t *session = SSL_get_app_data(ssl);
	const coap_bin_const_t *used = session ? coap_session_get_psk_key(session) : NULL;

	if (id->resumed)
		return ticket_tag(ssl, id->tag) ? RC_OK : RC_UNAUTHENTICATED;
	if (!used || !used->length)
		return RC_UNAUTHENTICATED;
	tag_of_key((struct bytes){ used->s, used->length }, id->tag);
	return RC_OK;
}

enum rc identity_of_ssl(struct dtls *d, SSL *ssl, struct dtls_identity *ret)
{
	struct dtls_identity id = { .resumed = SSL_session_reused(ssl) == 1 };
	X509 *cert = SSL_get0_peer_certificate(ssl);

	enum rc rc = cert ? identify_certificate(d, ssl, cert, &id) : identify_psk(ssl, &id);
	if (rc != RC_OK)
		return rc;
	device_id_derive(d->core->tenant_secret, id.name, &id.device_id);
	if (id.kind == CREDENTIAL_PSK)
		rc = tag_of_handshake(ssl, &id);
	if (rc == RC_OK)
		*ret = id;
	return rc;
}

enum rc dtls_identify(struct dtls *d, coap_session_t *session, struct dtls_identity *ret)
{
	coap_tls_library_t library;
	SSL *ssl = coap_session_get_tls(session, &library);

	enum rc rc = ssl ? identity_of_ssl(d, ssl, ret) : RC_UNAUTHENTICATED;
	if (rc == RC_OK && ret->kind == CREDENTIAL_PSK && !ret->resumed)
		guess_succeeded(d->guesses, coap_session_get_addr_remote(session),
				bytes_of(ret->name));
	return rc;
}

static bool key_is_the_same(const struct dtls *d, const struct dtls_identity *id)
{
	uint8_t key[PSK_MAX], tag[DTLS_TAG_SIZE];
	size_t n = key_of(d, &id->device_id, key);

	tag_of_key((struct bytes){ key, n }, tag);
	OPENSSL_cleanse(key, sizeof(key));
	return n > 0 && bytes_equal_secret((struct bytes){ tag, sizeof(tag) },
					   (struct bytes){ id->tag, sizeof(id->tag) });
}

/* With a CA of our own a device has one certificate, the last one that we signed for it.
 * Another CA keeps its own books. */
static bool certificate_is_the_same(const struct dtls *d, const struct dtls_identity *id)
{
	uint8_t tag[DTLS_TAG_SIZE];
	struct digest digest;

	if (!d->own_ca)
		return true;
	if (!roster_certificate(d->core->roster, &id->device_id, &digest))
		return false;
	tag_of_key((struct bytes){ digest.b, sizeof(digest.b) }, tag);
	return memcmp(tag, id->tag, sizeof(tag)) == 0;
}

enum rc dtls_admit(struct dtls *d, struct dtls_identity *id)
{
	struct roster_view view;

	if (!id->device)
		id->device = roster_find(d->core->roster, &id->device_id);
	if (!id->device)
		return RC_NOT_FOUND;
	roster_view(id->device, &view);
	if (view.lifecycle == DEVICE_REVOKED || view.credential != id->kind)
		return RC_DENIED;
	if (id->kind == CREDENTIAL_PSK && !key_is_the_same(d, id))
		return RC_DENIED;
	if (id->kind == CREDENTIAL_CERT && !certificate_is_the_same(d, id))
		return RC_DENIED;
	return RC_OK;
}

/* A key for every identity: one that we do not know gets a key that nobody has, so its
 * handshake fails exactly as one with a wrong key does, and names cannot be tried out (RFC 4279
 * section 2 allows this).  So does the right key, once too many were tried. */
size_t identity_key_of(struct dtls *d, struct bytes name, bool may_try, uint8_t ret[PSK_MAX])
{
	char text[ENDPOINT_NAME_MAX + 1] = "";
	struct digest decoy;
	struct uuid id;

	/* All of it in any case: how long it takes must not tell one from the other. */
	hmac_sha256((struct bytes){ d->decoy, sizeof(d->decoy) }, name, &decoy);
	bool ok = name_take(name, text);
	device_id_derive(d->core->tenant_secret, text, &id);
	size_t n = key_of(d, &id, ret);
	if (n && ok && may_try)
		return n;
	memcpy(ret, decoy.b, DECOY_SIZE);
	return DECOY_SIZE;
}

const coap_bin_const_t *identity_key(coap_bin_const_t *identity, coap_session_t *session,
				     void *dtls)
{
	static _Thread_local uint8_t key[PSK_MAX];
	static _Thread_local coap_bin_const_t ret;
	struct dtls *d = dtls;
	struct bytes name = { identity->s, identity->length };

	bool may_try = guess_try(d->guesses, coap_session_get_addr_remote(session), name);
	ret = (coap_bin_const_t){ .length = identity_key_of(d, name, may_try, key), .s = key };
	return &ret;
}
