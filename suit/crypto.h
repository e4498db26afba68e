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

#define SUIT_TAG_SIZE 16 /* of AES-GCM and ChaCha20-Poly1305 */

/* A point of P-256. */
struct suit_point {
	uint8_t x[32], y[32];
};

/* A cipher at work: the backend's. */
struct suit_cipher;
struct suit_cipher_setup {
	enum suit_alg alg; /* A128GCM, A256GCM, A128CTR, A256CTR, CHACHA20 */
	bool encrypt;
	struct suit_bytes key, iv; /* of the algorithm's sizes */
	struct suit_bytes aad;     /* empty for CTR */
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

	/* For suit/encrypt.h.  A device that never encrypts, or that has no key of its own,
	 * leaves NULL what it does not need: whoever asks for it then gets SUIT_UNSUPPORTED. */
	/* HMAC with SHA-256. */
	enum suit_rc (*hmac)(struct suit_bytes key, const struct suit_message *m,
			     uint8_t ret[32]);
	/* RFC 3394 by a key of 16 or 32 bytes: 8 bytes more.  SUIT_DECRYPT when unwrapping
	 * shows another key or changed bytes. */
	enum suit_rc (*aes_wrap)(struct suit_bytes kek, struct suit_bytes plain, uint8_t *ret);
	enum suit_rc (*aes_unwrap)(struct suit_bytes kek, struct suit_bytes wrapped,
				   uint8_t *ret);
	/* P-256: the x coordinate that both sides find.  SUIT_KEY when the keys are not of that
	 * curve, or peer is no point of it. */
	enum suit_rc (*ecdh)(const struct suit_key *own, const struct suit_point *peer,
			     uint8_t ret[32]);
	/* The same for the sender: with a fresh key, whose public half comes out. */
	enum suit_rc (*ecdh_send)(const struct suit_key *peer, struct suit_point *ret_own,
				  uint8_t ret[32]);
	enum suit_rc (*random)(uint8_t *ret, size_t n);
	/* out has in.n bytes, apart from in.  close wipes; it takes NULL. */
	enum suit_rc (*cipher_open)(const struct suit_cipher_setup *setup,
				    struct suit_cipher **ret);
	enum suit_rc (*cipher_update)(struct suit_cipher *c, struct suit_bytes in,
				      uint8_t *out);
	/* After the last byte, and not for CTR: the tag made, or SUIT_DECRYPT when it does not
	 * hold. */
	enum suit_rc (*cipher_tag)(struct suit_cipher *c, uint8_t ret[SUIT_TAG_SIZE]);
	enum suit_rc (*cipher_check)(struct suit_cipher *c, const uint8_t tag[SUIT_TAG_SIZE]);
	void (*cipher_close)(struct suit_cipher *c);
};
