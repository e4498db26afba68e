/* The command sequences of a source, section by section. */
#pragma once

#include "suit/source.h"

/* Does the source have something to say there? */
bool suit_layout_has(const struct suit_source *in, enum suit_section section);
/* The sequence, wrapped in its byte string. */
void suit_layout_put(struct scbor_out *o, const struct suit_source *in,
		     enum suit_section section);
/* Is there more than one index, so that commands must say which they mean? */
bool suit_layout_indexed(const struct suit_source *in);
