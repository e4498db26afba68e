/* The cryptography that suit/ needs, as a table of functions: crypto_openssl.c fills it on a
 * host, a vendor's library on a microcontroller.  Keys are opaque to everybody else. */
#pragma once

#include "suit/suit.h"

struct suit_key;

/* Pieces of one message, so that nobody needs a buffer to join them. */
#define SUIT_PIECES_MAX 8
struct suit_message {
	struct suit_bytes piece[SUIT_PIECES_MAX];
	size_t count;
};

struct suit_crypto {
	enum suit_rc (*sha256)(const struct suit_message *m, struct suit_digest *ret);
	/* r||s for ECDSA, else as the algorithm makes it.  SUIT_KEY when the key is not of the
	 * algorithm's kind, SUIT_SIGNATURE when it does not verify. */
	enum suit_rc (*verify)(const struct suit_key *key, enum suit_alg alg,
			       const struct suit_message *m, struct suit_bytes signature);
	enum suit_rc (*sign)(const struct suit_key *key, enum suit_alg alg,
			     const struct suit_message *m, uint8_t ret[SUIT_SIGNATURE_MAX],
			     size_t *ret_n);
	enum suit_rc (*sha1)(const struct suit_message *m, uint8_t ret[20]); /* UUIDv5 alone */
	/* HMAC with SHA-256. */
	enum suit_rc (*hmac)(struct suit_bytes key, const struct suit_message *m,
			     uint8_t ret[32]);
};
