/* What a release makes devices do: every way that its manifest can turn out is gone through,
 * and what it fetches, changes and ends with is held against the rules of this server. */
#pragma once

#include "core/release_read.h"

/* Fills in all but sequence and version; the first part is decoded.  Fails as release_read().
 */
enum rc release_survey(struct release_facts *f, struct release_refusal *ret_why) MUST_CHECK;
