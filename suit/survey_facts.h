/* What the files of the survey share (survey.c, survey_facts.c).  Nobody else includes it. */
#pragma once

#include "suit/process.h"
#include "suit/survey.h"

/* One answer: a condition's kind, the component and the value that it was compared with. */
struct fact {
	enum suit_parameter key;
	uint8_t component;
	uint32_t change; /* digest, content: of what this change of the run has brought */
	struct suit_bytes value; /* as encoded in the manifest */
	bool sized;              /* digest: compared with a size as well */
	uint64_t size;
	bool holds;
};

/* What a component holds in this run. */
struct content {
	uint32_t changed; /* number of the run's change that brought it; 0: it was installed */
	bool known;       /* its digest is */
	bool sized;       /* its size is known */
	uint64_t size;
	bool matched;    /* and a condition has compared it */
	bool validated;  /* matched in the validate section */
	bool source;     /* was copied or swapped on: a place to stage */
	bool fetched;    /* what it holds came by the payload */
	uint8_t payload; /* number in the run's list */
	struct suit_digest digest;
	struct suit_bytes uri, integrated; /* of the last fetch: where a dependency is */
};

struct survey {
	struct suit_survey *s;
	suit_survey_resolve *resolve;
	void *ctx;
	const struct suit_envelope *delegated; /* by a delegate alone; NULL: none is */
	struct fact fact[SUIT_SURVEY_FACTS_MAX];
	size_t fact_count, facts_set; /* noted so far; decided by the runs before */
	uint32_t runs, steps; /* as bounded; those of the result are without the corrupt ones */
	/* Of this run: */
	struct content content[SUIT_SURVEY_COMPONENTS_MAX];
	struct suit_survey_payload payload[SUIT_SURVEY_PAYLOADS_MAX];
	size_t payload_count;
	uint32_t changes;
	bool wrong; /* something that the run has put there was not what it was compared with */
	bool vendor, class_; /* conditions that held */
	bool absent;         /* a dependency was not there, and nothing fetched it */
	bool precursor_known;
	uint8_t precursor_component;
	struct suit_digest precursor;
	uint64_t largest; /* of what was compared with a size */
	bool succeeded;   /* some run has, that changed something */
	int corrupt;      /* component whose new content is never what it should be; -1: none */
};

/* The component's number in the survey's list. */
enum suit_rc suit_survey_number(struct survey *v, const struct suit_target *t, uint8_t *ret);
/* The answer that this run gives to a condition with the target's parameter. A size of NULL is
 * compared with none. */
enum suit_rc suit_survey_ask(struct survey *v, const struct suit_target *t,
			     enum suit_parameter key, const uint64_t *size, bool *ret);
/* The next way to turn out; false when all were tried. */
bool suit_survey_next(struct survey *v);
/* Fills in the platform's conditions. */
void suit_survey_conditions(struct suit_platform *p);
