/* Secrets at rest: AES-256-GCM with one key from a file in the state directory, so that a
 * stolen database gives no pre-shared key.  Sealed form: 1 byte version, 12 bytes nonce,
 * ciphertext, 16 bytes tag.  The context (such as "psk") is authenticated, so one secret cannot
 * stand for another. */
#pragma once

#include "base/bytes.h"

#define SEAL_KEY_SIZE 32
#define SEAL_OVERHEAD 29

/* Reads the key file, mode 0600; makes it (fsync, rename) when create is true and it is
 * missing. */
enum rc seal_key_load(const char *path, bool create, uint8_t ret[SEAL_KEY_SIZE]) MUST_CHECK;
enum rc seal(struct bytes key, const char *context, struct bytes plain, struct arena *mem,
	     struct bytes *ret) MUST_CHECK;
/* RC_INVALID when it was not sealed with this key and context. */
enum rc unseal(struct bytes key, const char *context, struct bytes sealed, struct arena *mem,
	       struct bytes *ret) MUST_CHECK;
