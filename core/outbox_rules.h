/* Which rows of the outbox may go.  A row is read when no older transaction is open any more,
 * and that may be long after it was written: its age alone says nothing.  So horizons are
 * remembered, with the times at which they were seen: what is below an old one could be read
 * for as long as that.  Pure. */
#pragma once

#include <stdint.h>

#define OUTBOX_HORIZONS 40

struct outbox_horizon {
	int64_t at; /* monotonic */
	int64_t xid;
};

/* Oldest first; zero: none yet. */
struct outbox_horizons {
	struct outbox_horizon seen[OUTBOX_HORIZONS];
	int count;
};

/* Seen now; one that follows too close on the last is left out, so that they reach back for
 * longer than `keep`. */
void outbox_horizons_note(struct outbox_horizons *h, const struct outbox_horizon *now,
			  int64_t keep);
/* All rows below this transaction id could be read since `keep` before now; 0 when that is not
 * known of any. */
int64_t outbox_horizons_below(const struct outbox_horizons *h, int64_t now, int64_t keep);
