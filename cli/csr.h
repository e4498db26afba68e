/* A device's private key and its certificate request, made on this machine: the server never
 * sees the key. */
#pragma once

#include "base/arena.h"
#include "base/rc.h"

/* P-256; the request names the endpoint as its common name.  Both are PEM texts from mem. */
enum rc csr_create(const char *endpoint, struct arena *mem, char **ret_key_pem,
		   char **ret_csr_pem) MUST_CHECK;
