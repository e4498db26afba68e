/* What is legal in a manifest and still unwise: rules that an author wants to hear before he
 * signs.  The envelope was decoded, so its form and digests are right already.
 *
 * Sequences are followed as a device would, without its facts: of alternatives, what only some
 * do is not relied upon, and what any of them writes counts as written. */
#pragma once

#include "suit/manifest.h"

enum suit_rule {
	SUIT_RULE_UNSIGNED,           /* no signature */
	SUIT_RULE_OLD_ALGORITHM,      /* signed by an algorithm number that names no curve */
	SUIT_RULE_NO_VENDOR,          /* written before the vendor was checked */
	SUIT_RULE_NO_CLASS,           /* written before the class was checked */
	SUIT_RULE_NO_DIGEST,          /* fetched or matched without a digest to expect */
	SUIT_RULE_NO_SIZE,            /* fetched without a size to expect */
	SUIT_RULE_NO_MATCH,           /* written and never matched */
	SUIT_RULE_NOT_VALIDATED,      /* installed, and not matched in validate */
	SUIT_RULE_REPLACEABLE_DIGEST, /* by set-parameters, so a dependent may change it */
	SUIT_RULE_CUSTOM_COMMAND,     /* private to a vendor */
	SUIT_RULE_NAMES_HOST,         /* a URI that freezes a host's name */
	SUIT_RULE_TEXT_INSIDE,        /* text that is not severed */
	SUIT_RULE_SEVERED_AWAY,       /* a section is missing here, so this is not the whole */
	SUIT_RULE_PAYLOAD_MISSING,    /* "#name" that the envelope does not hold */
	SUIT_RULE_PAYLOAD_DIGEST,     /* integrated, and not what its digest says */
	SUIT_RULE_PAYLOAD_UNUSED,     /* integrated, and never fetched */
	SUIT_RULE_TOO_LARGE,          /* over the device's limit */
	SUIT_RULE_SEQUENCE,           /* not higher than the last one */
	SUIT_RULES,
};

struct suit_finding {
	enum suit_rule rule;
	bool has_place; /* of a component in a section, or else of the whole */
	enum suit_section section;
	size_t index;
};

#define SUIT_FINDINGS_MAX 64

struct suit_lint {
	struct suit_finding finding[SUIT_FINDINGS_MAX];
	size_t count;
	bool more; /* there are others */
};

struct suit_lint_limits {
	size_t envelope_max; /* bytes; 0: any */
	bool has_last;
	uint64_t last_sequence;
};

/* SUIT_OK also with findings. */
enum suit_rc suit_lint(const struct suit_crypto *crypto, const struct suit_envelope *e,
		       const struct suit_lint_limits *limits,
		       struct suit_lint *ret) SUIT_MUST_CHECK;
/* "no-digest" */
const char *suit_rule_name(enum suit_rule rule);
/* A sentence for people, without its end. */
const char *suit_rule_text(enum suit_rule rule);
/* Must be mended before it is published; the others are advice. */
bool suit_rule_is_error(enum suit_rule rule);
