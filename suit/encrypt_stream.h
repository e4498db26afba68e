/* A payload, encrypted or decrypted as it comes, in pieces of any size and with memory that
 * does not depend on the payload's.
 *
 * What a decrypting stream gives out is NOT PROVEN yet, whatever the cipher: the tag of GCM and
 * ChaCha20-Poly1305 stands behind the last byte, CTR has none.  So write it only where a
 * failure leaves nothing behind that runs, such as the slot that is not active, and never look
 * into it before
 *   1. suit_decrypt_finish says SUIT_OK.  It alone tells the plaintext's size.  For an
 *      algorithm with a tag: every byte is as its sender made it.  For CTR: nothing at all;
 *   2. the digest of the plaintext is the manifest's (image-match).  Everybody who has the
 *      class key can encrypt; only this shows that it is the author's image. */
#pragma once

#include "suit/encrypt.h"

/* Bytes of one payload: GCM's bound (NIST SP 800-38D), which holds for all. */
#define SUIT_CONTENT_MAX ((UINT64_C(1) << 36) - 32)

/* Plain data but for the backend's cipher. */
struct suit_decrypt {
	const struct suit_crypto *crypto;
	struct suit_cipher *cipher; /* NULL: not open */
	uint64_t size;              /* of the plaintext so far */
	enum suit_rc rc;            /* the first failure stays */
	bool authenticated;
	uint8_t held_n;
	uint8_t held[SUIT_TAG_SIZE]; /* the last bytes so far: perhaps the tag */
};

/* The key may be wiped afterwards.  Close it, whatever happens. */
enum suit_rc suit_decrypt_open(struct suit_decrypt *d, const struct suit_crypto *crypto,
			       const struct suit_content_key *key) SUIT_MUST_CHECK;
/* unproven has in.n bytes, apart from in; ret_n of them are written. */
enum suit_rc suit_decrypt_update(struct suit_decrypt *d, struct suit_bytes in,
				 uint8_t *unproven, size_t *ret_n) SUIT_MUST_CHECK;
/* SUIT_DECRYPT: throw away what came out. */
enum suit_rc suit_decrypt_finish(struct suit_decrypt *d, uint64_t *ret_size) SUIT_MUST_CHECK;
/* Wipes it.  Of a zeroed or closed one: nothing. */
void suit_decrypt_close(struct suit_decrypt *d);

struct suit_encrypt {
	const struct suit_crypto *crypto;
	struct suit_cipher *cipher;
	uint64_t size;
	enum suit_rc rc;
	bool authenticated;
};

/* Makes a fresh key, since no key may encrypt twice.  Wipe it after suit_encrypt_info_make. */
enum suit_rc suit_encrypt_open(struct suit_encrypt *s, const struct suit_crypto *crypto,
			       enum suit_alg alg, struct suit_content_key *ret) SUIT_MUST_CHECK;
/* out has in.n bytes, apart from in; all are written. */
enum suit_rc suit_encrypt_update(struct suit_encrypt *s, struct suit_bytes in,
				 uint8_t *out) SUIT_MUST_CHECK;
/* What is to follow the last byte: the tag, or nothing (ret_n is 0). */
enum suit_rc suit_encrypt_finish(struct suit_encrypt *s, uint8_t ret[SUIT_TAG_SIZE],
				 size_t *ret_n) SUIT_MUST_CHECK;
void suit_encrypt_close(struct suit_encrypt *s);
