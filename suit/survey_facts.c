/* The facts of a survey: each answer to a condition is noted when it is first asked for, as
 * true; the next run is the same up to the last that was true, which is false now. */

#include "suit/survey_facts.h"

#include <string.h>

enum suit_rc suit_survey_number(struct survey *v, const struct suit_target *t, uint8_t *ret)
{
	struct suit_survey *s = v->s;
	uint32_t path = t->run->place[t->place].path;

	for (size_t i = 0; i < s->component_count; i++) {
		const struct suit_survey_component *c = &s->component[i];
		bool same =
			c->id && t->id ? suit_component_equal(c->id, t->id) : c->id == t->id;
		if (!t->id)
			same = same && c->path == path;
		if (same && suit_bytes_equal(c->prefix, t->prefix)) {
			*ret = (uint8_t)i;
			return SUIT_OK;
		}
	}
	if (s->component_count == SUIT_SURVEY_COMPONENTS_MAX)
		return SUIT_TOO_LARGE;
	*ret = (uint8_t)s->component_count;
	s->component[s->component_count++] = (struct suit_survey_component){
		.id = t->id, .prefix = t->prefix, .dependency = t->dependency, .path = path
	};
	return SUIT_OK;
}

/* --- facts -------------------------------------------------------------------------------- */

/* Has the run an answer in what it was asked before?  A component has one slot and one digest:
 * another that holds rules this one out. Sizes of one digest do not rule each other out, for a
 * device that does not know the size of what it holds passes over it. */
static bool decided(const struct survey *v, const struct fact *f, bool *ret)
{
	bool single = f->key == SUIT_PARAM_SLOT || f->key == SUIT_PARAM_DIGEST;

	for (size_t i = 0; i < v->fact_count; i++) {
		const struct fact *is = &v->fact[i];
		if (is->key != f->key || is->component != f->component ||
		    is->change != f->change)
			continue;
		bool same = suit_bytes_equal(is->value, f->value);
		bool same_size = is->sized == f->sized && is->size == f->size;
		if (same ? same_size || (is->holds ? !f->sized : !is->sized)
			 : single && is->holds) {
			*ret = same && is->holds;
			return true;
		}
	}
	return false;
}

enum suit_rc suit_survey_ask(struct survey *v, const struct suit_target *t,
			     enum suit_parameter key, const uint64_t *size, bool *ret)
{
	struct fact f = { .key = key, .sized = size, .size = size ? *size : 0, .holds = true };
	enum suit_rc rc = suit_survey_number(v, t, &f.component);

	if (rc != SUIT_OK)
		return rc;
	if (key == SUIT_PARAM_DIGEST || key == SUIT_PARAM_CONTENT)
		f.change = v->content[f.component].changed;
	/* One device has one clock and one battery. */
	if (key == SUIT_PARAM_USE_BEFORE || key == SUIT_PARAM_BATTERY ||
	    key == SUIT_PARAM_PRIORITY)
		f.component = 0;
	if (!suit_parameter_encoded(t, key, &f.value))
		return SUIT_CONDITION;
	if (decided(v, &f, ret))
		return SUIT_OK;
	if (v->fact_count == SUIT_SURVEY_FACTS_MAX)
		return SUIT_TOO_LARGE;
	/* What the runs before have decided keeps its answer: the order of asking is the same.
	 */
	f.holds = v->fact_count < v->facts_set ? v->fact[v->fact_count].holds : true;
	v->fact[v->fact_count++] = f;
	*ret = f.holds;
	return SUIT_OK;
}

bool suit_survey_next(struct survey *v)
{
	while (v->fact_count > 0 && !v->fact[v->fact_count - 1].holds)
		v->fact_count--;
	if (v->fact_count == 0)
		return false;
	v->fact[v->fact_count - 1].holds = false;
	v->facts_set = v->fact_count;
	v->fact_count = 0;
	return true;
}

/* --- conditions --------------------------------------------------------------------------- */

static enum suit_rc on_identity(void *ctx, const struct suit_target *t, enum suit_parameter key,
				struct suit_bytes id, struct scbor_out *measured)
{
	struct survey *v = ctx;
	bool yes = false;
	enum suit_rc rc = suit_survey_ask(v, t, key, NULL, &yes);

	(void)id;
	(void)measured;
	if (rc != SUIT_OK || !yes)
		return rc != SUIT_OK ? rc : SUIT_CONDITION;
	v->vendor = v->vendor || key == SUIT_PARAM_VENDOR;
	v->class_ = v->class_ || key == SUIT_PARAM_CLASS;
	return SUIT_OK;
}

static enum suit_rc on_slot(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	bool yes = false;
	uint64_t slot = 0;
	enum suit_rc rc = suit_survey_ask(ctx, t, SUIT_PARAM_SLOT, NULL, &yes);

	suit_parameter_uint(t, SUIT_PARAM_SLOT, &slot);
	*ret = yes ? slot : ~slot;
	return rc;
}

static enum suit_rc on_now(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	bool yes = false;
	uint64_t end = 0;
	enum suit_rc rc = suit_survey_ask(ctx, t, SUIT_PARAM_USE_BEFORE, NULL, &yes);

	suit_parameter_uint(t, SUIT_PARAM_USE_BEFORE, &end);
	*ret = yes && end > 0 ? end - 1 : end;
	return rc;
}

static enum suit_rc on_battery(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	bool yes = false;
	uint64_t least = 0;
	enum suit_rc rc = suit_survey_ask(ctx, t, SUIT_PARAM_BATTERY, NULL, &yes);

	suit_parameter_uint(t, SUIT_PARAM_BATTERY, &least);
	*ret = yes || least == 0 ? least : least - 1;
	return rc;
}

static enum suit_rc on_authorized(void *ctx, const struct suit_target *t, int64_t priority)
{
	bool yes = false;
	enum suit_rc rc = suit_survey_ask(ctx, t, SUIT_PARAM_PRIORITY, NULL, &yes);

	(void)priority;
	return rc != SUIT_OK || yes ? rc : SUIT_CONDITION;
}

/* A version that fits the match, or does not: the same one, or one next to it. */
static enum suit_rc on_version(void *ctx, const struct suit_target *t,
			       int64_t ret[SUIT_VERSION_MAX], size_t *ret_n)
{
	static const int8_t step[2][6] = { { 0, 0, -1, 1, 1, 0 }, { 0, 1, 0, 0, 0, -1 } };
	struct suit_bytes match = { 0 };
	struct scbor c;
	bool yes = false;
	enum suit_rc rc = suit_survey_ask(ctx, t, SUIT_PARAM_VERSION, NULL, &yes);

	suit_parameter_bytes(t, SUIT_PARAM_VERSION, &match);
	scbor_init(&c, match);
	scbor_array(&c, 2);
	uint64_t op = scbor_uint(&c);
	size_t n = scbor_array(&c, SUIT_VERSION_MAX);
	for (size_t i = 0; i < n; i++)
		ret[i] = scbor_int(&c);
	if (!scbor_done(&c) || n == 0 || op < 1 || op > 5)
		return rc == SUIT_OK ? SUIT_MALFORMED : rc;
	/* Not at the ends of int64, where there is none next to it: those are no versions. */
	if (ret[n - 1] == INT64_MAX || ret[n - 1] == INT64_MIN)
		return SUIT_MALFORMED;
	ret[n - 1] += step[yes][op];
	*ret_n = n;
	return rc;
}

/* A payload that was fetched without a digest has the one that it is compared with: the first,
 * or that which holds. */
static void payload_digest(struct survey *v, const struct content *c,
			   const struct suit_digest *digest, const uint64_t *size, bool holds)
{
	struct suit_survey_payload *p = &v->payload[c->payload];

	if (!c->fetched || c->known || (p->has_digest && !holds))
		return;
	p->has_digest = true;
	p->digest = *digest;
	if (!c->sized) {
		p->has_size = size != NULL;
		p->size = size ? *size : 0;
	}
}

/* What the run itself has put there: of a fetch its digest and size are known, of anything else
 * they may turn out to be these or not. */
static enum suit_rc match_new(struct survey *v, const struct suit_target *t, struct content *c,
			      const struct suit_digest *digest, const uint64_t *size, bool *ret)
{
	bool corrupt = c - v->content == v->corrupt;
	bool other = (c->known && !suit_digest_equal(&c->digest, digest)) ||
		     (c->sized && size && *size != c->size);
	enum suit_rc rc = SUIT_OK;

	*ret = !corrupt && !other && c->known && (c->sized || !size);
	if (!corrupt && !other && !*ret) {
		rc = suit_survey_ask(v, t, SUIT_PARAM_DIGEST, size, ret);
		v->wrong = v->wrong || !*ret;
	}
	if (rc != SUIT_OK)
		return rc;
	if (corrupt || !other)
		payload_digest(v, c, digest, size, *ret);
	if (*ret && size && *size > v->largest)
		v->largest = *size;
	return SUIT_OK;
}

static enum suit_rc match_old(struct survey *v, const struct suit_target *t, uint8_t number,
			      const struct suit_digest *digest, const uint64_t *size, bool *ret)
{
	enum suit_rc rc = suit_survey_ask(v, t, SUIT_PARAM_DIGEST, size, ret);

	if (rc != SUIT_OK || !*ret)
		return rc;
	v->precursor_known = true;
	v->precursor_component = number;
	v->precursor = *digest;
	return SUIT_OK;
}

static enum suit_rc on_image(void *ctx, const struct suit_target *t,
			     const struct suit_digest *digest, const uint64_t *size,
			     struct scbor_out *measured)
{
	struct survey *v = ctx;
	uint8_t number;
	bool yes = false;
	enum suit_rc rc = suit_survey_number(v, t, &number);

	(void)measured;
	if (rc != SUIT_OK)
		return rc;
	struct content *c = &v->content[number];
	rc = c->changed ? match_new(v, t, c, digest, size, &yes)
			: match_old(v, t, number, digest, size, &yes);
	if (rc != SUIT_OK || !yes)
		return rc != SUIT_OK ? rc : SUIT_CONDITION;
	if (size && c->changed) {
		c->sized = true;
		c->size = *size;
	}
	c->known = c->matched = true;
	c->digest = *digest;
	c->validated = c->validated || t->run->section == SUIT_VALIDATE;
	return SUIT_OK;
}

/* Of a component's bytes nothing is known: they are what the manifest wants. */
static enum suit_rc on_read(void *ctx, const struct suit_target *t, uint64_t offset,
			    uint8_t *buf, size_t n, size_t *ret_n)
{
	struct suit_bytes content = { 0 };
	bool yes = false;
	enum suit_rc rc = suit_survey_ask(ctx, t, SUIT_PARAM_CONTENT, NULL, &yes);

	if (rc != SUIT_OK)
		return rc;
	suit_parameter_bytes(t, SUIT_PARAM_CONTENT, &content);
	size_t left = offset < content.n ? content.n - (size_t)offset : 0;
	*ret_n = !yes ? n : left < n ? left : n;
	memset(buf, 0, n);
	if (yes && *ret_n > 0)
		memcpy(buf, content.p + offset, *ret_n);
	return SUIT_OK;
}

void suit_survey_conditions(struct suit_platform *p)
{
	p->identity = on_identity;
	p->image = on_image;
	p->slot = on_slot;
	p->read = on_read;
	p->version = on_version;
	p->battery = on_battery;
	p->now = on_now;
	p->authorized = on_authorized;
}
