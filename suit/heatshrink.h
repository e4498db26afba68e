/* LZSS in heatshrink's bit format (most significant bit first): 1 and 8 bits of a literal, or
 * 0, w bits of distance - 1 and l bits of length - 1.  As detools writes it, one byte comes
 * first: w - 4 in the high and l - 3 in the low four bits.  The window is zero before the first
 * byte. At the end there are fewer than 8 bits of padding. */
#pragma once

#include "suit/inflate.h"

#define SUIT_HEATSHRINK_WINDOW_MIN 4
#define SUIT_HEATSHRINK_WINDOW_MAX 11 /* bits */
#define SUIT_HEATSHRINK_AHEAD_MIN  3

/* The state of a stream.  The memory behind it is the window. */
struct suit_heatshrink {
	uint32_t bits;   /* read but not used, in the low `have` bits */
	uint16_t head;   /* where the window goes on */
	uint16_t left;   /* of the copy under way */
	uint16_t source; /* of the copy under way */
	uint8_t have;
	uint8_t window_bits; /* 0: the first byte has not come yet */
	uint8_t ahead_bits;
	uint8_t window[];
};

/* Bytes of state for a window of w bits. */
#define SUIT_HEATSHRINK_STATE(w) (sizeof(struct suit_heatshrink) + (1u << (w)))

extern const struct suit_inflater suit_inflater_heatshrink;

/* --- for the author's machine --- */

/* One for each byte of the input and one more. */
struct suit_heatshrink_work {
	uint32_t cost_bits; /* of all from here to the end */
	uint16_t length;    /* of the longest match here; 0: none */
	uint16_t distance;
};

/* The shortest stream there is for these parameters, the first byte included.  ret_n is the
 * size wanted, also on SUIT_NO_SPACE.  SUIT_TOO_LARGE when in is over SUIT_HEATSHRINK_IN_MAX or
 * a parameter is out of range. */
#define SUIT_HEATSHRINK_IN_MAX (1u << 28)
enum suit_rc suit_heatshrink_encode(struct suit_bytes in, unsigned window_bits,
				    unsigned ahead_bits, struct suit_heatshrink_work *work,
				    uint8_t *buf, size_t size, size_t *ret_n) SUIT_MUST_CHECK;
