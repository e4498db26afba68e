/* Everything that a manifest could make some device do: the processor runs once for each way
 * that its conditions can turn out, with and without each slot, precursor, version and so on.
 * For whoever stores manifests: every payload must be there, every component the author's own,
 * and a device that ends with one of the installed digests has the update.  Its invoke and
 * uninstall procedures touch components too.
 *
 * Ways are consistent: a component has one digest and one slot, and what was asked once is the
 * same when it is asked again. What a fetch brought has the digest and the size that it was
 * said to have, but for one component in turn, in which nothing ever is what it should be. What
 * was written, copied or swapped there may have any digest that it is compared with, or none.
 */
#pragma once

#include "suit/process.h"

#define SUIT_SURVEY_PAYLOADS_MAX   32
#define SUIT_SURVEY_INSTALLED_MAX  32
#define SUIT_SURVEY_COMPONENTS_MAX 32
#define SUIT_SURVEY_FACTS_MAX      64 /* that one run asks for */
#define SUIT_SURVEY_IDENTITIES_MAX 32
#define SUIT_SURVEY_INFOS_MAX      16     /* encryption infos */
#define SUIT_SURVEY_RUNS_MAX       1024   /* ways to turn out */
#define SUIT_SURVEY_STEPS_MAX      131072 /* commands of all runs */

struct suit_survey_component {
	const struct suit_component_id *id; /* NULL: a dependency that has only an index */
	struct suit_bytes prefix;           /* encoded; before the id, or instead of it */
	bool dependency;
	bool touched; /* fetched, written, copied or swapped into, swapped out, unlinked */
	bool invoked;
	/* Some run that succeeds leaves something here that no digest was compared with. */
	bool unmatched;
	uint32_t path; /* tells dependencies apart that have neither id nor prefix */
};

struct suit_survey_payload {
	struct suit_bytes uri;
	uint8_t component;         /* number in the survey's list */
	bool integrated;           /* the envelope holds it */
	struct suit_bytes content; /* then */
	bool encrypted;            /* decrypted when it is copied on */
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

struct suit_survey_identity {
	enum suit_parameter key; /* SUIT_PARAM_VENDOR, _CLASS or _DEVICE */
	struct suit_bytes id;    /* as encoded in the manifest */
};

struct suit_survey {
	struct suit_survey_component component[SUIT_SURVEY_COMPONENTS_MAX];
	size_t component_count;
	struct suit_survey_payload payload[SUIT_SURVEY_PAYLOADS_MAX];
	size_t payload_count;
	/* What is there at the end of a run that succeeds. */
	struct suit_survey_installed installed[SUIT_SURVEY_INSTALLED_MAX];
	size_t installed_count;
	/* Who may run it: what held in any run that succeeds. */
	struct suit_survey_identity identity[SUIT_SURVEY_IDENTITIES_MAX];
	size_t identity_count;
	bool one_device; /* every run that succeeds is for a device named by its id */
	/* What must be installed before: the digests that hold in every run that succeeds and
	 * changes something. */
	struct suit_survey_installed precursor[SUIT_SURVEY_FACTS_MAX];
	size_t precursor_count;
	bool precursors_differ; /* each of these runs wants some, and not the same */
	struct suit_bytes encryption[SUIT_SURVEY_INFOS_MAX]; /* every info that is used */
	size_t encryption_count;
	/* Bytes that a run which succeeds fetches from elsewhere, at most; unless something
	 * arrives changed. */
	uint64_t fetched;
	uint64_t largest;  /* size of a payload, or of what a component then holds, at most */
	bool custom;       /* a vendor's own command takes part: what it does is not in here */
	bool vendor_class; /* both are checked before anything is done, in every run */
	uint32_t runs, successes, steps;
	/* Where the run stands that made it fail; measured is not set. */
	struct suit_record failed;
};

/* Yields the envelope of a dependency whose manifest has this digest: decoded, and verified. It
 * stays for the whole survey. SUIT_MISSING when there is none; when it is one that nothing has
 * fetched, so that a device must have it, these devices are left out of the survey. */
typedef enum suit_rc suit_survey_resolve(void *ctx, const struct suit_digest *digest,
					 struct suit_bytes uri, struct suit_bytes integrated,
					 const struct suit_envelope **ret);

/* Surveys the update procedure.  resolve may be NULL: a manifest with dependencies is then
 * SUIT_UNSUPPORTED. SUIT_CONDITION when it succeeds in no way; SUIT_TOO_LARGE over one of the
 * limits; any other failure when some device would get stuck with it. */
enum suit_rc suit_survey(const struct suit_envelope *e, suit_survey_resolve *resolve, void *ctx,
			 struct suit_survey *ret) SUIT_MUST_CHECK;
/* The same for any procedure. */
enum suit_rc suit_survey_procedure(const struct suit_envelope *e, enum suit_procedure procedure,
				   suit_survey_resolve *resolve, void *ctx,
				   struct suit_survey *ret) SUIT_MUST_CHECK;
/* The same where a delegate alone has signed e (suit/process.h). */
enum suit_rc suit_survey_delegated(const struct suit_envelope *e, enum suit_procedure procedure,
				   suit_survey_resolve *resolve, void *ctx,
				   struct suit_survey *ret) SUIT_MUST_CHECK;
