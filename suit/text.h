/* The text of a manifest, for people (draft-37 section 8.4.4): by language, about the manifest
 * and about each component. */
#pragma once

#include "suit/manifest.h"

#define SUIT_LANGUAGES_MAX 16

/* About the manifest; negative keys are private. */
enum suit_text_key {
	SUIT_TEXT_MANIFEST = 1,
	SUIT_TEXT_UPDATE = 2,
	SUIT_TEXT_JSON_SOURCE = 3,
	SUIT_TEXT_YAML_SOURCE = 4,
};
/* About a component. */
enum suit_component_text_key {
	SUIT_TEXT_VENDOR_NAME = 1,
	SUIT_TEXT_MODEL_NAME = 2,
	SUIT_TEXT_VENDOR_DOMAIN = 3,
	SUIT_TEXT_MODEL_INFO = 4,
	SUIT_TEXT_COMPONENT = 5,
	SUIT_TEXT_VERSION = 6,
	SUIT_TEXT_VERSION_REQUIRED = 7,
	SUIT_TEXT_CURRENT_VERSION = 8,
};

/* The text of key in a language, or, when that is empty, in the first one that has it.  id
 * NULL: about the manifest.  Empty: there is none. */
struct suit_bytes suit_text_get(const struct suit_envelope *e, struct suit_bytes language,
				const struct suit_component_id *id, int64_t key);
/* The nth language, such as "en" or "pt-BR"; empty past the last. */
struct suit_bytes suit_text_language(const struct suit_envelope *e, size_t nth);

/* The decoder's: whether the whole of e->text is in form, and speaks of e's components only. */
enum suit_rc suit_text_check(const struct suit_envelope *e) SUIT_MUST_CHECK;
