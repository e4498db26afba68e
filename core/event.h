/* Events of devices: append-only, in the transaction of what they tell. */
#pragma once

#include "base/model/event.h"
#include "core/call.h"

/* The time is the call's. */
enum rc event_add(struct call *c, const struct event *event) MUST_CHECK;

/* An event as a list shows it. */
struct event_item {
	struct event event;
	const char *endpoint; /* NULL when the device is gone */
	int64_t at;
	int64_t seq;
};

/* Where a page begins: behind (at, seq).  Zero: from the start. */
struct event_filter {
	struct uuid device_id; /* zero: every device */
	int64_t since;         /* wall, us; 0: from the start */
	int64_t after_at, after_seq;
	int limit;
};
/* By time.  Those of a device at once; those of all devices when no event can come before them
 * any more, so that a walk, or who asks again with `since`, misses none: after this time, which
 * is how far the clocks of two daemons may be apart, or for as long as a transaction runs that
 * may still write some. */
#define EVENT_SETTLE_US INT64_C(1000000)
enum rc event_list(struct call *c, const struct event_filter *filter, struct event_item **ret,
		   int *ret_count) MUST_CHECK;
