/* Plans: the processor with a platform that does nothing but look. */

#include "suit/plan.h"

#include "suit/command.h"
#include "suit/process.h"

#include <string.h>

/* Slot numbers that conditions asked for. */
struct slots {
	uint64_t number[SUIT_SLOTS_MAX];
	size_t count;
	bool too_many;
};

struct look {
	const struct suit_facts *facts;
	struct suit_plan *plan;
	bool vendor_asked, class_asked;
	bool fetched, matched;
	struct slots *slots; /* NULL: nobody wants to know */
};

/* An id that a condition has been asked for stays as it is, so the plan names what a device
 * really compares. */
static enum suit_rc id_note(struct suit_bytes id, bool *asked, struct suit_uuid *noted)
{
	if (id.n != sizeof(noted->b))
		return SUIT_UNSUPPORTED;
	if (*asked && memcmp(noted->b, id.p, sizeof(noted->b)) != 0)
		return SUIT_UNSUPPORTED;
	memcpy(noted->b, id.p, sizeof(noted->b));
	*asked = true;
	return SUIT_OK;
}

static enum suit_rc look_identity(void *ctx, const struct suit_target *t,
				  enum suit_parameter key, struct suit_bytes id,
				  struct scbor_out *measured)
{
	struct look *l = ctx;
	bool vendor = key == SUIT_PARAM_VENDOR;
	const struct suit_uuid *is = vendor ? l->facts->vendor_id : l->facts->class_id;

	(void)t;
	(void)measured;
	if (!vendor && key != SUIT_PARAM_CLASS)
		return SUIT_UNSUPPORTED;
	enum suit_rc rc = vendor ? id_note(id, &l->vendor_asked, &l->plan->vendor_id)
				 : id_note(id, &l->class_asked, &l->plan->class_id);
	if (rc != SUIT_OK || !is)
		return rc;
	return memcmp(id.p, is->b, sizeof(is->b)) == 0 ? SUIT_OK : SUIT_CONDITION;
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

static enum suit_rc look_slot(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	struct look *l = ctx;
	uint64_t asked;

	if (l->slots && suit_parameter_uint(t, SUIT_PARAM_SLOT, &asked))
		slot_note(l->slots, asked);
	l->plan->slot_matters = true;
	*ret = l->facts->slot;
	return SUIT_OK;
}

/* Before a fetch it would be a precondition on what is installed, which a plan cannot speak
 * for: that is the survey's.  After it, digest and size are what the fetch had. */
static enum suit_rc look_image(void *ctx, const struct suit_target *t,
			       const struct suit_digest *digest, const uint64_t *size,
			       struct scbor_out *measured)
{
	struct look *l = ctx;

	(void)measured;
	if (!l->fetched && t->run->section == SUIT_VALIDATE)
		return SUIT_MISSING; /* it installs nothing */
	if (!l->fetched || !suit_digest_equal(digest, &l->plan->digest) || !size ||
	    *size != l->plan->size)
		return SUIT_UNSUPPORTED;
	l->matched = true;
	return SUIT_OK;
}

/* Only what a plan tells of may have been said to the device. */
static enum suit_rc parameters_check(const struct look *l, const struct suit_target *t)
{
	static const uint8_t foreign[] = { SUIT_PARAM_CONTENT,  SUIT_PARAM_ENCRYPTION,
					   SUIT_PARAM_SOURCE,   SUIT_PARAM_FETCH_ARGS,
					   SUIT_PARAM_METADATA, SUIT_PARAM_INVOKE_ARGS,
					   SUIT_PARAM_DEVICE,   SUIT_PARAM_BATTERY,
					   SUIT_PARAM_PRIORITY, SUIT_PARAM_VERSION,
					   SUIT_PARAM_WAIT,     SUIT_PARAM_USE_BEFORE };
	struct suit_bytes b, vendor, class_;

	for (size_t i = 0; i < sizeof(foreign); i++)
		if (suit_parameter_encoded(t, (enum suit_parameter)foreign[i], &b))
			return SUIT_UNSUPPORTED;
	if (!suit_parameter_bytes(t, SUIT_PARAM_VENDOR, &vendor) ||
	    !suit_parameter_bytes(t, SUIT_PARAM_CLASS, &class_))
		return SUIT_MISSING;
	if (memcmp(vendor.p, l->plan->vendor_id.b, sizeof(l->plan->vendor_id.b)) != 0 ||
	    memcmp(class_.p, l->plan->class_id.b, sizeof(l->plan->class_id.b)) != 0)
		return SUIT_UNSUPPORTED;
	return SUIT_OK;
}

static enum suit_rc look_fetch(void *ctx, const struct suit_target *t, struct suit_bytes uri,
			       struct suit_bytes content)
{
	struct look *l = ctx;

	(void)content;
	if (!l->vendor_asked || !l->class_asked ||
	    !suit_parameter_digest(t, &l->plan->digest) ||
	    !suit_parameter_uint(t, SUIT_PARAM_SIZE, &l->plan->size))
		return SUIT_MISSING;
	if (l->fetched)
		return SUIT_UNSUPPORTED;
	l->fetched = true;
	l->plan->uri = uri;
	return parameters_check(l, t);
}

static const struct suit_platform looking = {
	.identity = look_identity,
	.slot = look_slot,
	.image = look_image,
	.fetch = look_fetch,
};

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
	struct look l = { .facts = facts, .plan = &plan, .slots = slots };
	struct suit_run run;

	if (beyond(e))
		return SUIT_UNSUPPORTED;
	plan.component = e->component[0];
	enum suit_rc rc = suit_process(e, SUIT_UPDATE_PROCEDURE, &looking, &l, &run);
	if (rc != SUIT_OK)
		return rc;
	if (!l.fetched || !l.matched)
		return SUIT_MISSING;
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
