/* The client's side of certificates: name check and chain.  libcoap 4.3.1 checks the chain of
 * the server's certificate but not whose it is, sends only the leaf of ours, and calls no hook
 * for clients.  The first flight carries neither, so it is early enough after the session was
 * made. */
#include "agent/link_tls.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

bool link_tls_is_address(const char *host)
{
	struct in6_addr any;
	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static bool expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	if (link_tls_is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

bool link_tls_setup(coap_session_t *session, const char *host, const char *cert_file)
{
	coap_tls_library_t library;
	SSL *ssl = coap_session_get_tls(session, &library);
	return ssl && library == COAP_TLS_LIBRARY_OPENSSL && expect_host(ssl, host) &&
	       SSL_use_certificate_chain_file(ssl, cert_file) == 1;
}
