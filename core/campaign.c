/* Campaigns, the operator's side.  Load, check, decide by core/campaign_rules.h, store, audit,
 * outbox. */

#include "core/campaign.h"

#include "core/audit.h"
#include "core/job.h"
#include "core/outbox.h"
#include "db/release_store.h"
#include "db/member_store.h"
#include "db/offer_store.h"
#include "db/stage_store.h"
#include "db/tally_store.h"

#include <inttypes.h>
#include <string.h>

/* --- progress --- */

struct sum {
	struct stage_counts *counts;
	int stage_count;
	struct campaign_sums sums;
};

static void sum_kind(struct campaign_sums *sums, int kind, int64_t n)
{
	if (kind == TALLY_BYTES_OFFERED)
		sums->bytes.offered += n;
	else if (kind == TALLY_BYTES_SAVED)
		sums->bytes.saved += n;
	else if (kind == TALLY_FALLBACKS)
		sums->bytes.fallbacks += n;
	else if (kind == TALLY_CURRENT)
		sums->current += n;
}

static void sum_row(void *arg, int32_t stage, int state, int64_t n)
{
	struct sum *sum = arg;

	if (stage >= 0 && stage < sum->stage_count && state >= 0 && state < JOB_STATE_END)
		sum->counts[stage].n[state] += n;
	sum_kind(&sum->sums, state, n);
}

enum rc campaign_counts(struct call *c, const struct campaign *campaign,
			struct stage_counts **ret, struct campaign_sums *ret_sums)
{
	struct sum sum = {
		.counts = arena_array(c->mem, (size_t)campaign->stage_count + 1,
				      sizeof(*sum.counts)),
		.stage_count = campaign->stage_count,
	};

	enum rc rc = tally_store_sum(c->db, c->tenant, &campaign->campaign_id, sum_row, &sum);
	if (rc != RC_OK)
		return rc;
	for (int i = 0; i < campaign->stage_count; i++)
		counts_complete(&sum.counts[i], campaign->stages[i].members);
	*ret = sum.counts;
	if (ret_sums)
		*ret_sums = sum.sums;
	return RC_OK;
}

enum rc campaign_note_current(struct call *c, const struct campaign *campaign, int64_t current)
{
	struct stage_counts *counts;
	struct campaign_sums sums;

	enum rc rc = campaign_counts(c, campaign, &counts, &sums);
	if (rc != RC_OK || sums.current == current)
		return rc;
	struct tally_change change = { campaign->campaign_id, 0, TALLY_CURRENT,
				       current - sums.current };
	return tally_store_add(c->db, c->tenant, c->shard, c->mem, &change, 1);
}

static enum rc item_complete(struct call *c, struct campaign_item *item)
{
	const struct campaign *campaign = &item->row.campaign;
	struct campaign_sums sums;

	enum rc rc = campaign_counts(c, campaign, &item->counts, &sums);
	if (rc != RC_OK)
		return rc;
	for (int i = 0; i < campaign->stage_count; i++)
		for (int s = 0; s < JOB_STATE_END; s++)
			item->total.n[s] += item->counts[i].n[s];
	item->bytes = sums.bytes;
	item->bound = stages_bound(campaign->stages, campaign->stage_count, campaign->members,
				   sums.current);
	return RC_OK;
}

enum rc campaign_get(struct call *c, const struct uuid *campaign_id, struct campaign_item *ret)
{
	struct campaign_item item = { 0 };

	enum rc rc = campaign_store_get(c->db, c->tenant, campaign_id, c->mem, &item.row);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "no such campaign");
	if (rc == RC_OK)
		rc = item_complete(c, &item);
	if (rc == RC_OK)
		*ret = item;
	return rc;
}

enum rc campaign_list(struct call *c, const struct campaign_page *page,
		      struct campaign_items *ret)
{
	struct campaign_rows list;

	enum rc rc = campaign_store_list(c->db, c->tenant, page, &list);
	if (rc != RC_OK)
		return rc;
	struct campaign_item *items =
		arena_array(c->mem, (size_t)list.count + 1, sizeof(*items));
	for (int i = 0; rc == RC_OK && i < list.count; i++) {
		items[i].row = list.rows[i];
		rc = item_complete(c, &items[i]);
	}
	if (rc == RC_OK)
		*ret = (struct campaign_items){ items, list.count, list.more };
	return rc;
}

enum rc campaign_jobs(struct call *c, const struct job_filter *filter, struct job_item **ret,
		      int *ret_count)
{
	struct campaign_row row;

	enum rc rc = campaign_store_get(c->db, c->tenant, &filter->campaign_id, c->mem, &row);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "no such campaign");
	if (rc == RC_OK)
		rc = member_store_look(c->db);
	return rc == RC_OK ? job_store_list(c->db, c->tenant, filter, c->mem, ret, ret_count)
			   : rc;
}

/* --- planning --- */

static enum rc check_fields(struct call *c, const struct campaign_new *in)
{
	enum rc rc = RC_OK;
	size_t len = strlen(in->name);
	int stage;
	const char *why = stages_check(in->stages, in->stage_count, &stage);

	if (len == 0 || len > CAMPAIGN_NAME_MAX || !text_is_clean(bytes_of(in->name)))
		rc = call_field(c, "/name", "1 to %d bytes of clean text", CAMPAIGN_NAME_MAX);
	if (why)
		rc = call_field(c, arena_printf(c->mem, "/stages/%d", stage), "%s", why);
	for (int i = 0; !why && i < in->stage_count; i++)
		if (in->stages[i].gate.soak_s > SOAK_MAX)
			rc = call_field(c, arena_printf(c->mem, "/stages/%d/soak_s", i),
					"at most %d", SOAK_MAX);
	if (in->silent_after_s < 1 || in->silent_after_s > SILENT_AFTER_MAX)
		rc = call_field(c, "/silent_after_s", "1 to %d", SILENT_AFTER_MAX);
	if (in->max_attempts < 1 || in->max_attempts > ATTEMPTS_MAX)
		rc = call_field(c, "/max_attempts", "1 to %d", ATTEMPTS_MAX);
	return rc;
}

static const char *join(struct call *c, const char *const *names, int n)
{
	const char *text = n ? names[0] : "";

	for (int i = 1; i < n; i++)
		text = arena_printf(c->mem, "%s, %s", text, names[i]);
	return text;
}

enum rc campaign_audience_check(struct call *c, const struct audience *audience)
{
	if (audience->missing_count)
		return call_field(c, "/target/devices", "no such device, or revoked: %s",
				  join(c, audience->missing, audience->missing_count));
	if (audience->wrong)
		return call_fail(c, ERR_WRONG_CLASS,
				 "%" PRId64 " of %" PRId64
				 " devices are not of the release's class: %s%s",
				 audience->wrong, audience->members,
				 join(c, audience->wrong_sample, audience->wrong_count),
				 audience->wrong > audience->wrong_count ? ", ..." : "");
	if (audience->newer)
		return call_fail(c, ERR_RELEASE_NOT_NEWER,
				 "%" PRId64 " of %" PRId64 " devices run a newer release: %s%s",
				 audience->newer, audience->members,
				 join(c, audience->newer_sample, audience->newer_count),
				 audience->newer > audience->newer_count ? ", ..." : "");
	if (audience->members == 0)
		return call_fail(c, ERR_NO_DEVICES, "no registered device matches the target");
	return RC_OK;
}

static enum rc find_release(struct call *c, const struct uuid *release_id,
			    struct offer_row *ret)
{
	enum rc rc = offer_store_release(c->db, c->tenant, release_id, c->mem, ret);

	if (rc == RC_NOT_FOUND)
		return call_field(c, "/release_id", "there is no such release");
	if (rc == RC_OK && ret->release.withdrawn_at)
		return call_field(c, "/release_id", "the release was withdrawn");
	return rc;
}

static enum rc find_audience(struct call *c, const char *target, const struct release *release,
			     bool sample, struct audience *ret)
{
	enum rc rc = campaign_store_audience(c->db, c->tenant,
					     &(struct audience_query){
						     .target = target,
						     .release_id = &release->release_id,
						     .vendor_id = &release->vendor_id,
						     .class_id = &release->class_id,
						     .components = release->components,
						     .sequence = release->sequence,
						     .sample = sample,
					     },
					     c->mem, ret);

	return rc == RC_OK ? campaign_audience_check(c, ret) : rc;
}

enum rc campaign_preview(struct call *c, const struct campaign_new *in,
			 struct campaign_preview *ret)
{
	struct offer_row release = { 0 };
	struct campaign_preview p = { 0 };

	enum rc rc = check_fields(c, in);
	if (rc == RC_OK)
		rc = find_release(c, &in->release_id, &release);
	if (rc == RC_OK)
		rc = find_audience(c, in->target, &release.release, true, &p.audience);
	if (rc != RC_OK)
		return rc;
	stages_size(in->stages, in->stage_count, p.audience.members, p.sizes);
	p.bound = stages_bound(in->stages, in->stage_count, p.audience.members,
			       p.audience.current);
	p.bytes = p.audience.members * p.audience.bytes;
	p.deltas = p.audience.deltas;
	*ret = p;
	return RC_OK;
}

static enum rc insert(struct call *c, const struct campaign *campaign, const char *target)
{
	struct campaign_insert in = { campaign, target, &c->actor.id };
	char id[UUID_TEXT_SIZE], release[UUID_TEXT_SIZE];
	struct audit_act act = {
		.action = "campaign.create",
		.object_kind = "campaign",
		.object_id = uuid_format(&campaign->campaign_id, id),
		.detail = audit_detail(c->mem, "release",
				       uuid_format(&campaign->release_id, release), NULL),
	};

	enum rc rc = campaign_store_insert(c->db, c->tenant, &in);
	return rc == RC_OK ? audit_add(c, &act) : rc;
}

enum rc campaign_create(struct call *c, const struct campaign_new *in,
			struct campaign_item *ret)
{
	struct campaign_preview preview;

	/* Who withdraws the release comes before this, or sees the campaign. */
	enum rc rc = release_store_lock(c->db, c->tenant, &in->release_id);
	if (rc == RC_OK || rc == RC_NOT_FOUND)
		rc = campaign_preview(c, in, &preview);
	if (rc != RC_OK)
		return rc;
	struct campaign campaign = {
		.release_id = in->release_id,
		.name = in->name,
		.members = preview.audience.members,
		.silent_after_s = in->silent_after_s,
		.max_attempts = in->max_attempts,
		.stages = arena_copy(c->mem, in->stages,
				     (size_t)in->stage_count * sizeof(*in->stages)),
		.stage_count = in->stage_count,
		.created_at = c->now,
	};
	for (int i = 0; i < in->stage_count; i++)
		campaign.stages[i].stage = i;
	uuid_random(&campaign.campaign_id);
	bucket_salt_derive(&campaign.campaign_id, &campaign.salt);
	rc = insert(c, &campaign, in->target);
	if (rc == RC_OK)
		rc = campaign_note_current(c, &campaign, preview.audience.current);
	return rc == RC_OK ? campaign_get(c, &campaign.campaign_id, ret) : rc;
}

/* --- moves --- */

enum rc campaign_set_state(struct call *c, const struct campaign *campaign,
			   const struct campaign_change *change)
{
	char id[UUID_TEXT_SIZE];
	struct campaign_move_row row = {
		.from = campaign->state,
		.to = change->to,
		.pause_reason = change->pause_reason,
		.stage = campaign->stage,
		.members = campaign->members,
		.now = c->now,
	};
	struct audit_act act = {
		.action = change->action,
		.object_kind = "campaign",
		.object_id = uuid_format(&campaign->campaign_id, id),
		.detail = audit_detail(c->mem, "from", campaign_state_name(campaign->state),
				       "to", campaign_state_name(change->to), "why",
				       change->pause_reason, NULL),
	};

	enum rc rc = campaign_store_move(c->db, c->tenant, &campaign->campaign_id, &row);
	if (rc == RC_OK)
		rc = outbox_campaign(c, &campaign->campaign_id);
	return rc == RC_OK ? audit_add(c, &act) : rc;
}

static enum rc start(struct call *c, const struct campaign_row *row)
{
	struct offer_row release = { 0 };
	struct audience audience;

	enum rc rc = find_release(c, &row->campaign.release_id, &release);
	if (rc == RC_OK)
		rc = find_audience(c, row->target, &release.release, false, &audience);
	if (rc == RC_OK)
		rc = campaign_note_current(c, &row->campaign, audience.current);
	return rc == RC_OK
		       ? campaign_set_state(c, &row->campaign,
					    &(struct campaign_change){ CAMPAIGN_STARTING, NULL,
								       "campaign.start" })
		       : rc;
}

/* The open stage, and those before it, forget the failures that the operator has seen. */
static enum rc forgive(struct call *c, const struct campaign *campaign)
{
	struct stage_counts *counts;

	enum rc rc = campaign_counts(c, campaign, &counts, NULL);
	for (int i = 0; rc == RC_OK && i <= campaign->stage; i++) {
		struct stage stage = campaign->stages[i];
		enum stage_state from = stage.state;
		stage.forgiven = counts_failed(&counts[i]);
		if (from == STAGE_TRIPPED) {
			stage.state = STAGE_OPEN;
			stage.closed_at = 0;
			stage.reached_at = 0;
		}
		rc = stage_store_put(c->db, c->tenant, &campaign->campaign_id, from, &stage);
	}
	return rc;
}

static enum rc resume(struct call *c, const struct campaign *campaign)
{
	enum rc rc = RC_OK;

	if (campaign->stages[campaign->stage].state == STAGE_TRIPPED)
		rc = forgive(c, campaign);
	if (rc != RC_OK)
		return rc;
	return campaign_set_state(
		c, campaign,
		&(struct campaign_change){ CAMPAIGN_RUNNING, NULL, "campaign.resume" });
}

static enum rc pause_campaign(struct call *c, const struct campaign *campaign)
{
	const char *why = "paused by an operator";

	if (c->reason && c->reason[0])
		why = arena_printf(c->mem, "%s: %s", why, c->reason);
	return campaign_set_state(
		c, campaign,
		&(struct campaign_change){ CAMPAIGN_PAUSED, why, "campaign.pause" });
}

/* The audit's lock comes last: jobs first. */
static enum rc abort_campaign(struct call *c, const struct campaign *campaign)
{
	enum rc rc = job_cancel_campaign(c, &campaign->campaign_id);

	if (rc != RC_OK)
		return rc;
	return campaign_set_state(
		c, campaign,
		&(struct campaign_change){ CAMPAIGN_ABORTED, NULL, "campaign.abort" });
}

static enum rc make_move(struct call *c, const struct campaign_row *row,
			 enum campaign_move move)
{
	switch (move) {
	case MOVE_START:
		return start(c, row);
	case MOVE_PAUSE:
		return pause_campaign(c, &row->campaign);
	case MOVE_RESUME:
		return resume(c, &row->campaign);
	case MOVE_ABORT:
		return abort_campaign(c, &row->campaign);
	}
	return RC_INTERNAL;
}

enum rc campaign_move(struct call *c, const struct uuid *campaign_id, enum campaign_move move,
		      int64_t revision, struct campaign_item *ret)
{
	struct campaign_row row;

	enum rc rc = campaign_store_lock(c->db, c->tenant, campaign_id, c->mem, &row);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "no such campaign");
	if (rc != RC_OK)
		return rc;
	if (row.campaign.revision != revision)
		return call_fail(c, ERR_PRECONDITION_FAILED,
				 "the campaign is at revision %" PRId64, row.campaign.revision);
	if (!campaign_may(row.campaign.state, move))
		return call_fail(c, ERR_CAMPAIGN_STATE, "the campaign is %s",
				 campaign_state_name(row.campaign.state));
	rc = make_move(c, &row, move);
	return rc == RC_OK ? campaign_get(c, campaign_id, ret) : rc;
}
