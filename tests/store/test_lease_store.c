/* The lease: one holder, a fence that grows, and a late holder that can write nothing. */

#include "db/lease_store.h"
#include "tests/store/world.h"

#include <unistd.h>

#define TTL_US 300000

static bool acquire(struct db *db, struct lease *lease, int64_t ttl_us)
{
	bool held = false;

	must(lease_store_acquire(db, lease, ttl_us, &held) == RC_OK,
	     "the lease cannot be asked for");
	return held;
}

static void test_hand_over(struct world *w)
{
	struct db *second = world_connect(w);
	struct lease a = { .name = "ticker" }, b = { .name = "ticker" };

	uuid_random(&a.holder);
	uuid_random(&b.holder);
	ok(acquire(w->db, &a, TTL_US), "the first takes it");
	int64_t fence = a.fence;
	ok(acquire(w->db, &a, TTL_US) && a.fence == fence,
	   "and renews it under the same fence");
	ok(!acquire(second, &b, TTL_US), "the second does not get it");
	usleep(TTL_US + 100000);
	ok(acquire(second, &b, 10000000), "until it has run out");
	ok(b.fence > fence, "the fence has grown");
	must(db_begin(w->db) == RC_OK, "begin");
	is_int(lease_store_guard(w->db, &a), RC_CONFLICT,
	       "test_R19: the first wakes up late and can write nothing");
	db_rollback(w->db);
	ok(!acquire(w->db, &a, TTL_US), "nor has it the lease");
	must(lease_store_release(second, &b) == RC_OK, "the second gives it up");
	ok(acquire(w->db, &a, TTL_US) && a.fence > b.fence, "the first need not wait");
	must(lease_store_release(w->db, &b) == RC_OK, "an old release");
	must(db_begin(w->db) == RC_OK, "begin");
	is_int(lease_store_guard(w->db, &a), RC_OK, "changes nothing");
	db_rollback(w->db);
	sql(w->db, "UPDATE lease SET until = until + 315360000000000");
	ok(acquire(second, &b, TTL_US), "test_R10: a lease of ten years, from before the clock "
					"was set back, holds up nobody");
	db_close(second);
}

/* While a transaction stands on the fence, nobody takes the lease from under it. */
static void test_guard_holds(struct world *w)
{
	struct db_options options = world_options(w);
	struct lease a = { .name = "ticker" }, b = { .name = "ticker" };
	struct db *impatient = NULL;
	bool held;

	options.statement_timeout_ms = 300;
	must(db_connect(&options, &impatient) == RC_OK, "connect");
	uuid_random(&a.holder);
	uuid_random(&b.holder);
	must(acquire(w->db, &a, TTL_US) ||
		     (usleep(TTL_US + 100000), acquire(w->db, &a, TTL_US)),
	     "the lease is free");
	must(db_begin(w->db) == RC_OK && lease_store_guard(w->db, &a) == RC_OK, "guarded");
	usleep(TTL_US + 100000);
	is_int(lease_store_acquire(impatient, &b, TTL_US, &held), RC_UNAVAILABLE,
	       "a run-out lease waits for the guarded transaction");
	must(db_commit(w->db) == RC_OK, "commit");
	ok(acquire(impatient, &b, TTL_US), "and goes over after it");
	db_close(impatient);
}

static void test_two_tickers(struct world *w)
{
	struct core other = w->core;
	struct ticker *second;

	usleep(TTL_US + 100000);
	uuid_random(&other.node_id);
	second =
		ticker_create(&other, w->pool, &(struct ticker_options){ TENANT, "second", 0 });
	world_tick(w, 1);
	is_int(ticker_tick(second), RC_OK, "a second daemon ticks beside the first");
	is_int(sql_i64(w, "SELECT count(*) AS n FROM node"), 2, "both are known");
	ticker_stop(w->ticker);
	ticker_run(w->ticker);
	is_int(ticker_tick(second), RC_OK, "when the first leaves");
	is_int(sql_i64(w, "SELECT count(*) AS n FROM lease l JOIN node d "
			  "ON d.node_id = l.holder WHERE d.name = 'second'"),
	       1, "the second holds the lease at once");
	ticker_free(second);
}

int main(void)
{
	struct world w;

	world_open(&w);
	test_hand_over(&w);
	test_guard_holds(&w);
	test_two_tickers(&w);
	world_close(&w);
	return tap_done();
}
