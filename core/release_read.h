/* What a signed envelope says of the release it makes, and whether a key has signed it.  No
 * database: everything here follows from the bytes, and from those of its dependencies. */
#pragma once

#include "base/err.h"
#include "base/model/release.h"
#include "core/release_parts.h"
#include "suit/cose.h"

#define RELEASE_TOUCHED_MAX 32

/* Why it is refused. */
struct release_refusal {
	enum err err;
	const char *why;
};

struct release_facts {
	struct release_parts parts;
	/* A delegate alone has signed it: it lets devices in, whose keys stand in needs as
	 * "key-" and digits (release_key_word()). */
	bool delegated;
	struct digest digest;
	struct uuid vendor_id, class_id;
	const char *components; /* that an update changes: sorted, joined by commas */
	struct release_installed *installed; /* of these; sorted */
	int installed_count;
	/* Components that it changes or runs at any time, download areas aside: what its
	 * authors must be allowed. */
	const char *touched[RELEASE_TOUCHED_MAX];
	int touched_count;
	uint64_t sequence;
	const char *version; /* NULL when the manifest carries none */
	struct image_item images[MANIFEST_IMAGES_MAX];
	int image_count;
	/* As in struct manifest. */
	const char *needs, *base_component;
	struct digest base_digest;
	int64_t bytes, image_bytes;
};

/* Strict: whatever cannot be offered is RC_UNPROCESSABLE, and ret_why says why; else what the
 * stored failed with.  The facts point into the envelopes' bytes. */
enum rc release_read(struct bytes envelope, const struct release_library *stored,
		     struct arena *mem, struct release_facts *ret,
		     struct release_refusal *ret_why) MUST_CHECK;
/* Again, for what has turned out to be signed by a delegate alone. */
enum rc release_read_delegated(struct release_facts *f,
			       struct release_refusal *ret_why) MUST_CHECK;
/* One signature against one public key (SubjectPublicKeyInfo). */
bool release_signed_by(const struct suit_envelope *e, const struct suit_block *block,
		       struct bytes public_key);
/* Key ids of the signatures in an envelope that was accepted before. */
enum rc release_signers(struct bytes envelope, struct arena *mem, struct bytes **ret,
			int *ret_count) MUST_CHECK;
/* "the manifest", or "dependency 0a1b2c3d4e5f" of a later part. */
const char *release_part_name(const struct release_facts *f, int part, struct arena *mem);
