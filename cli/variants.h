/* Deltas for a whole class: one from each image that its devices hold, so that nearly all of
 * them are served.  The server says what they hold and gives the images; every delta is made in
 * a process of its own, within cli/limits.h, applied there by the devices' code, and compared.
 */
#pragma once

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/delta.h"
#include "cli/signing.h"

#define VARIANTS_MAX     16
#define VARIANTS_COVER   95 /* % of the class's devices: then no further image is asked for */
#define VARIANTS_PERCENT 60 /* of the compressed full image: a larger delta is dropped */

struct variant {
	struct digest base, digest; /* of the old image, and of the delta */
	int64_t base_size, devices;
	struct blob delta;
	const char *dropped; /* why there is none; NULL: there is one */
};

struct variants {
	struct variant item[VARIANTS_MAX];
	size_t count;
	int64_t devices, done, served; /* counted; hold the new image; get a delta */
	size_t compressed;             /* bytes of the new image */
};

struct variants_plan {
	const char *class_name, *component;
	struct delta_parameters parameters;
	uint64_t max_percent;
	struct bytes fresh;
};

/* Of --max-percent: 60 when it is not given. */
enum exit_code variants_percent(struct cli *c, uint64_t *ret) MUST_CHECK;
/* --format, --window, --lookahead and --max-percent. */
enum exit_code variants_options(struct cli *c, struct variants_plan *ret) MUST_CHECK;
enum exit_code variants_make(struct cli *c, const struct variants_plan *plan,
			     struct variants *ret) MUST_CHECK;
/* One row a variant, as the command's answer; and as talk, beside another answer. */
void variants_print(struct cli *c, const struct variants *v);
void variants_say(struct cli *c, const struct variants *v);
/* PREFIX, a minus, and twelve digits of the old image's digest. */
const char *variant_path(struct cli *c, const char *prefix, const struct variant *v,
			 const char *suffix);
void clean_variants(struct variants *v);
