/* Runs the sequences of a one-component manifest for one device's facts, without doing
 * anything: what it would fetch is the result. */

#include "suit/plan.h"

#include "suit/cbor.h"
#include "suit/command.h"

#include <string.h>

/* Slot numbers that conditions asked for. */
struct slots {
	uint64_t number[SUIT_SLOTS_MAX];
	size_t count;
	bool too_many;
};

struct run {
	const struct suit_envelope *e;
	const struct suit_facts *facts;
	struct suit_plan *plan;
	/* parameters of the component */
	bool has_vendor, has_class, has_slot, has_digest, has_size, has_uri;
	uint64_t slot;
	struct suit_digest digest;
	/* conditions that were asked */
	bool vendor_asked, class_asked;
	bool fetched, matched;
	struct slots *slots; /* NULL: nobody wants to know */
};

static enum suit_rc run_sequence(struct run *r, struct suit_bytes sequence, unsigned depth);

/* An id that a condition has been asked for stays as it is, so the plan names what a device
 * really compares. */
static enum suit_rc id_take(struct scbor *c, bool asked, bool *has, struct suit_uuid *id)
{
	if (scbor_peek(c) != SCBOR_BYTES)
		return SUIT_UNSUPPORTED;
	struct suit_bytes b = scbor_bytes(c);
	if (asked && memcmp(id->b, b.p, sizeof(id->b)) != 0)
		return SUIT_UNSUPPORTED;
	memcpy(id->b, b.p, sizeof(id->b));
	*has = true;
	return SUIT_OK;
}

/* Digest, size and URI of what was fetched stay as they were at the fetch. */
static enum suit_rc frozen_check(const struct run *r, const struct suit_digest *digest)
{
	if (r->fetched && memcmp(digest->b, r->plan->digest.b, sizeof(digest->b)) != 0)
		return SUIT_UNSUPPORTED;
	return SUIT_OK;
}

static enum suit_rc parameter_set(struct run *r, struct scbor *c, int64_t key)
{
	switch (key) {
	case SUIT_PARAM_VENDOR:
		return id_take(c, r->vendor_asked, &r->has_vendor, &r->plan->vendor_id);
	case SUIT_PARAM_CLASS:
		return id_take(c, r->class_asked, &r->has_class, &r->plan->class_id);
	case SUIT_PARAM_DIGEST: {
		struct suit_digest digest;
		enum suit_rc rc = suit_digest_read(scbor_bytes(c), &digest);
		if (rc == SUIT_OK)
			rc = frozen_check(r, &digest);
		r->digest = digest;
		r->has_digest = true;
		return rc;
	}
	case SUIT_PARAM_SLOT:
		r->slot = scbor_uint(c);
		r->has_slot = true;
		return SUIT_OK;
	case SUIT_PARAM_SIZE: {
		uint64_t size = scbor_uint(c);
		if (r->fetched && size != r->plan->size)
			return SUIT_UNSUPPORTED;
		r->plan->size = size;
		r->has_size = true;
		return SUIT_OK;
	}
	case SUIT_PARAM_URI: {
		struct suit_bytes uri = scbor_text(c);
		if (r->fetched && !suit_bytes_equal(uri, r->plan->uri))
			return SUIT_UNSUPPORTED;
		r->plan->uri = uri;
		r->has_uri = true;
		return SUIT_OK;
	}
	default:
		return SUIT_UNSUPPORTED;
	}
}

static enum suit_rc parameters_set(struct run *r, struct suit_bytes arg)
{
	struct scbor c;

	scbor_init(&c, arg);
	size_t n = scbor_map(&c, 32);
	for (size_t i = 0; i < n; i++) {
		int64_t key = scbor_int(&c);
		enum suit_rc rc = parameter_set(r, &c, key);
		if (rc != SUIT_OK)
			return rc;
	}
	return scbor_ok(&c) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc id_check(bool has, const struct suit_uuid *want, const struct suit_uuid *is,
			     bool *asked)
{
	if (!has)
		return SUIT_MISSING;
	*asked = true;
	return !is || memcmp(want->b, is->b, sizeof(is->b)) == 0 ? SUIT_OK : SUIT_CONDITION;
}

static void slot_note(struct slots *s, uint64_t number)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->number[i] == number)
			return;
	if (s->count == SUIT_SLOTS_MAX)
		s->too_many = true;
	else
		s->number[s->count++] = number;
}

static enum suit_rc slot_check(struct run *r)
{
	if (!r->has_slot)
		return SUIT_MISSING;
	if (r->slots)
		slot_note(r->slots, r->slot);
	r->plan->slot_matters = true;
	return r->slot == r->facts->slot ? SUIT_OK : SUIT_CONDITION;
}

static enum suit_rc fetch(struct run *r)
{
	if (!r->vendor_asked || !r->class_asked || !r->has_digest || !r->has_size ||
	    !r->has_uri)
		return SUIT_MISSING;
	if (r->fetched)
		return SUIT_UNSUPPORTED;
	r->fetched = true;
	r->plan->digest = r->digest;
	return SUIT_OK;
}

/* Before a fetch it would be a precondition on what is installed: that is delta's issue. */
static enum suit_rc image_match(struct run *r)
{
	if (!r->fetched)
		return SUIT_UNSUPPORTED;
	r->matched = true;
	return SUIT_OK;
}

/* The first alternative whose conditions hold; what a failed one has set is taken back. */
static enum suit_rc try_each(struct run *r, struct suit_bytes arg, unsigned depth)
{
	struct scbor c;

	scbor_init(&c, arg);
	size_t n = scbor_array(&c, SUIT_COMMANDS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (scbor_peek(&c) == SCBOR_SIMPLE)
			return SUIT_OK;
		struct run before = *r;
		struct suit_plan plan_before = *r->plan;
		enum suit_rc rc = run_sequence(r, scbor_bytes(&c), depth);
		if (rc != SUIT_CONDITION)
			return rc;
		bool slot_matters = r->plan->slot_matters;
		*r = before;
		*r->plan = plan_before;
		r->plan->slot_matters = slot_matters;
	}
	return SUIT_CONDITION;
}

/* Only the one component there is. */
static enum suit_rc index_check(struct suit_bytes arg)
{
	return arg.n == 1 && (arg.p[0] == 0x00 || arg.p[0] == 0xf5) ? SUIT_OK
								    : SUIT_UNSUPPORTED;
}

static enum suit_rc run_command(struct run *r, int64_t command, struct suit_bytes arg,
				unsigned depth)
{
	struct scbor c;

	switch (command) {
	case SUIT_COND_VENDOR:
		return id_check(r->has_vendor, &r->plan->vendor_id, r->facts->vendor_id,
				&r->vendor_asked);
	case SUIT_COND_CLASS:
		return id_check(r->has_class, &r->plan->class_id, r->facts->class_id,
				&r->class_asked);
	case SUIT_COND_SLOT:
		return slot_check(r);
	case SUIT_COND_IMAGE_MATCH:
		return image_match(r);
	case SUIT_SET_COMPONENT_INDEX:
		return index_check(arg);
	case SUIT_OVERRIDE_PARAMETERS:
		return parameters_set(r, arg);
	case SUIT_TRY_EACH:
		return try_each(r, arg, depth);
	case SUIT_RUN_SEQUENCE:
		scbor_init(&c, arg);
		return run_sequence(r, scbor_bytes(&c), depth);
	case SUIT_FETCH:
		return fetch(r);
	default:
		return SUIT_UNSUPPORTED;
	}
}

static enum suit_rc run_sequence(struct run *r, struct suit_bytes sequence, unsigned depth)
{
	struct suit_bytes arg;
	struct scbor c;
	int64_t command;

	if (depth == 0)
		return SUIT_TOO_LARGE;
	suit_sequence_open(&c, sequence);
	while (suit_sequence_next(&c, &command, &arg)) {
		enum suit_rc rc = run_command(r, command, arg, depth - 1);
		if (rc != SUIT_OK)
			return rc;
	}
	return scbor_ok(&c) ? SUIT_OK : SUIT_MALFORMED;
}

/* A section, after the shared sequence (which runs again before each). */
static enum suit_rc run_section(struct run *r, enum suit_section s)
{
	if (!r->e->section[s].p)
		return SUIT_OK;
	enum suit_rc rc = SUIT_OK;
	if (r->e->section[SUIT_SHARED].p)
		rc = run_sequence(r, r->e->section[SUIT_SHARED], SUIT_DEPTH_MAX);
	if (rc == SUIT_OK)
		rc = run_sequence(r, r->e->section[s], SUIT_DEPTH_MAX);
	return rc;
}

/* Sections of the update procedure that a plan cannot speak for. */
static bool beyond(const struct suit_envelope *e)
{
	return e->component_count != 1 || e->dependency_count != 0 || e->severed_away ||
	       e->payload_count != 0 || e->section[SUIT_DEPENDENCY_RESOLUTION].p ||
	       e->section[SUIT_CANDIDATE_VERIFICATION].p || e->section[SUIT_LOAD].p;
}

static enum suit_rc plan_run(const struct suit_envelope *e, const struct suit_facts *facts,
			     struct slots *slots, struct suit_plan *ret)
{
	struct suit_plan plan = { .sequence = e->sequence };
	struct run r = { .e = e, .facts = facts, .plan = &plan, .slots = slots };

	if (beyond(e))
		return SUIT_UNSUPPORTED;
	plan.component = e->component[0];
	enum suit_rc rc = run_section(&r, SUIT_PAYLOAD_FETCH);
	if (rc == SUIT_OK)
		rc = run_section(&r, SUIT_INSTALL);
	if (rc == SUIT_OK && !r.fetched)
		rc = SUIT_MISSING;
	if (rc == SUIT_OK)
		rc = run_section(&r, SUIT_VALIDATE);
	if (rc == SUIT_OK && !r.matched)
		rc = SUIT_MISSING;
	if (rc != SUIT_OK)
		return rc;
	plan.slot = plan.slot_matters ? facts->slot : 0;
	*ret = plan;
	return SUIT_OK;
}

enum suit_rc suit_plan(const struct suit_envelope *e, const struct suit_facts *facts,
		       struct suit_plan *ret)
{
	return plan_run(e, facts, NULL, ret);
}

/* One plan for each slot number that was asked for; asking may bring up more of them. */
static enum suit_rc plan_slots(const struct suit_envelope *e, struct slots *slots,
			       struct suit_plan ret[SUIT_SLOTS_MAX], size_t *ret_count)
{
	size_t count = 0;

	for (size_t i = 0; i < slots->count; i++) {
		struct suit_facts facts = { .slot = slots->number[i] };
		enum suit_rc rc = plan_run(e, &facts, slots, &ret[count]);

		if (rc == SUIT_OK)
			count++;
		else if (rc != SUIT_CONDITION)
			return rc;
	}
	if (slots->too_many)
		return SUIT_TOO_LARGE;
	if (count == 0)
		return SUIT_MISSING;
	*ret_count = count;
	return SUIT_OK;
}

enum suit_rc suit_plan_all(const struct suit_envelope *e, struct suit_plan ret[SUIT_SLOTS_MAX],
			   size_t *ret_count)
{
	/* A slot that no manifest names: every alternative is asked, and none should hold. */
	struct suit_facts nowhere = { .slot = UINT64_MAX };
	struct slots slots = { 0 };
	struct suit_plan plan;
	enum suit_rc rc = plan_run(e, &nowhere, &slots, &plan);

	if (rc == SUIT_OK && slots.count == 0) {
		ret[0] = plan;
		*ret_count = 1;
		return SUIT_OK;
	}
	if (rc == SUIT_OK)
		return SUIT_UNSUPPORTED;
	return rc == SUIT_CONDITION ? plan_slots(e, &slots, ret, ret_count) : rc;
}
