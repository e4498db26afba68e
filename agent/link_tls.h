/* What libcoap does not do by itself for a client with a certificate. */
#pragma once

#include <stdbool.h>

#include <coap3/coap.h>

/* For a session that was just made: the certificate that the server will show must be for host
 * (a name or an address), and ours is sent with the chain that its file holds. */
bool link_tls_setup(coap_session_t *session, const char *host, const char *cert_file);
/* Whether host is an IP address (which may not stand in a server name indication). */
bool link_tls_is_address(const char *host);
