/* Parameters of a manifest as text, as they stand at a point of a sequence. */
#pragma once

#include "base/arena.h"
#include "cli/words.h"
#include "suit/manifest.h"

#define EXPLAIN_INDEXES (2 * SUIT_COMPONENTS_MAX)

/* By index and parameter: its text, or NULL. */
struct explain_values {
	const char *text[EXPLAIN_INDEXES][PARAMETER_WORDS];
};

/* Takes a map of parameters for the indexes of a set (bits). */
void explain_values_take(struct arena *mem, const struct suit_envelope *e,
			 struct explain_values *v, uint32_t indexes, struct scbor *c);
/* After alternatives: what differs is whatever was chosen. */
void explain_values_merge(struct explain_values *all, const struct explain_values *one);
