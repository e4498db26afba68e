/* Parameters of the processor: a pool of views into the manifests, one for each that is set,
 * and the numbering of components over all manifests of a run.  Components of the same id are
 * the same, whichever manifest names them: so a dependent sets what its dependency uses. */

#include "suit/machine.h"

_Static_assert(SUIT_ENVELOPE_MAX <= UINT16_MAX + 1, "a parameter's length is 16 bits");
_Static_assert(2 * SUIT_COMPONENTS_MAX <= SUIT_INDEX_MAX, "an index is one byte");

static bool place_is(const struct suit_target_place *p, const struct suit_target_place *want)
{
	if (!want->id || !p->id)
		return want->id == p->id && p->path == want->path;
	return (p->id == want->id || suit_component_equal(p->id, want->id)) &&
	       suit_bytes_equal(p->prefix, want->prefix);
}

enum suit_rc suit_place_find(struct suit_run *r, size_t index, uint8_t *ret)
{
	const struct suit_level *l = r->level;
	struct suit_target_place want = { .prefix = l->prefix };

	if (!suit_index_used(l->e, index))
		return SUIT_UNKNOWN;
	want.path = l->path << 5 | (uint32_t)(index + 1);
	if (index < l->e->component_count)
		want.id = &l->e->component[index];
	for (uint8_t i = 0; i < r->place_count; i++) {
		if (place_is(&r->place[i], &want)) {
			*ret = i;
			return SUIT_OK;
		}
	}
	if (r->place_count == SUIT_TARGETS_MAX)
		return SUIT_TOO_LARGE;
	*ret = r->place_count;
	r->place[r->place_count++] = want;
	return SUIT_OK;
}

enum suit_rc suit_target_make(struct suit_run *r, size_t index, struct suit_target *ret)
{
	struct suit_bytes prefix;
	enum suit_rc rc = suit_place_find(r, index, &ret->place);

	if (rc != SUIT_OK)
		return rc;
	ret->run = r;
	ret->envelope = r->level->e;
	ret->index = (uint8_t)index;
	ret->id = r->place[ret->place].id;
	ret->prefix = r->level->prefix;
	ret->dependency = suit_dependency_find(ret->envelope, index, &prefix);
	if (ret->dependency && !ret->id)
		ret->prefix = prefix; /* it has no other name */
	return SUIT_OK;
}

static struct suit_parameter_value *find(const struct suit_run *r, uint8_t place, int64_t key)
{
	for (uint16_t i = 0; i < r->parameter_count; i++)
		if (r->parameter[i].place == place && r->parameter[i].key == key)
			return (struct suit_parameter_value *)&r->parameter[i];
	return NULL;
}

static enum suit_rc store(struct suit_run *r, uint8_t place, int64_t key,
			  struct suit_bytes value, bool override)
{
	struct suit_parameter_value *v = find(r, place, key);

	if (v && !override)
		return SUIT_OK;
	if (!v && r->parameter_count == SUIT_POOL_MAX)
		return SUIT_TOO_LARGE;
	if (!v)
		v = &r->parameter[r->parameter_count++];
	*v = (struct suit_parameter_value){ value.p, (uint16_t)value.n, place, (int8_t)key };
	return SUIT_OK;
}

/* The two that belong to the sequence, not to a component. */
static enum suit_rc flag(struct suit_run *r, int64_t key, struct suit_bytes value)
{
	bool yes = value.p[0] == 0xf5;

	if (key == SUIT_PARAM_STRICT_ORDER) {
		r->frame->unordered = !yes;
		r->frame->written = r->frame->read = 0;
		return SUIT_OK;
	}
	if (r->frame->depth == 0)
		return SUIT_MALFORMED;
	r->frame->soft = yes;
	return SUIT_OK;
}

enum suit_rc suit_parameters_set(struct suit_run *r, size_t index, struct scbor *map,
				 bool override)
{
	uint8_t place = 0;
	size_t n = scbor_map(map, UINT8_MAX);
	enum suit_rc rc = suit_place_find(r, index, &place);

	for (size_t i = 0; i < n && rc == SUIT_OK; i++) {
		int64_t key = scbor_int(map);
		struct suit_bytes value = scbor_skip(map);

		if (!scbor_ok(map))
			return SUIT_MALFORMED;
		if (key > INT8_MAX)
			return SUIT_UNKNOWN;
		if (key < INT8_MIN)
			continue; /* a vendor's own, which is only a hint */
		if (key == SUIT_PARAM_STRICT_ORDER || key == SUIT_PARAM_SOFT_FAILURE)
			rc = flag(r, key, value);
		else
			rc = store(r, place, key, value, override);
	}
	return rc;
}

void suit_parameters_forget(struct suit_run *r)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < r->parameter_count; i++)
		if (r->parameter[i].key == SUIT_PARAM_ENCRYPTION ||
		    !r->place[r->parameter[i].place].id)
			r->parameter[kept++] = r->parameter[i];
	r->parameter_count = kept;
}

enum suit_rc suit_parameters_copy(struct suit_run *r, size_t index, struct suit_bytes arg)
{
	uint8_t to = 0, from = 0;
	struct scbor c;
	enum suit_rc rc = suit_place_find(r, index, &to);

	scbor_init(&c, arg);
	size_t sources = scbor_map(&c, SUIT_INDEX_MAX);
	for (size_t i = 0; i < sources && rc == SUIT_OK; i++) {
		rc = suit_place_find(r, (size_t)scbor_uint(&c), &from);
		size_t keys = scbor_array(&c, UINT8_MAX);
		for (size_t k = 0; k < keys && rc == SUIT_OK; k++) {
			int64_t key = scbor_int(&c);
			const struct suit_parameter_value *v = find(r, from, key);
			rc = v ? store(r, to, key, (struct suit_bytes){ v->p, v->n }, true)
			       : SUIT_MISSING;
		}
	}
	return rc;
}

/* --- reading ------------------------------------------------------------------------------ */

bool suit_parameter_encoded(const struct suit_target *t, enum suit_parameter key,
			    struct suit_bytes *ret)
{
	const struct suit_parameter_value *v = find(t->run, t->place, key);

	if (v)
		*ret = (struct suit_bytes){ v->p, v->n };
	return v != NULL;
}

static bool value_open(const struct suit_target *t, enum suit_parameter key, struct scbor *ret)
{
	struct suit_bytes encoded;

	if (!suit_parameter_encoded(t, key, &encoded))
		return false;
	scbor_init(ret, encoded);
	return true;
}

bool suit_parameter_bytes(const struct suit_target *t, enum suit_parameter key,
			  struct suit_bytes *ret)
{
	struct scbor c;

	if (!value_open(t, key, &c))
		return false;
	struct suit_bytes b = scbor_peek(&c) == SCBOR_TEXT ? scbor_text(&c) : scbor_bytes(&c);
	if (scbor_ok(&c))
		*ret = b;
	return scbor_ok(&c);
}

bool suit_parameter_uint(const struct suit_target *t, enum suit_parameter key, uint64_t *ret)
{
	struct scbor c;

	if (!value_open(t, key, &c))
		return false;
	uint64_t v = scbor_uint(&c);
	if (scbor_ok(&c))
		*ret = v;
	return scbor_ok(&c);
}

bool suit_parameter_int(const struct suit_target *t, enum suit_parameter key, int64_t *ret)
{
	struct scbor c;

	if (!value_open(t, key, &c))
		return false;
	int64_t v = scbor_int(&c);
	if (scbor_ok(&c))
		*ret = v;
	return scbor_ok(&c);
}

bool suit_parameter_digest(const struct suit_target *t, struct suit_digest *ret)
{
	struct suit_bytes b = { 0 };

	return suit_parameter_bytes(t, SUIT_PARAM_DIGEST, &b) &&
	       suit_digest_read(b, ret) == SUIT_OK;
}
