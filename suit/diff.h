/* Makes what suit/patch.h applies, on the author's machine: records between two images by a
 * suffix array of the old one, which the caller makes (libdivsufsort does).  What comes out is
 * the rest of a patch before compression; the caller compresses it and puts the head before
 * it.  Of all ways to write the new image it takes the one that costs the fewest bits by an
 * estimate of what the compressor makes of it: which estimate is best depends on the images.
 *
 * Time: about linear. Looking closely costs some hundred steps for each byte that is not in a
 * long match; the steps are counted, and where there are too many it looks less closely
 * (suit/diff_path.h).  Stack: about 13 KiB. */
#pragma once

#include "suit/patch.h"

#define SUIT_PATCH_HEAD_MAX 6

/* What the compressor may make of things, in 1/16 bit. */
struct suit_diff_costs {
	uint16_t differing; /* a byte that differs from the old one's; 150 or so */
	uint16_t extra;     /* a byte as it is; 80 to 130 */
	uint16_t record;    /* to go on elsewhere in the old image; 400 to 800 */
};

/* From one place in the new image on: what it is made of. */
struct suit_diff_step {
	uint32_t at;
	uint32_t old;
	uint32_t before;
	uint32_t uses;
};

#define SUIT_DIFF_STEPS(n) ((n) / 4 + 1024)

struct suit_diff {
	struct suit_bytes old;   /* at most SUIT_PATCH_IMAGE_MAX bytes */
	struct suit_bytes fresh; /* the new one; as many */
	const int32_t *order;    /* old's suffixes sorted, old.n of them */
	struct suit_diff_costs costs;
	const int16_t *value;        /* of bytes, beside costs: 256 or NULL; suit_diff_values */
	uint32_t *count;             /* 256 or NULL: bytes written as they are or differing */
	struct suit_diff_step *step; /* room to work in */
	size_t step_count;           /* at least SUIT_DIFF_STEPS(fresh.n) */
	/* Takes the next bytes; anything but SUIT_OK stops it and is handed on. */
	enum suit_rc (*put)(void *ctx, struct suit_bytes bytes);
	void *ctx;
};

/* What a byte costs more or less than the others, when so many of each were counted. */
void suit_diff_values(const uint32_t count[256], int16_t ret[256]);
enum suit_rc suit_diff_run(const struct suit_diff *d) SUIT_MUST_CHECK;
/* The head of a patch; its size. */
size_t suit_patch_head(enum suit_codec codec, uint32_t new_size,
		       uint8_t ret[SUIT_PATCH_HEAD_MAX]);
