/* Whether an envelope is for this device, and what it wants.  This is the whole of a device's
 * trust: nothing that the server says counts here, only what an author signed. */
#pragma once

#include "agent/keys.h"
#include "agent/platform.h"
#include "suit/crypto_openssl.h"

#define VERIFY_ANCHORS_MAX 4

/* Whose signatures make an author, or a delegate. */
struct verify_side {
	struct suit_key *key[VERIFY_ANCHORS_MAX]; /* public keys */
	size_t key_count;
	/* Certificates of authorities that answer for such; views of authority_der, so that
	 * this struct must stay where it is. */
	struct suit_bytes authority[VERIFY_ANCHORS_MAX];
	size_t authority_count;
	uint8_t authority_der[VERIFY_ANCHORS_MAX][SUIT_CERT_MAX];
};

struct verify {
	struct ability can;
	struct verify_side author;
	struct verify_side delegate; /* may let this device in, and nothing else */
	/* HMAC-SHA256.  Where it is all that the device holds, a MAC by it is enough.  Beside
	 * anchors it never stands in for a signature: every device of the class has it, so one
	 * that was taken apart could sign for all. */
	struct shared_key mac;
};

/* Reads public keys and certificates in PEM files.  False when one is neither; ret_bad is then
 * its index. */
bool verify_anchors(struct verify_side *side, const char (*path)[256], size_t count,
		    size_t *ret_bad);
/* So that a manifest may have dependencies: they are asked about here.  v stays where it is. */
void verify_dependencies(struct verify *v);
void verify_finish(struct verify *v);

/* Nothing is written, here or on the device.  ret is filled only with SUIT_OK (job and attempt
 * stay as they are); ret_result always. */
enum suit_rc verify_envelope(const struct verify *v, struct suit_bytes envelope,
			     const struct facts *facts, struct update *ret,
			     struct platform_result *ret_result) SUIT_MUST_CHECK;
