/* Which rows of the outbox may go. */

#include "core/outbox_rules.h"
#include "tests/tap.h"

#define KEEP 3600

static void note(struct outbox_horizons *h, int64_t at, int64_t xid)
{
	outbox_horizons_note(h, &(struct outbox_horizon){ at, xid }, KEEP);
}

static void test_age(void)
{
	struct outbox_horizons h = { 0 };

	is_int(outbox_horizons_below(&h, 100000, KEEP), 0, "without a horizon nothing goes");
	note(&h, 1000, 7);
	is_int(outbox_horizons_below(&h, 1000, KEEP), 0, "nor below one of just now");
	is_int(outbox_horizons_below(&h, 1000 + KEEP - 1, KEEP), 0, "or of almost an hour");
	is_int(outbox_horizons_below(&h, 1000 + KEEP, KEEP), 7, "but below one of an hour");
	note(&h, 2000, 9);
	is_int(outbox_horizons_below(&h, 1000 + KEEP, KEEP), 7, "whatever came later");
	is_int(outbox_horizons_below(&h, 2000 + KEEP, KEEP), 9, "until that is as old");
}

/* The ticker purges once a minute, and with every tick while there is much. */
static void test_they_reach_back_far_enough(void)
{
	for (int64_t every = 1; every <= KEEP; every *= 60) {
		struct outbox_horizons h = { 0 };
		int64_t late = 0;

		for (int64_t at = 0; at <= 5 * KEEP; at += every) {
			note(&h, at, at);
			int64_t below = outbox_horizons_below(&h, at, KEEP);
			if (at >= 2 * KEEP && at - below > late)
				late = at - below;
		}
		ok(late >= KEEP && late <= KEEP + KEEP / 10 + every,
		   "seen every %d s, rows are kept for %d", (int)every, (int)late);
	}
}

int main(void)
{
	test_age();
	test_they_reach_back_far_enough();
	return tap_done();
}
