/* Outbox rows, one function a kind; and their end. */

#include "core/outbox.h"

#include "db/outbox_store.h"

enum rc outbox_campaign(struct call *c, const struct uuid *campaign_id)
{
	struct outbox_row row = { .kind = OUTBOX_CAMPAIGN, .campaign_id = *campaign_id };

	return outbox_store_add(c->db, c->tenant, &row, c->now);
}

enum rc outbox_device(struct call *c, const struct uuid *device_id)
{
	struct outbox_row row = { .kind = OUTBOX_DEVICE, .device_id = *device_id };

	return outbox_store_add(c->db, c->tenant, &row, c->now);
}

enum rc outbox_credential(struct call *c, const struct uuid *device_id)
{
	struct outbox_row row = { .kind = OUTBOX_CREDENTIAL, .device_id = *device_id };

	return outbox_store_add(c->db, c->tenant, &row, c->now);
}

enum rc outbox_purge(struct call *c, struct outbox_horizons *seen, int64_t now, int limit,
		     int64_t *ret_count)
{
	struct outbox_horizon horizon = { .at = now };

	enum rc rc = outbox_store_horizon(c->db, &horizon.xid);
	if (rc != RC_OK)
		return rc;
	outbox_horizons_note(seen, &horizon, OUTBOX_KEEP_US);
	return outbox_store_purge(c->db, outbox_horizons_below(seen, now, OUTBOX_KEEP_US),
				  limit, ret_count);
}
