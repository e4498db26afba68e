/* Which of a release's manifests does a device get?  Pure: what fits and costs the fewest
 * bytes, and when nothing fits, what is missing. */
#pragma once

#include "base/model/device.h"
#include "base/model/variant.h"

#include <stdbool.h>

/* What the choice must know of a device. */
struct variant_device {
	const char *formats; /* that it reads, joined by a comma; empty: none */
	bool only_encrypted;
	int64_t max_envelope, max_image; /* bytes; 0: not said */
	const struct component *components;
	int component_count;
	bool no_delta; /* one has failed in this job */
};

#define VARIANT_LACK_MAX 256

struct variant_choice {
	const struct variant *variant; /* NULL: none fits */
	int64_t bytes_saved;           /* against the largest that fits */
	bool too_large;                /* none fits, and that for the device's limits alone */
	char lack[VARIANT_LACK_MAX];   /* when none fits: why, for people */
};

/* Patches what the device has. */
bool variant_is_delta(const struct variant *v);
/* Does the device hold what the delta patches?  True of what is no delta. */
bool variant_has_base(const struct variant *v, const struct component *components,
		      int component_count);
bool variant_fits(const struct variant *v, const struct variant_device *device);

/* Words that begin with "key-" are of devices' own keys: what names some is for these devices
 * alone, and a device that it names gets none that is encrypted for keys which are not named.
 *
 * Of those that fit the one with the least payload and envelope; of equals the one whose digest
 * comes first.  What it would lack is told of the whole image that comes nearest, or without
 * one of the delta. */
void variant_choose(const struct variant *variants, int count,
		    const struct variant_device *device, struct variant_choice *ret);
