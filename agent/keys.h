/* What opens encrypted payloads: a key that a class of devices shares, and the device's own
 * P-256 key.  Either may be absent. */
#pragma once

#include "agent/format.h"
#include "suit/encrypt.h"

/* A key that others hold too: of 16 or 32 bytes, with what it is called. */
struct shared_key {
	uint8_t b[32];
	size_t n; /* 0: none */
	uint8_t id[SUIT_KID_MAX];
	size_t id_n; /* 0: it has no name */
};

struct keys {
	struct shared_key secret; /* of the class: A128KW or A256KW; without a name it opens
				   * what has one recipient alone */
	struct suit_key *own;
	uint8_t own_id[SUIT_KID_MAX];
	size_t own_id_n;
};

/* 16 or 32 bytes, raw or as hexadecimal digits.  id: text, or 0x and hexadecimal digits; empty:
 * none. */
bool keys_read_shared(struct shared_key *k, const char *path, const char *id);
/* A private key in PEM, without a passphrase. */
bool keys_read_private(const char *path, struct suit_key **ret);
/* Takes a private P-256 key, wherever it is kept; it is k's in any case.  Without an id it has
 * its own. */
bool keys_take_own(struct keys *k, struct suit_key *key, const char *id);
void keys_finish(struct keys *k);
/* The words that these keys are good for. */
format_set keys_formats(const struct keys *k);
/* The word that says which key of its own a device has (api/coap.md), in buf; NULL: none. */
#define KEYS_WORD_SIZE (4 + 2 * 12 + 1)
const char *keys_word(const struct keys *k, const struct suit_crypto *crypto,
		      char buf[KEYS_WORD_SIZE]);
/* Opens an info's content key; wipe it after use.  SUIT_UNSUPPORTED for a cipher outside
 * allowed, SUIT_MISSING when it is for others. */
enum suit_rc keys_open(const struct keys *k, const struct suit_crypto *crypto,
		       format_set allowed, struct suit_bytes info,
		       struct suit_content_key *ret) SUIT_MUST_CHECK;
