/* Events: whoever walks over those of all devices misses none that commits late. */

#include "core/event.h"
#include "db/event_store.h"
#include "tests/store/world.h"

#include <unistd.h>

static void add(struct world *w, struct db *db, int64_t at, uint8_t n)
{
	struct event event = { .kind = EVENT_BOOTED };

	memset(event.device_id.b, n, sizeof(event.device_id.b));
	must(event_store_add(db, TENANT, w->mem, &event, &at, 1) == RC_OK, "no event");
}

struct walk {
	struct event_filter filter;
	int64_t digits; /* the devices of the events so far, such as 123 */
	bool found;
};

static enum rc step(struct call *c, void *arg)
{
	struct walk *walk = arg;
	struct event_item *list;
	int n;

	enum rc rc = event_list(c, &walk->filter, &list, &n);
	walk->found = rc == RC_OK && n > 0;
	if (!walk->found)
		return rc;
	walk->digits = walk->digits * 10 + list[0].event.device_id.b[0];
	walk->filter.after_at = list[0].at;
	walk->filter.after_seq = list[0].seq;
	return RC_OK;
}

/* Reads pages of one event for so long. */
static void walk_on(struct world *w, struct walk *walk, int64_t us)
{
	int64_t end = clock_monotonic() + us;

	do {
		must(world_call(w, NULL, step, walk) == RC_OK, "the events cannot be read");
		if (!walk->found)
			usleep(20000);
	} while (clock_monotonic() < end);
}

static void test_late_commit(struct world *w)
{
	struct db *late = world_connect(w), *early = world_connect(w);
	struct walk all = { .filter = { .limit = 1 } }, one = { .filter = { .limit = 1 } };

	must(db_begin(late) == RC_OK, "begin");
	int64_t at = clock_wall();
	add(w, late, at, 1);
	add(w, early, at + 1, 2);
	add(w, early, at + 2, 3);
	memset(one.filter.device_id.b, 2, sizeof(one.filter.device_id.b));
	walk_on(w, &one, 0);
	is_int(one.digits, 2, "a device's own events are told at once");
	walk_on(w, &all, EVENT_SETTLE_US + 300 * USEC_PER_MS);
	is_int(all.digits, 0, "those of all devices wait for whoever may write an earlier one");
	must(db_commit(late) == RC_OK, "commit");
	walk_on(w, &all, 200 * USEC_PER_MS);
	is_int(all.digits, 123, "then none is skipped, and each is told once");
	db_close(late);
	db_close(early);
}

/* What it reads first says nothing of what it will write. */
static void test_before_it_writes(struct world *w)
{
	struct db *reader = world_connect(w);
	struct walk all = { .filter = { .limit = 1, .after_at = clock_wall() } };

	must(db_begin(reader) == RC_OK, "begin");
	must(db_exec(reader, "SELECT 1") == RC_OK, "it reads");
	add(w, w->db, clock_wall(), 4);
	walk_on(w, &all, EVENT_SETTLE_US + 300 * USEC_PER_MS);
	is_int(all.digits, 0, "a young transaction may still write");
	db_rollback(reader);
	walk_on(w, &all, 200 * USEC_PER_MS);
	is_int(all.digits, 4, "its end settles it");
	db_close(reader);
}

int main(void)
{
	struct world w;

	world_open(&w);
	test_late_commit(&w);
	test_before_it_writes(&w);
	world_close(&w);
	return tap_done();
}
