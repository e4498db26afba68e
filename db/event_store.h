/* Events of devices. */
#pragma once

#include "base/model/event.h"
#include "db/db.h"

/* at: when each was. */
enum rc event_store_add(struct db *db, int32_t tenant, struct arena *mem,
			const struct event *events, const int64_t *at, size_t count) MUST_CHECK;

struct event_row {
	struct event event;
	const char *endpoint; /* NULL when the device is gone */
	int64_t at;
	int64_t seq;
};
struct event_page {
	struct uuid device_id; /* zero: every device */
	int64_t after_at;      /* behind (at, seq) */
	int64_t after_seq;
	int64_t before; /* of every device: earlier than this alone */
	int limit;
	struct arena *mem; /* for the rows */
};
/* By time. */
enum rc event_store_list(struct db *db, int32_t tenant, const struct event_page *page,
			 struct event_row **ret, int *ret_count) MUST_CHECK;
/* How long the oldest transaction has lasted that may yet commit events, us.  To be asked
 * before the events are read: what is over by then, a later statement sees. */
enum rc event_store_oldest_writer(struct db *db, int64_t *ret_us) MUST_CHECK;
