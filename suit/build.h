/* The common case of suit/source.h: an envelope of one component that is fetched, with or
 * without slots; without a signature yet (see suit_envelope_sign). */
#pragma once

#include "suit/crypto.h"
#include "suit/manifest.h"

#define SUIT_BUILD_COMPONENT_MAX 128 /* bytes of a component id, all segments */
#define SUIT_BUILD_TEXT_MAX      64  /* bytes of a text version */

struct suit_build_image {
	bool has_slot;
	uint64_t slot;
	struct suit_digest digest;
	uint64_t size;
	struct suit_bytes uri; /* 1 to SUIT_URI_MAX bytes of UTF-8 */
};

struct suit_build {
	uint64_t sequence;
	struct suit_uuid vendor_id, class_id;
	struct suit_component_id component;
	struct suit_build_image image[SUIT_SLOTS_MAX];
	size_t image_count; /* 1 without slot, or several, each with its own slot */
	int64_t version[SUIT_VERSION_MAX];
	size_t version_count;           /* set-version; 0: none */
	struct suit_bytes text_version; /* into the severed text; empty: no text */
	struct suit_bytes reference_uri;
	bool invoke; /* adds an invoke section */
};

/* ret_n is the size wanted, also on SUIT_NO_SPACE. */
enum suit_rc suit_build(const struct suit_crypto *crypto, const struct suit_build *in,
			uint8_t *buf, size_t size, size_t *ret_n) SUIT_MUST_CHECK;
