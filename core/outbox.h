/* Work that must leave the transaction: what other daemons' rosters must learn, and whom to
 * wake. A row and a hint, in the same transaction as the change. */
#pragma once

#include "core/call.h"

/* State, stage or pause of a campaign changed. */
enum rc outbox_campaign(struct call *c, const struct uuid *campaign_id) MUST_CHECK;
/* Registration or open job of a device changed. */
enum rc outbox_device(struct call *c, const struct uuid *device_id) MUST_CHECK;
/* Lifecycle or credential of a device changed, or it was made or deleted. */
enum rc outbox_credential(struct call *c, const struct uuid *device_id) MUST_CHECK;
