/* The outbox: what must leave a transaction.  A reader stops at the snapshot's horizon: below
 * it every transaction of this database is over, so nothing that commits late is skipped.
 * Transactions of other databases of the cluster are in the snapshot too; those that are seen
 * to be elsewhere are passed over (see pg_stat_activity: all are with pg_read_all_stats, else
 * those of our own role). */
#pragma once

#include "db/db.h"

enum outbox_kind { OUTBOX_CAMPAIGN = 1, OUTBOX_DEVICE = 2, OUTBOX_CREDENTIAL = 3 };

#define OUTBOX_CHANNEL "muster"

struct outbox_row {
	enum outbox_kind kind;
	struct uuid campaign_id, device_id; /* zero when it is not about one */
};

/* Adds a row and a NOTIFY; either id may be NULL. */
enum rc outbox_store_add(struct db *db, int32_t tenant, const struct outbox_row *row,
			 int64_t now) MUST_CHECK;

/* A row of OUTBOX_DEVICE for each, and one NOTIFY. */
enum rc outbox_store_add_devices(struct db *db, int32_t tenant, struct arena *mem,
				 const struct uuid *ids, size_t count, int64_t now) MUST_CHECK;

/* Where a reader stands: everything before (xid, outbox_id) was read. */
struct outbox_mark {
	int64_t xid;
	int64_t outbox_id;
};

/* All writers below this transaction id are over. */
enum rc outbox_store_horizon(struct db *db, int64_t *ret_xid) MUST_CHECK;
/* Rows after *mark and below the horizon, in order, at most limit; *mark moves behind the last
 * one, or to the horizon when there are no more. */
enum rc outbox_store_read(struct db *db, int32_t tenant, struct outbox_mark *mark,
			  int64_t horizon, int limit, struct arena *mem,
			  struct outbox_row **ret, int *ret_count) MUST_CHECK;
/* Deletes up to limit rows of transactions below this id, and says how many. */
enum rc outbox_store_purge(struct db *db, int64_t below, int limit,
			   int64_t *ret_count) MUST_CHECK;
