/* The form of every parameter's value (draft-37 section 8.4.8; firmware encryption section 6;
 * update management section 5). */
#pragma once

#include "suit/cbor.h"

#define SUIT_PARAMETERS_MAX 32 /* in one map */

/* Reads the value of a parameter and checks it to its last part. */
enum suit_rc suit_parameter_check(struct scbor *c, int64_t key) SUIT_MUST_CHECK;
/* Is it a parameter of the drafts, or a private one (negative)? */
bool suit_parameter_known(int64_t key);
