/* What commands, parameters and sections of a manifest are called in sources and on screen. */
#pragma once

#include "base/arena.h"
#include "suit/compose.h"

struct command_word {
	int64_t command;
	const char *name;
	uint8_t policy; /* when the source gives none */
	bool takes_policy;
};

/* Ended by one without name. */
extern const struct command_word command_words[];
/* "fetch", or NULL. */
const char *command_word(int64_t command);
const struct command_word *command_word_find(const char *name);

/* By parameter number, NULL where there is none. */
#define PARAMETER_WORDS 32
extern const char *const parameter_words[PARAMETER_WORDS];

/* By enum suit_section, ended by NULL. */
extern const char *const section_words[];
/* A component id: segments of letters, digits, '.', '_' and '-' as they are, others in
 * hexadecimal. */
const char *component_text(struct arena *mem, const struct suit_component_id *id);
/* And back; false when it is none. */
bool component_parse(struct arena *mem, const char *text, struct suit_component_id *ret);
/* "1.2.0-rc.1" and its numbers: pre-releases are -1 (rc), -2 (beta), -3 (alpha). */
bool version_parse(struct arena *mem, const char *text, int64_t ret[SUIT_VERSION_MAX],
		   size_t *ret_count);
const char *version_text(struct arena *mem, const int64_t *number, size_t count);
