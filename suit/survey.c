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
	v->absent = false;
	if (!v->vendor || !v->class_)
		v->s->vendor_class = false;
	v->content[number] = (struct content){ .changed = ++v->changes };
	*ret = &v->content[number];
	return SUIT_OK;
}

static enum suit_rc on_fetch(void *ctx, const struct suit_target *t, struct suit_bytes uri,
			     struct suit_bytes content)
{
	struct survey *v = ctx;
	struct suit_survey_payload p = { .uri = uri,
					 .integrated = content.p != NULL,
					 .content = content };
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
	c->sized = p.has_size;
	c->size = p.size;
	if (v->payload_count == SUIT_SURVEY_PAYLOADS_MAX)
		return SUIT_TOO_LARGE;
	c->payload = (uint8_t)v->payload_count;
	v->payload[v->payload_count++] = p;
	return SUIT_OK;
}

/* Notes the info that the target's parameters name. */
static enum suit_rc encryption_add(struct suit_survey *s, const struct suit_target *t,
				   bool *ret_encrypted)
{
	struct suit_bytes info;

	*ret_encrypted = suit_parameter_bytes(t, SUIT_PARAM_ENCRYPTION, &info);
	for (size_t i = 0; *ret_encrypted && i < s->encryption_count; i++)
		if (suit_bytes_equal(s->encryption[i], info))
			return SUIT_OK;
	if (*ret_encrypted && s->encryption_count == SUIT_SURVEY_INFOS_MAX)
		return SUIT_TOO_LARGE;
	if (*ret_encrypted)
		s->encryption[s->encryption_count++] = info;
	return SUIT_OK;
}

static enum suit_rc on_write(void *ctx, const struct suit_target *t, struct suit_bytes content)
{
	struct survey *v = ctx;
	struct content *c;
	bool encrypted;
	enum suit_rc rc = encryption_add(v->s, t, &encrypted);

	(void)content;
	return rc == SUIT_OK ? change(v, t, &c) : rc;
}

static enum suit_rc on_copy(void *ctx, const struct suit_target *t,
			    const struct suit_target *source)
{
	struct survey *v = ctx;
	struct content *c;
	uint8_t from;
	bool encrypted = false;
	enum suit_rc rc = suit_survey_number(v, source, &from);

	if (rc == SUIT_OK)
		rc = encryption_add(v->s, t, &encrypted);
	if (rc != SUIT_OK)
		return rc;
	struct content *s = &v->content[from];
	s->source = true;
	if (s->fetched && encrypted)
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

	v->absent = false;
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
		rc = suit_survey_ask(v, t, SUIT_PARAM_DIGEST, NULL, &there);
	if (rc != SUIT_OK)
		return rc;
	if (!there) {
		v->absent = true;
		return SUIT_MISSING;
	}
	rc = v->resolve(v->ctx, &digest, v->content[number].uri, v->content[number].integrated,
			ret);
	if (rc == SUIT_MISSING && !v->content[number].changed)
		v->absent = true;
	return rc;
}

static bool on_delegated(void *ctx, const struct suit_envelope *e)
{
	return ((struct survey *)ctx)->delegated == e;
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
		.delegated = on_delegated,
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
	       a->integrated == b->integrated && a->content.p == b->content.p &&
	       a->has_digest == b->has_digest && suit_digest_equal(&a->digest, &b->digest) &&
	       a->has_size == b->has_size && a->size == b->size;
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

static enum suit_rc identity_add(struct suit_survey *s, const struct fact *f)
{
	for (size_t i = 0; i < s->identity_count; i++)
		if (s->identity[i].key == f->key &&
		    suit_bytes_equal(s->identity[i].id, f->value))
			return SUIT_OK;
	if (s->identity_count == SUIT_SURVEY_IDENTITIES_MAX)
		return SUIT_TOO_LARGE;
	s->identity[s->identity_count++] = (struct suit_survey_identity){ f->key, f->value };
	return SUIT_OK;
}

static enum suit_rc identities_add(struct survey *v)
{
	enum suit_rc rc = SUIT_OK;
	bool device = false;

	for (size_t i = 0; i < v->fact_count && rc == SUIT_OK; i++) {
		const struct fact *f = &v->fact[i];
		if (!f->holds || (f->key != SUIT_PARAM_VENDOR && f->key != SUIT_PARAM_CLASS &&
				  f->key != SUIT_PARAM_DEVICE))
			continue;
		device = device || f->key == SUIT_PARAM_DEVICE;
		rc = identity_add(v->s, f);
	}
	v->s->one_device = v->s->one_device && device;
	return rc;
}

/* A digest that had to be there before the run changed anything. */
static bool was_wanted(const struct survey *v, const struct fact *f,
		       struct suit_survey_installed *ret)
{
	struct scbor c;

	if (f->key != SUIT_PARAM_DIGEST || !f->holds || f->change > 0 ||
	    v->s->component[f->component].dependency)
		return false;
	scbor_init(&c, f->value);
	ret->component = f->component;
	return suit_digest_read(scbor_bytes(&c), &ret->digest) == SUIT_OK;
}

/* Keeps what this run wanted as well. */
static void precursors_keep(struct survey *v, const struct suit_survey_installed *wanted,
			    size_t n)
{
	struct suit_survey *s = v->s;
	size_t kept = 0;

	for (size_t i = 0; i < s->precursor_count; i++)
		for (size_t k = 0; k < n; k++)
			if (s->precursor[i].component == wanted[k].component &&
			    suit_digest_equal(&s->precursor[i].digest, &wanted[k].digest)) {
				s->precursor[kept++] = s->precursor[i];
				break;
			}
	s->precursor_count = kept;
}

static void precursors_add(struct survey *v)
{
	struct suit_survey_installed wanted[SUIT_SURVEY_FACTS_MAX];
	struct suit_survey *s = v->s;
	bool changed = false;
	size_t n = 0;

	for (size_t i = 0; i < s->component_count; i++)
		changed = changed || v->content[i].changed;
	for (size_t i = 0; i < v->fact_count; i++)
		n += was_wanted(v, &v->fact[i], &wanted[n]);
	if (!changed)
		return;
	if (!v->succeeded) {
		memcpy(s->precursor, wanted, n * sizeof(*wanted));
		s->precursor_count = n;
		s->precursors_differ = n > 0;
	} else {
		precursors_keep(v, wanted, n);
		s->precursors_differ = s->precursors_differ && n > 0;
	}
	v->succeeded = true;
}

/* What the run has cost its device; one that fetched the same twice is no measure. */
static void sizes_add(struct survey *v)
{
	struct suit_survey *s = v->s;
	uint64_t sum = 0;

	for (size_t i = 0; i < v->payload_count; i++) {
		const struct suit_survey_payload *p = &v->payload[i];
		if (p->has_size && p->size > v->largest)
			v->largest = p->size;
		if (p->has_size && !p->integrated)
			sum = sum + p->size < sum ? UINT64_MAX : sum + p->size;
	}
	if (v->largest > s->largest)
		s->largest = v->largest;
	if (v->corrupt < 0 && !v->wrong && sum > s->fetched)
		s->fetched = sum;
}

static void unmatched_add(struct survey *v)
{
	for (size_t i = 0; i < v->s->component_count; i++) {
		const struct content *c = &v->content[i];
		if (c->changed && !c->matched && !c->source)
			v->s->component[i].unmatched = true;
	}
}

/* The results are what the validate section has compared.  Without one, what was compared and
 * was not only a place to stage. */
static enum suit_rc result_add(struct survey *v)
{
	enum suit_rc rc = identities_add(v);
	bool validated = false;

	v->s->successes += v->corrupt < 0;
	precursors_add(v);
	sizes_add(v);
	unmatched_add(v);
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

static void note_failure(struct survey *v, const struct suit_run *run)
{
	v->s->failed = run->failed;
	v->s->failed.measured = (struct suit_bytes){ 0 };
}

static enum suit_rc run_once(struct survey *v, const struct suit_envelope *e,
			     enum suit_procedure procedure)
{
	const struct suit_platform platform = surveying();
	struct suit_run run;

	memset(v->content, 0, sizeof(v->content));
	v->payload_count = 0;
	v->changes = 0;
	v->largest = 0;
	v->wrong = false;
	v->vendor = v->class_ = v->absent = v->precursor_known = false;
	enum suit_rc rc = suit_process(e, procedure, &platform, v, &run);
	v->steps += run.steps;
	if (rc == SUIT_OK)
		rc = result_add(v);
	else if (rc == SUIT_CONDITION || (rc == SUIT_MISSING && v->absent) || v->corrupt >= 0)
		rc = SUIT_OK; /* not for that device */
	else
		note_failure(v, &run);
	for (size_t i = 0; i < v->payload_count && rc == SUIT_OK; i++)
		rc = payload_add(v->s, &v->payload[i]);
	return rc;
}

/* Every way once. */
static enum suit_rc run_all(struct survey *v, const struct suit_envelope *e,
			    enum suit_procedure procedure)
{
	enum suit_rc rc;

	v->fact_count = v->facts_set = 0;
	v->runs = 0;
	do {
		if (v->runs++ == SUIT_SURVEY_RUNS_MAX || v->steps > SUIT_SURVEY_STEPS_MAX)
			return SUIT_TOO_LARGE;
		rc = run_once(v, e, procedure);
	} while (rc == SUIT_OK && suit_survey_next(v));
	return rc;
}

/* A comparison proves nothing when a manifest goes on without it, and may lead to another way
 * when it fails: again for each component, with something in it that is not what it should be.
 * How these runs fail does not matter. */
static enum suit_rc try_corrupt(struct survey *v, const struct suit_envelope *e,
				enum suit_procedure procedure)
{
	enum suit_rc rc = SUIT_OK;

	v->steps = 0; /* as many once more for all of these together */
	for (size_t i = 0; i < v->s->component_count && rc == SUIT_OK; i++) {
		if (!v->s->component[i].touched || v->s->component[i].dependency)
			continue;
		v->corrupt = (int)i;
		rc = run_all(v, e, procedure);
	}
	return rc;
}

static enum suit_rc survey(struct survey *v, const struct suit_envelope *e,
			   enum suit_procedure procedure)
{
	struct suit_survey *ret = v->s;

	memset(ret, 0, sizeof(*ret));
	ret->vendor_class = ret->one_device = true;
	enum suit_rc rc = run_all(v, e, procedure);
	ret->runs = v->runs;
	ret->steps = v->steps;
	if (rc == SUIT_OK)
		rc = try_corrupt(v, e, procedure);
	if (rc != SUIT_OK)
		return rc;
	ret->precursors_differ = ret->precursors_differ && ret->precursor_count == 0;
	return ret->successes > 0 ? SUIT_OK : SUIT_CONDITION;
}

enum suit_rc suit_survey_procedure(const struct suit_envelope *e, enum suit_procedure procedure,
				   suit_survey_resolve *resolve, void *ctx,
				   struct suit_survey *ret)
{
	struct survey v = { .s = ret, .resolve = resolve, .ctx = ctx, .corrupt = -1 };

	return survey(&v, e, procedure);
}

enum suit_rc suit_survey_delegated(const struct suit_envelope *e, enum suit_procedure procedure,
				   suit_survey_resolve *resolve, void *ctx,
				   struct suit_survey *ret)
{
	struct survey v = {
		.s = ret, .resolve = resolve, .ctx = ctx, .delegated = e, .corrupt = -1
	};

	return survey(&v, e, procedure);
}

enum suit_rc suit_survey(const struct suit_envelope *e, suit_survey_resolve *resolve, void *ctx,
			 struct suit_survey *ret)
{
	return suit_survey_procedure(e, SUIT_UPDATE_PROCEDURE, resolve, ctx, ret);
}
