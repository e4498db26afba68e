/* What the files of the survey share (survey.c, survey_facts.c).  Nobody else includes it. */
#pragma once

#include "suit/process.h"
#include "suit/survey.h"

/* One answer: a condition's kind, the component and the value that it was compared with. */
struct fact {
	enum suit_parameter key;
	uint8_t component;
	struct suit_bytes value; /* as encoded in the manifest */
	bool holds;
};

/* What a component holds in this run. */
struct content {
	bool changed;    /* by this run: no longer what was installed */
	bool known;      /* its digest is */
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
/* The answer that this run gives to a condition with the target's parameter. */
enum suit_rc suit_survey_ask(struct survey *v, const struct suit_target *t,
			     enum suit_parameter key, bool *ret);
/* The next way to turn out; false when all were tried. */
bool suit_survey_next(struct survey *v);
/* Fills in the platform's conditions. */
void suit_survey_conditions(struct suit_platform *p);
