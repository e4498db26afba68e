/* What a manifest makes a device do: runs shared, payload-fetch, install and validate for the
 * facts of one device and yields what to fetch and what must then be there.  For manifests of
 * one component whose image arrives by fetch; anything else is SUIT_UNSUPPORTED.
 *
 * Rules checked: vendor and class conditions are there and come first; digest and size are set
 * before the fetch; image-match is executed after it, at install or at validation. */
#pragma once

#include "suit/manifest.h"

struct suit_facts {
	const struct suit_uuid *vendor_id; /* NULL: whatever the manifest says (the server) */
	const struct suit_uuid *class_id;
	uint64_t slot; /* the one that would be written */
};

struct suit_plan {
	struct suit_uuid vendor_id, class_id;
	struct suit_component_id component;
	uint64_t sequence;
	bool slot_matters; /* a condition asked for the slot */
	uint64_t slot;
	struct suit_bytes uri;
	struct suit_digest digest; /* of the image, as fetched and as installed */
	uint64_t size;
};

/* SUIT_CONDITION when it is not for this device or slot. */
enum suit_rc suit_plan(const struct suit_envelope *e, const struct suit_facts *facts,
		       struct suit_plan *ret) SUIT_MUST_CHECK;
/* The plan of every slot that the manifest names (at most SUIT_SLOTS_MAX), or the only one when
 * slots do not matter: what the server must hold.  SUIT_UNSUPPORTED when it would also install
 * into slots that it does not name. */
enum suit_rc suit_plan_all(const struct suit_envelope *e, struct suit_plan ret[SUIT_SLOTS_MAX],
			   size_t *ret_count) SUIT_MUST_CHECK;
