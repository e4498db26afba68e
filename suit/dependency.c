/* Dependencies (trust domains): which indexes hold one, whether it was verified for the
 * manifest that names it, and its section run inside that of its dependent. */

#include "suit/machine.h"

bool suit_dependency_find(const struct suit_envelope *e, size_t index,
			  struct suit_bytes *ret_prefix)
{
	for (size_t i = 0; i < e->dependency_count; i++) {
		if (e->dependency[i].index == index) {
			*ret_prefix = e->dependency[i].prefix;
			return true;
		}
	}
	*ret_prefix = (struct suit_bytes){ 0 };
	return false;
}

bool suit_index_used(const struct suit_envelope *e, size_t index)
{
	struct suit_bytes prefix;

	return index < e->component_count || suit_dependency_find(e, index, &prefix);
}

bool suit_delegate_may(enum suit_command command, bool dependency)
{
	return command == SUIT_PROCESS_DEPENDENCY || (command == SUIT_FETCH && dependency);
}

bool suit_delegated(const struct suit_run *r, const struct suit_envelope *e)
{
	return r->platform->delegated && r->platform->delegated(r->ctx, e);
}

static enum suit_rc resolve(struct suit_run *r, const struct suit_target *t,
			    const struct suit_envelope **ret)
{
	if (!r->platform->dependency)
		return SUIT_UNSUPPORTED;
	return r->platform->dependency(r->ctx, t, ret);
}

/* Is it the manifest that the target's digest names? */
static __attribute__((noinline)) bool wanted(const struct suit_target *t,
					     const struct suit_envelope *e)
{
	struct suit_digest digest;

	return suit_parameter_digest(t, &digest) && suit_digest_equal(&e->digest, &digest);
}

static void measure_digest(struct suit_run *r, const struct suit_envelope *e)
{
	struct scbor_out o;

	scbor_out_init(&o, r->measured, sizeof(r->measured));
	scbor_put_map(&o, 1);
	scbor_put_int(&o, SUIT_PARAM_DIGEST);
	scbor_put_bytes(&o, e->digest_encoded);
	r->measured_n = (uint8_t)scbor_out_bytes(&o).n;
}

enum suit_rc suit_dependency_match(struct suit_run *r, const struct suit_target *t)
{
	const struct suit_envelope *e = NULL;
	enum suit_rc rc = resolve(r, t, &e);

	if (rc == SUIT_UNSUPPORTED)
		return rc;
	if (rc != SUIT_OK)
		return SUIT_CONDITION; /* none there, or one that nobody would run */
	measure_digest(r, e);
	return wanted(t, e) ? SUIT_OK : SUIT_CONDITION;
}

/* The rules: it is what the dependent wants, by a digest, and its author may.  A failure is
 * never soft. */
static enum suit_rc verified(struct suit_run *r, const struct suit_target *t,
			     const struct suit_envelope **ret)
{
	struct suit_bytes digest;

	if (!t->dependency)
		return SUIT_MALFORMED;
	if (!suit_parameter_encoded(t, SUIT_PARAM_DIGEST, &digest))
		return SUIT_MISSING;
	enum suit_rc rc = resolve(r, t, ret);
	if (rc != SUIT_OK)
		return rc == SUIT_CONDITION ? SUIT_MISSING : rc;
	measure_digest(r, *ret);
	if (!wanted(t, *ret))
		return SUIT_DIGEST;
	return suit_delegated(r, *ret) ? SUIT_KEY : SUIT_OK;
}

enum suit_rc suit_dependency_verify(struct suit_run *r, const struct suit_target *t)
{
	const struct suit_envelope *e = NULL;
	enum suit_rc rc = verified(r, t, &e);

	if (rc == SUIT_OK)
		r->place[t->place].verified = r->level->path + 1;
	return rc;
}

/* What replaces an envelope takes back that it was verified. */
void suit_dependency_forget(struct suit_run *r, const struct suit_target *t)
{
	r->place[t->place].verified = 0;
}

static enum suit_rc level_run(struct suit_run *r, const struct suit_target *t,
			      const struct suit_envelope *e)
{
	struct suit_level *up = r->level;
	struct suit_frame *frame = r->frame;
	struct suit_bytes index = r->index;
	struct suit_level l = { .e = e, .up = up, .depth = (uint8_t)(up->depth + 1) };

	if (r->platform->prefixes) {
		suit_dependency_find(up->e, t->index, &l.prefix);
		if (l.prefix.p && up->prefix.p)
			return SUIT_UNSUPPORTED; /* one before another */
		if (!l.prefix.p)
			l.prefix = up->prefix;
	}
	l.path = up->path << 5 | (uint32_t)(t->index + 1);
	l.vendor = up->vendor && !up->delegated;
	l.class_ = up->class_ && !up->delegated;
	if (up->delegated)
		suit_parameters_forget(r);
	r->level = &l;
	enum suit_rc rc = suit_components_ask(r);
	if (rc == SUIT_OK)
		rc = suit_section_run(r);
	r->level = up;
	r->frame = frame;
	r->index = index;
	r->measured_n = 0; /* what its last command measured is not ours */
	return rc;
}

enum suit_rc suit_dependency_process(struct suit_run *r, const struct suit_target *t)
{
	const struct suit_envelope *e = NULL;

	if (!t->dependency || r->place[t->place].verified != r->level->path + 1)
		return SUIT_MISSING;
	if (r->level->depth == SUIT_NESTED_MAX)
		return SUIT_TOO_LARGE;
	/* Again: what is run is what was verified. */
	enum suit_rc rc = verified(r, t, &e);
	if (rc == SUIT_OK)
		rc = level_run(r, t, e);
	if (rc == SUIT_OK)
		r->level->processed |= UINT32_C(1) << t->index;
	return rc;
}

/* May the dependent's section end without that of a dependency which it has verified? */
static bool may_lack(const struct suit_run *r, const struct suit_envelope *e)
{
	const struct suit_level *l = r->level;
	enum suit_section s = (enum suit_section)r->section;

	if (!suit_section_has(e, s))
		return true;
	return r->platform->partial_dependents && !l->delegated && !l->e->section[s].p;
}

static enum suit_rc known_done(struct suit_run *r, const struct suit_target *t)
{
	const struct suit_level *l = r->level;
	const struct suit_envelope *e = NULL;
	bool processed = l->processed & UINT32_C(1) << t->index, late = l->delegated && l->late;

	if (processed && !late)
		return SUIT_OK;
	enum suit_rc rc = verified(r, t, &e);
	if (rc == SUIT_OK &&
	    ((!processed && !may_lack(r, e)) || (late && suit_sections_gone(r, e))))
		rc = SUIT_MISSING;
	return rc;
}

/* A dependent runs each section that its dependencies have.  One that is not known yet, or not
 * wanted on this device, has none; but a delegate's is known at the end of each section that
 * the delegate has, and none of its own is gone by then. */
enum suit_rc suit_dependencies_done(struct suit_run *r)
{
	struct suit_level *l = r->level;
	bool all = l->delegated && l->e->section[r->section].p, late = false;

	for (size_t i = 0; i < SUIT_INDEX_MAX && l->e->dependency_count > 0; i++) {
		struct suit_bytes prefix;
		struct suit_target t;

		if (!suit_dependency_find(l->e, i, &prefix))
			continue;
		enum suit_rc rc = suit_target_make(r, i, &t);
		bool known = rc == SUIT_OK && r->place[t.place].verified == l->path + 1;
		if (known)
			rc = known_done(r, &t);
		else if (rc == SUIT_OK && all)
			rc = SUIT_MISSING;
		if (rc != SUIT_OK)
			return rc;
		late = late || !known;
	}
	l->late = late;
	return SUIT_OK;
}
