/* Names of what a campaign and a stage can be. */

#include "base/model/campaign.h"

const char *campaign_state_name(enum campaign_state s)
{
	static const char *const names[] = {
		[CAMPAIGN_DRAFT] = "draft",       [CAMPAIGN_STARTING] = "starting",
		[CAMPAIGN_RUNNING] = "running",   [CAMPAIGN_PAUSED] = "paused",
		[CAMPAIGN_FINISHED] = "finished", [CAMPAIGN_ABORTED] = "aborted",
	};

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "unknown";
}

const char *stage_state_name(enum stage_state s)
{
	static const char *const names[] = {
		[STAGE_WAITING] = "waiting",
		[STAGE_OPEN] = "open",
		[STAGE_PASSED] = "passed",
		[STAGE_TRIPPED] = "tripped",
	};

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "unknown";
}
