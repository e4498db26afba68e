/* Clock and device are asked when the processor asks; nothing here waits. */
#include "agent/asks.h"

#include <time.h>

void asks_begin(struct asks *a, const struct ability *ability, struct update *u, bool works)
{
	*a = (struct asks){
		.ability = ability, .update = u, .works = works, .now = (int64_t)time(NULL)
	};
}

static enum suit_rc refuse(struct asks *a, enum suit_rc rc, enum proto_cause cause,
			   const char *why)
{
	a->cause = cause;
	a->why = why;
	return rc;
}

/* Whoever lets it work has waited for all of them. */
static enum suit_rc wait_again(struct asks *a, const struct wait *w, size_t nth)
{
	const struct update *u = a->update;
	if (nth < u->waited && nth < u->wait_count && wait_equal(&u->wait[nth].until, w))
		return SUIT_OK;
	return refuse(a, SUIT_OPERATION, PROTO_CAUSE_INSTALL,
		      "the manifest waits for something else than before");
}

enum suit_rc asks_wait(struct asks *a, struct suit_bytes info, size_t fetched)
{
	struct update *u = a->update;
	size_t nth = a->waits++;
	struct wait w;
	if (!wait_read(info, &w))
		return refuse(a, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS,
			      "waits for what is not known to this device");
	if (a->works)
		return wait_again(a, &w, nth);
	if (nth == UPDATE_WAITS_MAX)
		return refuse(a, SUIT_TOO_LARGE, PROTO_CAUSE_MANIFEST, "waits too often");
	u->wait[nth] = (struct update_wait){ w, (uint8_t)fetched };
	u->wait_count = nth + 1;
	if (update_has_waited(u, nth, &w))
		return SUIT_OK;
	if (nth < u->waited) /* it goes another way now, and has not waited there */
		u->waited = nth;
	switch (wait_moment(&w, a->now, &a->now)) {
	case WAIT_NEVER:
		return refuse(a, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS,
			      "waits for a moment that does not come within 8 days");
	case WAIT_ON:
		a->ahead = true;
		break;
	case WAIT_OVER:
		break;
	}
	return SUIT_OK;
}

enum suit_rc asks_battery(struct asks *a, uint64_t *ret_mwh)
{
	*ret_mwh = UINT64_MAX;
	if (!a->ability->battery)
		return refuse(a, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS,
			      "the battery's charge is not known to this device");
	a->update->asks = true;
	if (a->ahead)
		return SUIT_OK;
	if (!a->ability->battery(a->ability->asked, ret_mwh))
		return refuse(a, SUIT_OPERATION, PROTO_CAUSE_INSTALL,
			      "the battery's charge cannot be read");
	return SUIT_OK;
}

enum suit_rc asks_authorized(struct asks *a, int64_t priority)
{
	if (!a->ability->authorized)
		return refuse(a, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS,
			      "nobody can authorize an update of this device");
	a->update->asks = true;
	if (a->ahead)
		return SUIT_OK;
	return a->ability->authorized(a->ability->asked, priority) ? SUIT_OK : SUIT_CONDITION;
}

const char *asks_text(enum suit_command not_yet)
{
	return not_yet == SUIT_COND_MIN_BATTERY ? "the battery is not charged enough"
						: "not authorized at its priority";
}
