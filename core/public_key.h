/* Public keys that operators register: authors', and devices' for their reports. */
#pragma once

#include "core/call.h"

/* SubjectPublicKeyInfo and key id, in the call's arena.  ERR_VALIDATION at pointer for anything
 * but a PEM of P-256, P-384, Ed25519 or RSA. */
enum rc public_key_read(struct call *c, const char *pointer, const char *pem,
			struct bytes *ret_der, struct bytes *ret_kid) MUST_CHECK;
/* NULL when der is no such key. */
char *public_key_pem(struct arena *mem, struct bytes der);
