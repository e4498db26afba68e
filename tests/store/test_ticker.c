/* The ticker beside others: what it waits for too long holds up neither its clocks nor the rest
 * of its work. */

#include "tests/store/world.h"

#include <unistd.h>

/* A ticker whose connections give up soon, so that a test need not wait for long. */
static void new_ticker(struct world *w, int64_t impatience_ms)
{
	struct db_options options = world_options(w);

	options.connections = 2;
	options.statement_timeout_ms = impatience_ms;
	ticker_free(w->ticker);
	db_pool_free(w->pool);
	w->pool = db_pool_create(&options);
	w->ticker =
		ticker_create(&w->core, w->pool, &(struct ticker_options){ TENANT, "test", 0 });
}

static void make_device(struct world *w, const char *endpoint, struct actor_device *ret)
{
	world_device(w, endpoint, ret);
	ret->runs = 1;
	must(device_register(ret) == RC_OK, "a device cannot register");
}

static struct uuid run_campaign(struct world *w, const struct uuid *release, const char *target)
{
	struct stage stage = { .share = SHARE_ALL, .gate = { 9500, 1000, 10, 0 } };
	struct campaign_new new = { .name = "ticked",
				    .release_id = *release,
				    .target = target,
				    .stages = &stage,
				    .stage_count = 1,
				    .silent_after_s = 60,
				    .max_attempts = 3 };

	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it cannot be started");
	world_tick(w, 1);
	return new.release_id;
}

/* A device is quiet for as long as its campaign allows, and the ticker failed in between. */
static void test_clocks_go_on(struct world *w)
{
	struct uuid release = world_release(w, 2, 2);
	struct db *holder = world_connect(w);
	struct actor_device d;
	struct offer o;

	make_device(w, "quiet", &d);
	struct uuid id = run_campaign(w, &release, "{\"devices\":[\"quiet\"]}");
	world_expose(w, &d, 1);
	must(device_ask(&d, &o) == RC_OK && o.has_job, "it is offered");
	sql(holder, "BEGIN; LOCK TABLE lease IN ACCESS EXCLUSIVE MODE");
	is_int(ticker_tick(w->ticker), RC_UNAVAILABLE, "a tick waits for too long");
	sql(holder, "COMMIT");
	world_later(61);
	world_tick(w, 1);
	is_int(world_count(w, &id, JOB_SILENT), 1,
	       "who was quiet for long enough is silent all the same");
	world_later(0);
	db_close(holder);
}

/* While nobody could reach the database no device can be told to be quiet. */
static void test_clocks_begin_anew(struct world *w)
{
	struct uuid release = world_release(w, 3, 3);
	struct actor_device d;
	struct offer o;

	make_device(w, "cut", &d);
	struct uuid id = run_campaign(w, &release, "{\"devices\":[\"cut\"]}");
	world_expose(w, &d, 1);
	must(device_ask(&d, &o) == RC_OK && o.has_job, "it is offered");
	sql(w->admin, "ALTER DATABASE %s ALLOW_CONNECTIONS false", w->name);
	ok(sql_i64(w, "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity "
		      "WHERE datname = current_database() AND pid <> pg_backend_pid()") > 0,
	   "the ticker's connection is cut");
	for (int i = 0; i < 3; i++)
		must(ticker_tick(w->ticker) != RC_OK, "no tick without a database");
	sql(w->admin, "ALTER DATABASE %s ALLOW_CONNECTIONS true", w->name);
	world_later(61);
	for (int i = 0; i < 50 && ticker_tick(w->ticker) != RC_OK; i++)
		usleep(100000);
	world_tick(w, 1);
	is_int(world_count(w, &id, JOB_OFFERED), 1, "a cut connection begins the clocks anew");
	world_later(61);
	world_tick(w, 1);
	is_int(world_count(w, &id, JOB_SILENT), 1, "and they end");
	world_later(0);
}

/* More old rows than go in one transaction, or in the time of one statement. */
static void test_much_that_is_old(struct world *w)
{
	new_ticker(w, 5000);
	sql(w->db,
	    "INSERT INTO idempotency (tenant_id, operator_id, key, fingerprint, status, body, "
	    "created_at) SELECT 1, gen_random_uuid(), 'k' || i, '', 200, '', %" PRId64
	    " FROM generate_series(1, 25000) i",
	    clock_wall() - 25 * 3600 * USEC_PER_SEC);
	for (int i = 0; i < 20; i++)
		world_tick(w, 1);
	is_int(sql_i64(w, "SELECT count(*) AS n FROM idempotency"), 0,
	       "old answers go in portions, all of them before the next purge");
}

int main(void)
{
	struct world w;

	world_open(&w);
	new_ticker(&w, 300);
	test_clocks_go_on(&w);
	test_clocks_begin_anew(&w);
	test_much_that_is_old(&w);
	world_close(&w);
	return tap_done();
}
