/* Campaigns, the ticker's side: writing members, opening stages, judging gates.  Each function
 * is one transaction's work on one campaign; it looks again under a lock before it changes
 * anything, so several tickers could do no harm. */
#pragma once

#include "core/call.h"

/* A starting campaign: members, thresholds, first stage.  Goes back to draft, saying why, when
 * its devices do not fit any more.  Nothing when it is not starting. */
enum rc campaign_begin(struct call *c, const struct uuid *campaign_id) MUST_CHECK;
/* A running campaign: passes, trips or finishes as its gate says; ret_changed.  A running or
 * paused one forgets what it forgave to devices that came back good. */
enum rc campaign_judge(struct call *c, const struct uuid *campaign_id,
		       bool *ret_changed) MUST_CHECK;
