/* Campaigns, the ticker's side. */

#include "core/campaign_run.h"

#include "core/campaign.h"
#include "core/offer.h"
#include "db/audit_store.h"
#include "db/member_store.h"
#include "db/stage_store.h"

#include <string.h>

#define MEMBERS_TIMEOUT_MS 600000
#define AUDIT_PAGE         1000

/* --- the start --- */

static enum rc set_state(struct call *c, const struct campaign *campaign,
			 enum campaign_state to, const char *action)
{
	return campaign_set_state(c, campaign, &(struct campaign_change){ to, NULL, action });
}

/* Writes each stage's exact size and the threshold that gives it; opens the first. */
static enum rc size_stages(struct call *c, struct campaign *campaign)
{
	int64_t sizes[STAGES_MAX], rank = 0;
	enum rc rc = RC_OK;

	stages_size(campaign->stages, campaign->stage_count, campaign->members, sizes);
	for (int i = 0; rc == RC_OK && i < campaign->stage_count; i++) {
		struct stage *stage = &campaign->stages[i];
		rank += sizes[i];
		stage->members = sizes[i];
		rc = member_store_bucket_at(c->db, &campaign->campaign_id, campaign->members,
					    rank, &stage->threshold);
		if (rc != RC_OK)
			break;
		stage->state = i == 0 ? STAGE_OPEN : STAGE_WAITING;
		stage->opened_at = i == 0 ? c->now : 0;
		rc = stage_store_put(c->db, c->tenant, &campaign->campaign_id, STAGE_WAITING,
				     stage);
	}
	return rc;
}

/* A device that was revoked or deleted while members were written knew of no campaign that it
 * should leave, and the members were chosen before.  Who does it from here on sees them. */
static enum rc leave_as_audited(struct call *c, const struct campaign *campaign,
				const struct audit_entry *e)
{
	bool revoked = strcmp(e->action, "device.revoke") == 0;
	struct uuid device_id;

	if (!revoked && strcmp(e->action, "device.delete") != 0)
		return RC_OK;
	if (uuid_parse(e->object_id, &device_id) != RC_OK)
		return RC_INTERNAL;
	return offer_end_member(c, &device_id, &campaign->campaign_id,
				revoked ? OFFER_TEXT_REVOKED : OFFER_TEXT_DELETED);
}

static enum rc leave_since(struct call *c, const struct campaign *campaign, int64_t seq)
{
	int n = AUDIT_PAGE;
	enum rc rc = RC_OK;

	while (rc == RC_OK && n == AUDIT_PAGE) {
		struct audit_page page = { seq, AUDIT_PAGE, c->mem };
		struct audit_entry *entries;
		rc = audit_store_list(c->db, c->tenant, &page, &entries, &n);
		for (int i = 0; rc == RC_OK && i < n; i++) {
			seq = entries[i].seq;
			rc = leave_as_audited(c, campaign, &entries[i]);
		}
	}
	return rc;
}

/* seq: of the audit, before the audience was looked at. */
static enum rc write_members(struct call *c, struct campaign *campaign, int64_t seq)
{
	enum rc rc = member_store_create(c->db, &campaign->campaign_id, &campaign->salt,
					 &campaign->members);
	if (rc == RC_OK)
		rc = size_stages(c, campaign);
	if (rc == RC_OK)
		rc = member_store_publish(c->db);
	if (rc == RC_OK)
		rc = leave_since(c, campaign, seq);
	return rc == RC_OK ? set_state(c, campaign, CAMPAIGN_RUNNING, "campaign.run") : rc;
}

/* What was checked at the request does not hold any more. */
static enum rc refuse(struct call *c, const struct campaign *campaign)
{
	const char *why = c->fields ? c->fields->detail : c->detail;

	return campaign_set_state(
		c, campaign,
		&(struct campaign_change){ CAMPAIGN_DRAFT, why, "campaign.refuse" });
}

/* Without a lock first: who runs already makes offers, and has nothing to do here. */
enum rc campaign_begin(struct call *c, const struct uuid *campaign_id)
{
	struct campaign_row row;
	struct audience audience;
	int64_t seq = 0;

	enum rc rc = campaign_store_get(c->db, c->tenant, campaign_id, c->mem, &row);
	if (rc == RC_OK && row.campaign.state == CAMPAIGN_STARTING)
		rc = campaign_store_lock(c->db, c->tenant, campaign_id, c->mem, &row);
	if (rc != RC_OK || row.campaign.state != CAMPAIGN_STARTING)
		return rc;
	/* A million members take longer than a statement of a device may. */
	rc = db_patience(c->db, MEMBERS_TIMEOUT_MS);
	if (rc == RC_OK)
		rc = audit_store_seq(c->db, c->tenant, &seq);
	if (rc != RC_OK)
		return rc;
	rc = campaign_store_audience(c->db, c->tenant,
				     &(struct audience_query){
					     .target = row.target,
					     .release_id = &row.campaign.release_id,
					     .vendor_id = &row.vendor_id,
					     .class_id = &row.class_id,
				     },
				     c->mem, &audience);
	if (rc != RC_OK)
		return rc;
	if (campaign_audience_check(c, &audience) != RC_OK)
		return refuse(c, &row.campaign);
	rc = campaign_note_current(c, &row.campaign, audience.current);
	return rc == RC_OK ? write_members(c, &row.campaign, seq) : rc;
}

/* --- gates --- */

static enum rc put_stage(struct call *c, const struct campaign *campaign, enum stage_state from,
			 const struct stage *stage)
{
	return stage_store_put(c->db, c->tenant, &campaign->campaign_id, from, stage);
}

static enum rc set_reached(struct call *c, const struct campaign *campaign, int64_t at)
{
	struct stage stage = campaign->stages[campaign->stage];

	stage.reached_at = at;
	return put_stage(c, campaign, stage.state, &stage);
}

static enum rc trip(struct call *c, const struct campaign *campaign, const char *reason)
{
	struct stage stage = campaign->stages[campaign->stage];

	stage.state = STAGE_TRIPPED;
	stage.closed_at = c->now;
	enum rc rc = put_stage(c, campaign, STAGE_OPEN, &stage);
	return rc == RC_OK
		       ? campaign_set_state(c, campaign,
					    &(struct campaign_change){ CAMPAIGN_PAUSED, reason,
								       "campaign.trip" })
		       : rc;
}

/* What failed in a stage that passed is accepted; what fails there later counts again. */
static enum rc pass(struct call *c, struct campaign *campaign,
		    const struct stage_counts *counts)
{
	struct stage stage = campaign->stages[campaign->stage];
	bool last = campaign->stage == campaign->stage_count - 1;

	stage.state = STAGE_PASSED;
	stage.closed_at = c->now;
	stage.reached_at = stage.reached_at ? stage.reached_at : c->now;
	stage.forgiven = counts_failed(&counts[campaign->stage]);
	enum rc rc = put_stage(c, campaign, STAGE_OPEN, &stage);
	if (rc != RC_OK)
		return rc;
	if (last)
		return set_state(c, campaign, CAMPAIGN_FINISHED, "campaign.finish");
	struct stage next = campaign->stages[++campaign->stage];
	next.state = STAGE_OPEN;
	next.opened_at = c->now;
	rc = put_stage(c, campaign, STAGE_WAITING, &next);
	return rc == RC_OK ? set_state(c, campaign, CAMPAIGN_RUNNING, "campaign.stage") : rc;
}

static enum rc act(struct call *c, struct campaign *campaign, const struct stage_counts *counts)
{
	char reason[GATE_REASON_SIZE];

	switch (gate_judge(campaign, counts, c->now, reason)) {
	case GATE_WAIT:
		return RC_OK;
	case GATE_REACHED:
		return set_reached(c, campaign, c->now);
	case GATE_LOST:
		return set_reached(c, campaign, 0);
	case GATE_PASS:
		return pass(c, campaign, counts);
	case GATE_TRIP:
		return trip(c, campaign, reason);
	}
	return RC_INTERNAL;
}

static bool forgives_less(const struct campaign *campaign, const struct stage_counts *counts)
{
	for (int i = 0; i <= campaign->stage; i++)
		if (stage_forgives(&campaign->stages[i], &counts[i]) <
		    campaign->stages[i].forgiven)
			return true;
	return false;
}

static enum rc forgive_less(struct call *c, struct campaign *campaign,
			    const struct stage_counts *counts)
{
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i <= campaign->stage; i++) {
		struct stage *stage = &campaign->stages[i];
		int64_t forgiven = stage_forgives(stage, &counts[i]);
		if (forgiven == stage->forgiven)
			continue;
		stage->forgiven = forgiven;
		rc = put_stage(c, campaign, stage->state, stage);
	}
	return rc;
}

/* Devices come back good also while the campaign is paused. */
static bool is_judged(const struct campaign *campaign)
{
	return campaign->state == CAMPAIGN_RUNNING || campaign->state == CAMPAIGN_PAUSED;
}

/* Without a lock first: most of the time there is nothing to do. */
static enum rc has_verdict(struct call *c, const struct uuid *campaign_id, bool *ret)
{
	struct campaign_row row;
	struct stage_counts *counts;
	char reason[GATE_REASON_SIZE];

	*ret = false;
	enum rc rc = campaign_store_get(c->db, c->tenant, campaign_id, c->mem, &row);
	if (rc != RC_OK || !is_judged(&row.campaign))
		return rc;
	rc = campaign_counts(c, &row.campaign, &counts, NULL);
	if (rc == RC_OK)
		*ret = forgives_less(&row.campaign, counts) ||
		       (row.campaign.state == CAMPAIGN_RUNNING &&
			gate_judge(&row.campaign, counts, c->now, reason) != GATE_WAIT);
	return rc;
}

enum rc campaign_judge(struct call *c, const struct uuid *campaign_id, bool *ret_changed)
{
	struct campaign_row row;
	struct stage_counts *counts;

	enum rc rc = has_verdict(c, campaign_id, ret_changed);
	if (rc != RC_OK || !*ret_changed)
		return rc;
	rc = campaign_store_lock(c->db, c->tenant, campaign_id, c->mem, &row);
	if (rc != RC_OK || !is_judged(&row.campaign))
		return rc;
	rc = campaign_counts(c, &row.campaign, &counts, NULL);
	if (rc == RC_OK)
		rc = forgive_less(c, &row.campaign, counts);
	return rc == RC_OK && row.campaign.state == CAMPAIGN_RUNNING
		       ? act(c, &row.campaign, counts)
		       : rc;
}
