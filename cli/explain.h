/* A manifest in plain words: what a device would do, section by section, read from the bytes
 * alone.  It follows parameters as a device does, so a fetch says what, from where and where
 * to. */
#pragma once

#include "cli/cli.h"
#include "suit/manifest.h"

/* [{"section": "install", "title": "To install:", "does": ["fetches ...", ...]}, ...]; lines of
 * alternatives begin with blanks.  A new reference. */
json_t *explain_json(struct arena *mem, const struct suit_envelope *e);
/* The same for people. */
void explain_print(FILE *to, const json_t *sections);
/* "main", "dl/patch", "modem": by index, of components and dependencies. */
const char *explain_index(struct arena *mem, const struct suit_envelope *e, size_t index);
