/* Outbox rows, one function a kind. */

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
