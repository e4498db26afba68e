/* Work that must leave the transaction: what other daemons' rosters must learn, and whom to
 * wake. A row and a hint, in the same transaction as the change. */
#pragma once

#include "core/call.h"
#include "core/outbox_rules.h"

/* State, stage or pause of a campaign changed. */
enum rc outbox_campaign(struct call *c, const struct uuid *campaign_id) MUST_CHECK;
/* Registration or open job of a device changed. */
enum rc outbox_device(struct call *c, const struct uuid *device_id) MUST_CHECK;
/* Lifecycle or credential of a device changed, or it was made or deleted. */
enum rc outbox_credential(struct call *c, const struct uuid *device_id) MUST_CHECK;

#define OUTBOX_KEEP_US (INT64_C(3600) * 1000000)

/* Deletes up to limit rows that every reader was let past for an hour, as far as the horizons
 * tell that were seen before; notes today's.  now: monotonic. */
enum rc outbox_purge(struct call *c, struct outbox_horizons *seen, int64_t now, int limit,
		     int64_t *ret_count) MUST_CHECK;
