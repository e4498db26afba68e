/* What a signed envelope says of the release it makes, and whether a key has signed it.  No
 * database: everything here follows from the bytes. */
#pragma once

#include "base/model/release.h"
#include "suit/cose.h"
#include "suit/manifest.h"

struct release_facts {
	struct suit_envelope envelope;
	struct digest digest;
	struct uuid vendor_id, class_id;
	const char *component;
	uint64_t sequence;
	const char *version; /* NULL when the manifest carries none */
	struct image_item images[MANIFEST_IMAGES_MAX];
	int image_count;
};

/* Strict: whatever cannot be offered is RC_UNPROCESSABLE, and ret_why says why.  The facts
 * point into the envelope's bytes. */
enum rc release_read(struct bytes envelope, struct arena *mem, struct release_facts *ret,
		     const char **ret_why) MUST_CHECK;
/* One signature against one public key (SubjectPublicKeyInfo). */
bool release_signed_by(const struct release_facts *facts, const struct suit_block *block,
		       struct bytes public_key);
/* Key ids of the signatures in an envelope that was accepted before. */
enum rc release_signers(struct bytes envelope, struct arena *mem, struct bytes **ret,
			int *ret_count) MUST_CHECK;
