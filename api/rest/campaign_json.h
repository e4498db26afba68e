/* JSON forms of campaigns and jobs. */
#pragma once

#include "api/json.h"
#include "core/campaign.h"

#define TARGET_DEVICES_MAX 100000

/* Reads the body of createCampaign; what it holds is in the call's arena. */
enum rc campaign_read(struct call *c, const struct req *req, struct campaign_new *ret,
		      bool *ret_validate_only) MUST_CHECK;
json_t *campaign_json(struct arena *mem, const struct campaign_item *item);
json_t *campaign_preview_json(struct arena *mem, const struct campaign_new *in,
			      const struct campaign_preview *preview);
json_t *job_json(const struct job_item *item);
