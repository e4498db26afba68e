/* Whether an envelope is for this device, and what it wants.  This is the whole of a device's
 * trust: nothing that the server says counts here, only what an author signed. */
#pragma once

#include "agent/link.h"
#include "agent/proto.h"
#include "suit/crypto.h"
#include "suit/crypto_openssl.h"

#define VERIFY_ANCHORS_MAX 4
#define VERIFY_VERSION_MAX 65

struct verify {
	const struct suit_crypto *crypto;
	struct suit_key *anchor[VERIFY_ANCHORS_MAX]; /* public keys of authors */
	size_t anchor_count;
	/* Certificates of authorities that answer for authors; views of authority_der, so that
	 * this struct must stay where it is. */
	struct suit_bytes authority[VERIFY_ANCHORS_MAX];
	size_t authority_count;
	uint8_t authority_der[VERIFY_ANCHORS_MAX][SUIT_CERT_MAX];
	struct suit_uuid vendor_id, class_id;
	const char *component;
	uint64_t image_max;
};

/* What a verified envelope makes this device do. */
struct update {
	uint64_t job, attempt;
	uint64_t sequence;
	struct suit_digest manifest, image;
	uint64_t size;
	char path[LINK_PATH_MAX]; /* of the image, on the server */
	char version[VERIFY_VERSION_MAX];
};

/* Reads public keys and certificates in PEM files.  False when one is neither; ret_bad is then
 * its index. */
bool verify_anchors(struct verify *v, const char (*path)[256], size_t count, size_t *ret_bad);
void verify_finish(struct verify *v);

/* slot: the one that would be written, 0 or 1.  sequence: the newest confirmed one.  ret is
 * written only with PROTO_CAUSE_NONE (job and attempt stay as they are); ret_why is a text for
 * people. */
enum proto_cause verify_envelope(const struct verify *v, struct suit_bytes envelope,
				 uint64_t slot, uint64_t sequence, struct update *ret,
				 const char **ret_why);
