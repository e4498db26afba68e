/* What LZMA's reader (lzma.c) and writer (lzma_encode.c) must agree about: the probabilities'
 * places, and how the history goes on.  Internal. */
#pragma once

#include "suit/lzma.h"

/* Where the probabilities of a kind begin. */
enum {
	P_MATCH = 0,
	P_REP = P_MATCH + (12 << 4),
	P_REP0 = P_REP + 12,
	P_REP1 = P_REP0 + 12,
	P_REP2 = P_REP1 + 12,
	P_LONG = P_REP2 + 12,
	P_SLOT = P_LONG + (12 << 4),
	P_LOW = P_SLOT + 4 * 64,
	P_ALIGN = P_LOW + 115,
	P_LENGTH = P_ALIGN + 16,
	LENGTH_PROBS = 2 + 2 * (8 << 4) + 256, /* choices, short, middle, long */
	P_LITERAL = P_LENGTH + 2 * LENGTH_PROBS,
};
_Static_assert(SUIT_LZMA_PROBS(0) == P_LITERAL + 768, "lzma.h knows their number");

#define PROB_HALF  1024
#define PROB_ONE   2048
#define PROB_SHIFT 5 /* how fast a probability follows */
#define RANGE_LOW  (1u << 24)
#define LENGTH_MIN 2
#define SLOTS_LOW  14 /* distances from here on have direct bits */
#define COMPARES   7  /* histories from here on end with a match */

static inline uint8_t lzma_after_literal(unsigned history)
{
	return (uint8_t)(history < 4 ? 0 : history < 10 ? history - 3 : history - 6);
}

static inline uint8_t lzma_after_match(unsigned history, bool in_rep)
{
	return history < COMPARES ? (in_rep ? 8 : 7) : (in_rep ? 11 : 10);
}

static inline uint8_t lzma_after_short(unsigned history)
{
	return history < COMPARES ? 9 : 11;
}
