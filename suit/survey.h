/* Everything that a manifest could make some device do: the processor runs once for each way
 * that its conditions can turn out, with and without each slot, precursor, version and so on.
 * For whoever stores manifests: every payload must be there, every component the author's own,
 * and a device that ends with one of the installed digests has the update.
 *
 * Ways are consistent: a component has one digest and one slot, and what was asked once is the
 * same when it is asked again. What a fetch brought has the digest that it was said to have. */
#pragma once

#include "suit/manifest.h"

#define SUIT_SURVEY_PAYLOADS_MAX   32
#define SUIT_SURVEY_INSTALLED_MAX  32
#define SUIT_SURVEY_COMPONENTS_MAX 32
#define SUIT_SURVEY_FACTS_MAX      32     /* that one run asks for */
#define SUIT_SURVEY_RUNS_MAX       1024   /* ways to turn out */
#define SUIT_SURVEY_STEPS_MAX      131072 /* commands of all runs */

struct suit_survey_component {
	const struct suit_component_id *id; /* NULL: a dependency that has only an index */
	struct suit_bytes prefix;           /* encoded; before the id, or instead of it */
	bool dependency;
	bool touched; /* fetched, written, copied or swapped into, swapped out, unlinked */
	bool invoked;
};

struct suit_survey_payload {
	struct suit_bytes uri;
	uint8_t component; /* number in the survey's list */
	bool integrated;   /* the envelope holds it */
	bool encrypted;    /* decrypted when it is copied on */
	bool has_digest, has_size;
	struct suit_digest digest; /* of what is fetched; a dependency: of its manifest */
	uint64_t size;             /* its exact size, so also the bound of the fetch */
	/* It is fetched only where a component holds this already. */
	bool has_precursor;
	uint8_t precursor_component;
	struct suit_digest precursor;
};

struct suit_survey_installed {
	uint8_t component;
	struct suit_digest digest;
};

struct suit_survey {
	struct suit_survey_component component[SUIT_SURVEY_COMPONENTS_MAX];
	size_t component_count;
	struct suit_survey_payload payload[SUIT_SURVEY_PAYLOADS_MAX];
	size_t payload_count;
	/* What is there at the end of a run that succeeds. */
	struct suit_survey_installed installed[SUIT_SURVEY_INSTALLED_MAX];
	size_t installed_count;
	bool custom;       /* a vendor's own command takes part: what it does is not in here */
	bool vendor_class; /* both are checked before anything is done, in every run */
	uint32_t runs, successes, steps;
};

/* Yields the envelope of a dependency whose manifest has this digest: decoded, and verified. It
 * stays for the whole survey. SUIT_MISSING when there is none. */
typedef enum suit_rc suit_survey_resolve(void *ctx, const struct suit_digest *digest,
					 struct suit_bytes uri, struct suit_bytes integrated,
					 const struct suit_envelope **ret);

/* Surveys the update procedure.  resolve may be NULL: a manifest with dependencies is then
 * SUIT_UNSUPPORTED. SUIT_CONDITION when it succeeds in no way; SUIT_TOO_LARGE over one of the
 * limits; any other failure when some device would get stuck with it. */
enum suit_rc suit_survey(const struct suit_envelope *e, suit_survey_resolve *resolve, void *ctx,
			 struct suit_survey *ret) SUIT_MUST_CHECK;
