/* Applies a patch in detools' sequential format as it arrives: the old image is read at any
 * place, the new one is written from front to back, never in place.
 *
 *   patch   = byte 0x0c (c: enum suit_codec), number to-size, the rest compressed by c
 *   rest    = number 0 (no data format), then records until to-size bytes are there
 *   record  = number n, n bytes to add to the old ones, number m, m bytes as they are,
 *             number to move in the old image by
 *   number  = 6, then 7 bits a byte, lowest first; bit 6 of the first is the sign, bit 7 means
 *             that there are more
 *
 * A patch says nothing about the old image that it was made for.  Compare the precursor's
 * digest, which is in the signed manifest, with the old image before suit_patch_open, and the
 * new image's digest behind suit_patch_finish: both, always.  A wrong old image gives a wrong
 * new one, never an access outside either. */
#pragma once

#include "suit/inflate.h"

#define SUIT_PATCH_IMAGE_MAX INT32_MAX
#define SUIT_PATCH_EMPTY_MAX 8 /* records in a row that write nothing */

/* Plain data without pointers: with the inflater's state and the number of patch bytes that
 * were fed it can be kept, once all that was written is in the new image's place for good, and
 * the same build goes on from there after a power cut. */
struct suit_patch {
	uint32_t old_size;
	uint32_t new_max;
	uint32_t new_size; /* once the header is read */
	uint32_t old_at;
	uint32_t written;
	uint32_t left;   /* of the bytes under way */
	uint32_t number; /* that is being read */
	uint8_t shift;   /* of its next byte; 0: the first */
	bool negative;
	uint8_t phase;
	uint8_t codec;
	uint8_t empty;  /* records in a row that wrote nothing */
	uint8_t failed; /* enum suit_rc */
};

/* old_size: bytes that io->read_old can read.  new_max: the room for the new image, or better
 * its size from the manifest. */
enum suit_rc suit_patch_open(struct suit_patch *p, uint64_t old_size,
			     uint64_t new_max) SUIT_MUST_CHECK;
/* Any number of bytes at a time.  After an error every call yields it again. */
enum suit_rc suit_patch_feed(struct suit_patch *p, const struct suit_stream_io *io,
			     struct suit_bytes bytes) SUIT_MUST_CHECK;
/* SUIT_OK when the whole new image was written and the patch is over; SUIT_MISSING when there
 * should be more. */
enum suit_rc suit_patch_finish(const struct suit_patch *p,
			       const struct suit_stream_io *io) SUIT_MUST_CHECK;
