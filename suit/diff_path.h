/* Where each byte of a new image comes from, for diff.c: the way that costs the fewest bits.
 * Internal. */
#pragma once

#include "suit/diff.h"

#define SUIT_DIFF_NONE  UINT32_MAX /* no step */
#define SUIT_DIFF_EXTRA UINT32_MAX /* for step.old: not from the old image */

/* Steps of the inner loops: so many for each byte of the new image, beside the first; those
 * that want more get a plainer look from there on, which takes fewer. */
#define SUIT_DIFF_WORK_FIRST ((uint64_t)4 << 20)
#define SUIT_DIFF_WORK_BYTE  128

/* Leaves the way in d->step, each step's `before` being the next one; returns the first.
 * ret_work: the steps it took. */
uint32_t suit_diff_path(const struct suit_diff *d, uint64_t *ret_work);
