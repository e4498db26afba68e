/* Why a campaign offers itself to a device, or does not: in order, by the very checks that
 * decide (core/offer_rules.h). */
#pragma once

#include "core/call.h"
#include "core/offer_rules.h"

struct explanation {
	bool offered; /* the device has, had or would get this campaign's job */
	struct offer_reason reasons[OFFER_CHECKS_MAX];
	int count;
};

/* ERR_NOT_FOUND when there is no such campaign or device. */
enum rc campaign_explain(struct call *c, const struct uuid *device_id,
			 const struct uuid *campaign_id, struct explanation *ret) MUST_CHECK;
