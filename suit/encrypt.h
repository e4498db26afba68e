/* SUIT_Encryption_Info (draft-ietf-suit-firmware-encryption-26): COSE_Encrypt with a detached
 * ciphertext.  A fresh content key encrypts the payload (suit/encrypt_stream.h); for each
 * recipient the info holds it once, wrapped by a key shared with a class of devices (A128KW,
 * A256KW) or by one agreed with a device's own P-256 key (ECDH-ES+A128KW). */
#pragma once

#include "suit/crypto.h"

#define SUIT_RECIPIENTS_MAX 64
#define SUIT_TAG_ENCRYPT    96

/* A cipher of a payload. */
struct suit_content_alg {
	enum suit_alg alg;
	uint8_t key_size, iv_size; /* bytes */
	bool authenticated;        /* a tag of SUIT_TAG_SIZE follows the ciphertext */
};

/* NULL: none that we know. */
const struct suit_content_alg *suit_content_alg(int64_t alg);

/* What decrypts a payload: a secret.  It encrypts one payload, never two. */
struct suit_content_key {
	const struct suit_content_alg *alg;
	uint8_t key[32], iv[16];
};
void suit_content_key_wipe(struct suit_content_key *key);

/* Somebody who can have a content key: seen from the sender with a public key, from the
 * recipient with the private one. */
struct suit_party {
	struct suit_bytes kid;      /* at most SUIT_KID_MAX; empty: the only recipient */
	struct suit_bytes secret;   /* 16 or 32 bytes: A128KW, A256KW; or */
	const struct suit_key *key; /* P-256: ECDH-ES+A128KW */
};

/* --- reading ------------------------------------------------------------------------------ */

/* Decoded in place. */
struct suit_encryption {
	const struct suit_content_alg *alg;
	struct suit_bytes iv;
	struct suit_bytes recipients; /* each checked, one after the other */
	size_t recipient_count;       /* 1 to SUIT_RECIPIENTS_MAX */
};

struct suit_recipient {
	enum suit_alg alg;      /* A128KW, A256KW or ECDH_ES_A128KW */
	struct suit_bytes kid;  /* empty: none */
	struct suit_bytes x, y; /* of the sender's key; empty unless ECDH */
	struct suit_bytes wrapped;
};

/* Strict but for the order of a header's keys, which COSE leaves open and published vectors do
 * not sort.  SUIT_UNSUPPORTED for an algorithm that is not ours, of the payload or of any
 * recipient. */
enum suit_rc suit_encryption_decode(struct suit_bytes info,
				    struct suit_encryption *ret) SUIT_MUST_CHECK;
/* The recipient of that number; SUIT_MISSING behind the last. */
enum suit_rc suit_encryption_recipient(const struct suit_encryption *e, size_t number,
				       struct suit_recipient *ret) SUIT_MUST_CHECK;
/* Finds the party by its kid, or takes the only recipient when one of the two has no kid.
 * SUIT_MISSING: it is not among them.  SUIT_DECRYPT: its key does not open what is there.
 * Nothing binds the info to its author but the signature over the manifest that holds it. */
enum suit_rc suit_content_key_open(const struct suit_crypto *crypto,
				   const struct suit_encryption *e,
				   const struct suit_party *party,
				   struct suit_content_key *ret) SUIT_MUST_CHECK;

/* --- writing ------------------------------------------------------------------------------ */

/* An info for several recipients needs a kid for each.  ret_n is the size wanted, also on
 * SUIT_NO_SPACE. */
enum suit_rc suit_encrypt_info_make(const struct suit_crypto *crypto,
				    const struct suit_content_key *key,
				    const struct suit_party *party, size_t count, uint8_t *buf,
				    size_t size, size_t *ret_n) SUIT_MUST_CHECK;
