/* Releases: a signed manifest goes through every check before anything is stored; what is
 * stored is the bytes that came. */
#pragma once

#include "base/model/release.h"
#include "core/call.h"

struct release_new {
	struct bytes envelope;
	const char *version; /* NULL: the manifest must carry it */
	const char *notes;   /* or NULL */
	bool allow_jump; /* an administrator takes a sequence number that is too far ahead */
};

/* Decodes it and its dependencies, verifies every signature against the author keys of the
 * manifest's class, checks what these authors may touch, images, sequence and version; stores.
 */
enum rc release_create(struct call *c, const struct release_new *in,
		       struct release *ret) MUST_CHECK;
/* Adds another manifest: of the same class, components and sequence number, that ends with the
 * same installed digests.  Through the same checks.  Again with one that the release has:
 * nothing changes, and ret_new is false.  ERR_VARIANT_DIFFERS, with a field for each
 * difference; ERR_RELEASE_WITHDRAWN. */
enum rc release_add_manifest(struct call *c, const struct uuid *release_id,
			     struct bytes envelope, struct release *ret,
			     bool *ret_new) MUST_CHECK;
/* With manifests (no envelope bytes in them, signers filled) and installed digests. */
enum rc release_get(struct call *c, const struct uuid *release_id,
		    struct release *ret) MUST_CHECK;
/* Newest first; after: NULL or the last one of the page before (created_at, release_id). */
enum rc release_list(struct call *c, const struct release *after, int limit,
		     struct release **ret, int *ret_count) MUST_CHECK;
/* One of its manifests; digest NULL: the first. */
enum rc release_manifest(struct call *c, const struct uuid *release_id,
			 const struct digest *digest, struct manifest *ret) MUST_CHECK;
/* It is not offered any more: no campaign makes a new offer of it, nor another attempt, and
 * offers that no device has begun with, or that it has put off, are taken back, their jobs
 * cancelled.  Who has begun goes on; aborting the campaign stops them. */
enum rc release_withdraw(struct call *c, const struct uuid *release_id, int64_t revision,
			 struct release *ret) MUST_CHECK;
/* What is left of that once it is marked as withdrawn, in the same transaction. */
enum rc release_take_back(struct call *c, const struct uuid *release_id) MUST_CHECK;
/* Once more, for all that were withdrawn at that time or later: a device may have asked for
 * another attempt while the withdrawal was on its way. */
enum rc release_take_back_since(struct call *c, int64_t since) MUST_CHECK;

/* Notes an image whose bytes are in the store (core/images.h). */
enum rc image_add(struct call *c, const struct digest *digest, int64_t size,
		  struct image_item *ret, bool *ret_new) MUST_CHECK;
enum rc image_get(struct call *c, const struct digest *digest,
		  struct image_item *ret) MUST_CHECK;
/* By digest; after: NULL or the last one of the page before. */
enum rc image_list(struct call *c, const struct digest *after, int limit,
		   struct image_item **ret, int *ret_count) MUST_CHECK;
