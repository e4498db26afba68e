/* Raising the fence, as a story: what was lost is done again, numbers jump ahead, campaigns
 * wait for an operator, the audit says so, the epoch grows. */

#include "core/fence.h"

#include "core/audit.h"
#include "core/campaign.h"
#include "core/offer.h"
#include "core/outbox.h"
#include "core/release.h"
#include "core/witness.h"
#include "db/audit_store.h"
#include "db/campaign_store.h"
#include "db/fence_store.h"
#include "db/member_store.h"
#include "db/witness_store.h"

#include <inttypes.h>
#include <string.h>

#define REASON "done again by the fence after a restore"

/* --- acts that were lost with the backup --- */

struct deed {
	enum fence_act act;
	const char *action, *kind; /* for the audit */
};

static const struct deed deeds[WITNESS_KINDS] = {
	[ACT_SEQUENCE] = { FENCE_SEQUENCE, "release.sequence", "release" },
	[ACT_DEVICE_REVOKE] = { FENCE_DEVICE, "device.revoke", "device" },
	[ACT_CREDENTIAL] = { FENCE_CREDENTIAL, "device.credential", "device" },
	[ACT_AUTHOR_KEY] = { FENCE_AUTHOR_KEY, "author-key.revoke", "author-key" },
	[ACT_RELEASE] = { FENCE_RELEASE, "release.withdraw", "release" },
	[ACT_OPERATOR] = { FENCE_OPERATOR, "operator.update", "operator" },
	[ACT_OPERATOR_DELETE] = { FENCE_OPERATOR_DELETE, "operator.delete", "operator" },
	[ACT_TOKEN] = { FENCE_TOKEN, "token.delete", "token" },
};

static enum rc cancel_jobs(struct call *c, const char *device_id)
{
	struct uuid id;

	if (uuid_parse(device_id, &id) != RC_OK)
		return RC_INTERNAL;
	return offer_end_device(c, &id, OFFER_TEXT_REVOKED);
}

static enum rc take_back(struct call *c, const char *release_id)
{
	struct uuid id;

	if (uuid_parse(release_id, &id) != RC_OK)
		return RC_INTERNAL;
	return release_take_back(c, &id);
}

/* Who serves already has the key in memory: a daemon that joins is not the first one. */
static enum rc tell_others(struct call *c, const char *device_id)
{
	struct uuid id;

	if (uuid_parse(device_id, &id) != RC_OK)
		return RC_INTERNAL;
	return outbox_credential(c, &id);
}

static enum rc do_again(struct call *c, const struct witness_act *act, int *ret_done)
{
	enum witness_kind kind = witness_kind_of(act->action);
	const struct deed *deed = &deeds[kind];
	struct fence_again again = { deed->act, act->object_id, act->detail, c->now };
	int64_t rows = 0;
	enum rc rc = RC_OK;

	if (kind == ACT_DEVICE_REVOKE)
		rc = cancel_jobs(c, act->object_id);
	if (rc == RC_OK)
		rc = fence_store_again(c->db, c->tenant, &again, &rows);
	if (rc != RC_OK || rows == 0)
		return rc;
	if (kind == ACT_RELEASE)
		rc = take_back(c, act->object_id);
	if (kind == ACT_DEVICE_REVOKE || kind == ACT_CREDENTIAL)
		rc = tell_others(c, act->object_id);
	if (rc != RC_OK)
		return rc;
	++*ret_done;
	c->reason = REASON;
	return audit_add(c, &(struct audit_act){ deed->action, deed->kind, act->object_id,
						 act->detail });
}

/* With `joining`, another daemon's fence has done most of it, and operators may have gone on.
 */
static enum rc is_lost(struct call *c, const struct witness_act *act, bool joining, bool *ret)
{
	bool there = false;

	if (witness_kind_of(act->action) == ACT_NONE) {
		*ret = false;
		return RC_OK;
	}
	enum rc rc = witness_store_has_act(c->db, c->tenant, act, &there);
	if (rc == RC_OK && !there && joining)
		rc = fence_store_done(c->db, c->tenant, act, REASON, &there);
	if (rc == RC_OK)
		*ret = !there;
	return rc;
}

static enum rc again_all(struct call *c, const char *dir, bool joining,
			 int ret_done[WITNESS_KINDS])
{
	struct witness_act *acts;
	int n = 0;

	enum rc rc = witness_acts(dir, c->mem, &acts, &n);
	for (int i = 0; rc == RC_OK && i < n; i++) {
		bool lost = false;
		rc = is_lost(c, &acts[i], joining, &lost);
		if (rc == RC_OK && lost)
			rc = do_again(c, &acts[i], &ret_done[witness_kind_of(acts[i].action)]);
	}
	return rc;
}

/* --- campaigns: what an operator stopped in the time that was lost must not run on --- */

static enum rc hold(struct call *c, const struct uuid *id, int64_t *held)
{
	struct campaign_row row;

	enum rc rc = campaign_store_lock(c->db, c->tenant, id, c->mem, &row);
	if (rc != RC_OK)
		return rc;
	bool runs = row.campaign.state == CAMPAIGN_RUNNING;
	++*held;
	c->reason = "raised after a restore";
	return campaign_set_state(
		c, &row.campaign,
		&(struct campaign_change){
			runs ? CAMPAIGN_PAUSED : CAMPAIGN_DRAFT,
			runs ? "the database was restored: look whether it should go on" : NULL,
			"campaign.hold" });
}

static enum rc hold_campaigns(struct call *c, int64_t *ret_held)
{
	struct uuid *ids;
	int n = 0;

	enum rc rc = campaign_store_active(c->db, c->tenant, c->mem, &ids, &n);
	for (int i = 0; rc == RC_OK && i < n; i++)
		rc = hold(c, &ids[i], ret_held);
	return rc;
}

/* --- the fence --- */

static enum rc burn(struct call *c, struct fence_report *r)
{
	enum rc rc = fence_store_burn_sequences(c->db, c->tenant, c->now, &r->classes);

	if (rc == RC_OK)
		rc = fence_store_burn_jobs(c->db, c->tenant, &r->jobs);
	if (rc == RC_OK)
		rc = fence_store_burn_outbox(c->db);
	return rc == RC_OK ? fence_store_burn_lease(c->db) : rc;
}

static const char *number(struct call *c, int64_t v)
{
	return arena_printf(c->mem, "%" PRId64, v);
}

static enum rc note(struct call *c, const struct witness_mark *mark,
		    const struct fence_report *r)
{
	char id[UUID_TEXT_SIZE];
	struct audit_act act = {
		.action = "database.fence",
		.object_kind = "database",
		.object_id = uuid_format(&mark->instance_id, id),
		.detail = audit_detail(c->mem, "campaigns", number(c, r->campaigns), "classes",
				       number(c, r->classes), "epoch", number(c, r->epoch),
				       "head", number(c, r->head), "jobs", number(c, r->jobs),
				       "seen", number(c, r->seen), NULL),
	};

	c->reason = r->why;
	return audit_add(c, &act);
}

/* The mark begins the audit anew: what is in it now comes back to the kept acts. */
static enum rc settle(struct call *c, struct witness_mark *mark, int64_t epoch)
{
	mark->epoch = epoch;
	mark->counter++;
	mark->audit_seq = 0;
	mark->audit_hash = (struct digest){ { 0 } };
	return witness_store_put(c->db, &mark->witness_id, mark->counter, c->now);
}

/* Seconds of the clock, so that fences raised over two restored backups differ, and the later
 * one counts. */
static int64_t next_epoch(const struct call *c, int64_t a, int64_t b)
{
	int64_t last = a > b ? a : b, now_s = c->now / 1000000;

	return now_s > last ? now_s : last + 1;
}

/* RC_OK with needed unset: nothing to do. */
static enum rc examine(struct call *c, const char *dir, bool force, struct witness_mark *mark,
		       struct fence_report *r)
{
	struct witness_row row;
	enum rc rc = witness_load(dir, c->mem, mark);

	if (rc == RC_NOT_FOUND || rc == RC_INVALID) {
		r->needed = force;
		return force ? witness_begin(c, mark) : RC_INVALID;
	}
	if (rc == RC_OK)
		rc = witness_store_read(c->db, c->tenant, mark, &row);
	if (rc != RC_OK)
		return rc;
	r->seen = mark->audit_seq;
	r->same_audit = row.has_audit && digest_equal(&row.audit_hash, &mark->audit_hash);
	r->needed = witness_judge(mark, &row, &r->why) == WITNESS_BEHIND || force;
	return RC_OK;
}

enum rc fence_raise(struct call *c, const char *dir, bool force, struct witness_mark *ret_mark,
		    struct fence_report *ret)
{
	struct fence_report r = { 0 };
	struct witness_mark mark;
	struct digest hash;
	int64_t epoch = 0;

	enum rc rc = examine(c, dir, force, &mark, &r);
	if (rc != RC_OK || !r.needed) {
		*ret = r;
		return rc;
	}
	/* Before the audit's head, as everybody who takes both. */
	rc = member_store_look(c->db);
	if (rc == RC_OK)
		rc = fence_store_lock(c->db, &mark.instance_id, &epoch);
	if (rc == RC_OK)
		rc = audit_store_lock_head(c->db, c->tenant, &r.head, &hash);
	if (rc == RC_OK)
		rc = again_all(c, dir, false, r.again);
	if (rc == RC_OK)
		rc = burn(c, &r);
	if (rc == RC_OK)
		rc = hold_campaigns(c, &r.campaigns);
	r.epoch = next_epoch(c, epoch, mark.epoch);
	if (rc == RC_OK)
		rc = note(c, &mark, &r);
	if (rc == RC_OK)
		rc = fence_store_raise(c->db, r.epoch, c->now);
	if (rc == RC_OK)
		rc = settle(c, &mark, r.epoch);
	*ret_mark = mark;
	*ret = r;
	return rc;
}

enum rc fence_raised(const char *dir, const struct witness_mark *mark, struct arena *mem)
{
	enum rc rc = witness_put_away(dir, mark->epoch, mem);

	return rc == RC_OK ? witness_save(dir, mark) : rc;
}

enum rc fence_join(struct call *c, const char *dir, struct witness_mark *mark)
{
	int done[WITNESS_KINDS] = { 0 };
	struct uuid instance_id;
	int64_t epoch = 0;

	enum rc rc = member_store_look(c->db);
	if (rc == RC_OK)
		rc = fence_store_lock(c->db, &instance_id, &epoch);
	if (rc == RC_OK)
		rc = again_all(c, dir, true, done);
	return rc == RC_OK ? settle(c, mark, epoch) : rc;
}
