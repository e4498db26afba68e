/* The survey: the processor on a platform whose answers are facts that are tried both ways. */

#include "suit/survey.h"

#include "suit/survey_facts.h"

#include <string.h>

static enum suit_rc on_component(void *ctx, const struct suit_target *t)
{
	uint8_t number;

	return suit_survey_number(ctx, t, &number);
}

/* --- directives --------------------------------------------------------------------------- */

/* Whatever was there is gone. */
static enum suit_rc change(struct survey *v, const struct suit_target *t, struct content **ret)
{
	uint8_t number;
	enum suit_rc rc = suit_survey_number(v, t, &number);

	if (rc != SUIT_OK)
		return rc;
	v->s->component[number].touched = true;
	if (!v->vendor || !v->class_)
		v->s->vendor_class = false;
	v->content[number] = (struct content){ .changed = true };
	*ret = &v->content[number];
	return SUIT_OK;
}

static enum suit_rc on_fetch(void *ctx, const struct suit_target *t, struct suit_bytes uri,
			     struct suit_bytes content)
{
	struct survey *v = ctx;
	struct suit_survey_payload p = { .uri = uri, .integrated = content.p != NULL };
	struct content *c;
	enum suit_rc rc = change(v, t, &c);

	if (rc != SUIT_OK)
		return rc;
	p.component = (uint8_t)(c - v->content);
	p.has_digest = suit_parameter_digest(t, &p.digest);
	p.has_size = suit_parameter_uint(t, SUIT_PARAM_SIZE, &p.size);
	if (v->precursor_known) {
		p.has_precursor = true;
		p.precursor_component = v->precursor_component;
		p.precursor = v->precursor;
	}
	c->fetched = true;
	c->uri = uri;
	c->integrated = content;
	c->known = p.has_digest;
	c->digest = p.digest;
	if (v->payload_count == SUIT_SURVEY_PAYLOADS_MAX)
		return SUIT_TOO_LARGE;
	c->payload = (uint8_t)v->payload_count;
	v->payload[v->payload_count++] = p;
	return SUIT_OK;
}

static enum suit_rc on_write(void *ctx, const struct suit_target *t, struct suit_bytes content)
{
	struct content *c;

	(void)content;
	return change(ctx, t, &c);
}

static enum suit_rc on_copy(void *ctx, const struct suit_target *t,
			    const struct suit_target *source)
{
	struct survey *v = ctx;
	struct suit_bytes info;
	struct content *c;
	uint8_t from;
	enum suit_rc rc = suit_survey_number(v, source, &from);

	if (rc != SUIT_OK)
		return rc;
	struct content *s = &v->content[from];
	s->source = true;
	if (s->fetched && suit_parameter_encoded(t, SUIT_PARAM_ENCRYPTION, &info))
		v->payload[s->payload].encrypted = true;
	/* A copy may decrypt, unpack or patch, so what is there now only a match can tell. */
	return change(v, t, &c);
}

static enum suit_rc on_swap(void *ctx, const struct suit_target *t,
			    const struct suit_target *source)
{
	struct content *c;
	enum suit_rc rc = on_copy(ctx, t, source);

	if (rc == SUIT_OK)
		rc = change(ctx, source, &c);
	if (rc == SUIT_OK)
		c->source = true;
	return rc;
}

static enum suit_rc on_unlink(void *ctx, const struct suit_target *t)
{
	struct content *c;

	return change(ctx, t, &c);
}

static enum suit_rc on_invoke(void *ctx, const struct suit_target *t, struct suit_bytes args)
{
	struct survey *v = ctx;
	uint8_t number;
	enum suit_rc rc = suit_survey_number(v, t, &number);

	(void)args;
	if (rc == SUIT_OK)
		v->s->component[number].invoked = true;
	return rc;
}

static enum suit_rc on_wait(void *ctx, const struct suit_target *t, struct suit_bytes info)
{
	(void)ctx;
	(void)t;
	(void)info;
	return SUIT_OK;
}

static enum suit_rc on_custom(void *ctx, const struct suit_target *t, int64_t command,
			      struct suit_bytes arg)
{
	struct survey *v = ctx;
	struct content *c;

	(void)command;
	(void)arg;
	v->s->custom = true;
	return change(v, t, &c);
}

static enum suit_rc on_dependency(void *ctx, const struct suit_target *t,
				  const struct suit_envelope **ret)
{
	struct survey *v = ctx;
	struct suit_digest digest;
	uint8_t number;

	if (!v->resolve)
		return SUIT_UNSUPPORTED;
	enum suit_rc rc = suit_survey_number(v, t, &number);
	if (rc != SUIT_OK)
		return rc;
	if (!suit_parameter_digest(t, &digest))
		return SUIT_MISSING;
	/* A device may have it already, or not. */
	bool there = v->content[number].changed;
	if (!there)
		rc = suit_survey_ask(v, t, SUIT_PARAM_DIGEST, &there);
	if (rc != SUIT_OK)
		return rc;
	if (!there) {
		v->absent = true;
		return SUIT_MISSING;
	}
	return v->resolve(v->ctx, &digest, v->content[number].uri,
			  v->content[number].integrated, ret);
}

static struct suit_platform surveying(void)
{
	struct suit_platform p = {
		.component = on_component,
		.fetch = on_fetch,
		.write = on_write,
		.copy = on_copy,
		.swap = on_swap,
		.invoke = on_invoke,
		.unlink = on_unlink,
		.wait = on_wait,
		.dependency = on_dependency,
		.custom = on_custom,
	};

	suit_survey_conditions(&p);
	return p;
}

/* --- runs --------------------------------------------------------------------------------- */

static bool payload_same(const struct suit_survey_payload *a,
			 const struct suit_survey_payload *b)
{
	return suit_bytes_equal(a->uri, b->uri) && a->component == b->component &&
	       a->integrated == b->integrated && a->has_digest == b->has_digest &&
	       suit_digest_equal(&a->digest, &b->digest) && a->has_size == b->has_size &&
	       a->size == b->size;
}

static bool guard_same(const struct suit_survey_payload *a, const struct suit_survey_payload *b)
{
	return a->has_precursor && b->has_precursor &&
	       a->precursor_component == b->precursor_component &&
	       suit_digest_equal(&a->precursor, &b->precursor);
}

/* A payload that is fetched without a precursor somewhere is not guarded by any. */
static enum suit_rc payload_add(struct suit_survey *s, const struct suit_survey_payload *p)
{
	for (size_t i = 0; i < s->payload_count; i++) {
		struct suit_survey_payload *is = &s->payload[i];

		if (!payload_same(is, p))
			continue;
		bool same = guard_same(is, p);
		if (is->has_precursor && p->has_precursor && !same)
			continue;
		is->encrypted = is->encrypted || p->encrypted;
		is->has_precursor = same;
		return SUIT_OK;
	}
	if (s->payload_count == SUIT_SURVEY_PAYLOADS_MAX)
		return SUIT_TOO_LARGE;
	s->payload[s->payload_count++] = *p;
	return SUIT_OK;
}

static enum suit_rc installed_add(struct suit_survey *s, uint8_t component,
				  const struct suit_digest *digest)
{
	for (size_t i = 0; i < s->installed_count; i++)
		if (s->installed[i].component == component &&
		    suit_digest_equal(&s->installed[i].digest, digest))
			return SUIT_OK;
	if (s->installed_count == SUIT_SURVEY_INSTALLED_MAX)
		return SUIT_TOO_LARGE;
	s->installed[s->installed_count++] =
		(struct suit_survey_installed){ component, *digest };
	return SUIT_OK;
}

/* The results are what the validate section has compared.  Without one, what was compared and
 * was not only a place to stage. */
static enum suit_rc result_add(struct survey *v)
{
	enum suit_rc rc = SUIT_OK;
	bool validated = false;

	v->s->successes++;
	for (size_t i = 0; i < v->s->component_count; i++)
		validated = validated || v->content[i].validated;
	for (size_t i = 0; i < v->s->component_count && rc == SUIT_OK; i++) {
		const struct content *c = &v->content[i];
		if (c->matched && (validated ? c->validated : c->changed && !c->source) &&
		    !v->s->component[i].dependency)
			rc = installed_add(v->s, (uint8_t)i, &c->digest);
	}
	return rc;
}

static enum suit_rc run_once(struct survey *v, const struct suit_envelope *e)
{
	const struct suit_platform platform = surveying();
	struct suit_run run;

	memset(v->content, 0, sizeof(v->content));
	v->payload_count = 0;
	v->vendor = v->class_ = v->absent = v->precursor_known = false;
	enum suit_rc rc = suit_process(e, SUIT_UPDATE_PROCEDURE, &platform, v, &run);
	v->s->steps += run.steps;
	if (rc == SUIT_OK)
		rc = result_add(v);
	else if (rc == SUIT_CONDITION || (rc == SUIT_MISSING && v->absent))
		rc = SUIT_OK; /* not for that device */
	for (size_t i = 0; i < v->payload_count && rc == SUIT_OK; i++)
		rc = payload_add(v->s, &v->payload[i]);
	return rc;
}

enum suit_rc suit_survey(const struct suit_envelope *e, suit_survey_resolve *resolve, void *ctx,
			 struct suit_survey *ret)
{
	struct survey v = { .s = ret, .resolve = resolve, .ctx = ctx };
	enum suit_rc rc;

	memset(ret, 0, sizeof(*ret));
	ret->vendor_class = true;
	do {
		if (ret->runs++ == SUIT_SURVEY_RUNS_MAX || ret->steps > SUIT_SURVEY_STEPS_MAX)
			return SUIT_TOO_LARGE;
		rc = run_once(&v, e);
	} while (rc == SUIT_OK && suit_survey_next(&v));
	if (rc != SUIT_OK)
		return rc;
	return ret->successes > 0 ? SUIT_OK : SUIT_CONDITION;
}
