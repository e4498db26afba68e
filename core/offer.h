/* Offers: what a device is told when it asks. */
#pragma once

#include "core/call.h"
#include "core/offer_rules.h"
#include "core/roster.h"
#include "db/offer_store.h"
#include "db/registration_store.h"

struct offer {
	bool has_job;
	int64_t job_id;
	int32_t attempt;
	const struct roster_release *release; /* set with has_job */
};

/* The device's open job; else the first running campaign that may offer itself makes one; else
 * nothing.  The actor is the device. */
enum rc offer_next(struct call *c, struct offer *ret) MUST_CHECK;
/* The device asks no more, because it is revoked or deleted; the text says so.  Its open jobs
 * are cancelled, and so are those that campaigns would have made: none waits for it, or misses
 * it in a gate's sample.  Within the lock on the device; without one, RC_RETRY when it is made
 * an offer meanwhile. */
enum rc offer_end_device(struct call *c, const struct uuid *device_id,
			 const char *text) MUST_CHECK;
/* The same for one campaign, which the caller holds, whatever its state: nothing when the
 * device is no member, or has its job. */
enum rc offer_end_member(struct call *c, const struct uuid *device_id,
			 const struct uuid *campaign_id, const char *text) MUST_CHECK;
#define OFFER_TEXT_REVOKED "the device was revoked"
#define OFFER_TEXT_DELETED "the device was deleted"
/* What the roster knows: RC_RETRY when the database must be asked. */
enum rc offer_from_memory(const struct roster_device *d, struct offer *ret) MUST_CHECK;

/* Which of a release's manifests it would be.  device->no_delta is a wish: where there is
 * nothing else a delta is tried again, as often as the campaign says. */
void offer_choose(const struct variant *variants, int count,
		  const struct variant_device *device, struct variant_choice *ret);

/* Gathers what the decision needs, about one device and one campaign. */
enum rc offer_gather(struct call *c, const struct device_row *device,
		     const struct offer_row *row, struct offer_facts *ret) MUST_CHECK;
