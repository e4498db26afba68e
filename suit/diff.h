/* Makes what suit/patch.h applies, on the author's machine: records between two images by a
 * suffix array of the old one, which the caller makes (libdivsufsort does).  What comes out is
 * the rest of a patch before compression; the caller compresses it and puts the head before
 * it. Time: about (old + new) * log(old) comparisons; images that are one long repetition take
 * the square, so run it under a limit. */
#pragma once

#include "suit/patch.h"

#define SUIT_PATCH_HEAD_MAX 6

struct suit_diff {
	struct suit_bytes old;   /* at most SUIT_PATCH_IMAGE_MAX bytes */
	struct suit_bytes fresh; /* the new one; as many */
	const int32_t *order;    /* old's suffixes sorted, old.n of them */
	/* Bytes that a match must win over going on as before; 8 is usual, and 4 to 12 are
	 * worth a try. */
	size_t jump;
	/* Takes the next bytes; anything but SUIT_OK stops it and is handed on. */
	enum suit_rc (*put)(void *ctx, struct suit_bytes bytes);
	void *ctx;
};

enum suit_rc suit_diff_run(const struct suit_diff *d) SUIT_MUST_CHECK;
/* The head of a patch; its size. */
size_t suit_patch_head(enum suit_codec codec, uint32_t new_size,
		       uint8_t ret[SUIT_PATCH_HEAD_MAX]);
