/* GnuTLS, which Debian's libmicrohttpd is linked with. */

#include "server/http/tls.h"

#include "base/hash.h"
#include "base/memory.h"

#include <gmp.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

static void *gmp_alloc(size_t size)
{
	return xmalloc(size);
}

static void *gmp_realloc(void *p, size_t old_size, size_t size)
{
	(void)old_size;
	return xrealloc(p, size);
}

static void gmp_free(void *p, size_t size)
{
	(void)size;
	free(p);
}

void tls_start(void)
{
	mp_set_memory_functions(gmp_alloc, gmp_realloc, gmp_free);
}

static int on_finished(gnutls_session_t session, unsigned type, unsigned when,
		       unsigned incoming, const gnutls_datum_t *message)
{
	bool *finished = gnutls_db_get_ptr(session);

	(void)type;
	(void)when;
	(void)message;
	*finished = *finished || incoming;
	return 0;
}

/* The pointer of the session cache is free, because nobody keeps sessions here; the one of the
 * session itself is libmicrohttpd's. */
void tls_watch_finished(void *session, bool *ret)
{
	gnutls_db_set_ptr(session, ret);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
					   on_finished);
}

enum tls_peer tls_peer_check(void *session, struct digest *ret)
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT
	};
	unsigned count = 0, status = 0;

	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	if (!chain || count == 0)
		return TLS_PEER_NONE;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0)
		return TLS_PEER_REFUSED;
	sha256_of((struct bytes){ chain[0].data, chain[0].size }, ret);
	return TLS_PEER_PROVED;
}

const char *tls_pair_fault(const char *cert_pem, const char *key_pem)
{
	gnutls_certificate_credentials_t both = NULL;
	gnutls_datum_t cert = { (unsigned char *)(uintptr_t)cert_pem,
				(unsigned)strlen(cert_pem) };
	gnutls_datum_t key = { (unsigned char *)(uintptr_t)key_pem, (unsigned)strlen(key_pem) };

	int rc = gnutls_certificate_allocate_credentials(&both);
	if (rc >= 0)
		rc = gnutls_certificate_set_x509_key_mem(both, &cert, &key,
							 GNUTLS_X509_FMT_PEM);
	if (both)
		gnutls_certificate_free_credentials(both);
	return rc < 0 ? gnutls_strerror(rc) : NULL;
}
