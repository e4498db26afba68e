/* Whoever would stop a campaign gets their turn among the offers that are made of it, however
 * many they are and however long each batch of them lasts. */

#include "core/release.h"
#include "db/campaign_store.h"
#include "tests/store/world.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define OFFERERS    3
#define BATCH_US    100000
#define PATIENCE_MS 3000

static struct campaign_new plan(const struct uuid *release, const char *target)
{
	static const struct stage stage = { .share = SHARE_ALL, .gate = { 9500, 1000, 10, 0 } };

	return (struct campaign_new){ .name = "turn",
				      .release_id = *release,
				      .target = target,
				      .stages = &stage,
				      .stage_count = 1,
				      .silent_after_s = 600,
				      .max_attempts = 3 };
}

static struct uuid run_campaign(struct world *w, const struct uuid *release, const char *target)
{
	struct campaign_new new = plan(release, target);

	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it cannot be started");
	world_tick(w, 1);
	return new.release_id;
}

/* As an operator's call and the ticker have it. */
static void be_impatient(struct world *w)
{
	struct db_options options = world_options(w);

	options.connections = 2;
	options.statement_timeout_ms = PATIENCE_MS;
	ticker_free(w->ticker);
	db_pool_free(w->pool);
	db_close(w->db);
	must(db_connect(&options, &w->db) == RC_OK, "no connection");
	w->pool = db_pool_create(&options);
	w->ticker =
		ticker_create(&w->core, w->pool, &(struct ticker_options){ TENANT, "test", 0 });
}

/* --- a flood of offers: as batches of them hold a campaign --- */

struct offerer {
	pthread_t thread;
	struct db *db;
	const struct uuid *campaign;
	int late_us;
	_Atomic bool *stop;
};

static void *make_offers(void *arg)
{
	struct offerer *o = arg;
	enum campaign_state state;

	usleep((useconds_t)o->late_us);
	while (!atomic_load(o->stop)) {
		must(db_begin(o->db) == RC_OK, "begin");
		must(campaign_store_hold(o->db, TENANT, o->campaign, &state) == RC_OK, "hold");
		usleep(BATCH_US);
		must(db_commit(o->db) == RC_OK, "commit");
	}
	return NULL;
}

struct flood {
	struct offerer offerers[OFFERERS];
	_Atomic bool stop;
};

static void flood_begin(struct flood *f, struct world *w, const struct uuid *campaign)
{
	atomic_store(&f->stop, false);
	for (int i = 0; i < OFFERERS; i++) {
		struct offerer *o = &f->offerers[i];
		*o = (struct offerer){ .db = world_connect(w),
				       .campaign = campaign,
				       .late_us = i * BATCH_US / OFFERERS,
				       .stop = &f->stop };
		pthread_create(&o->thread, NULL, make_offers, o);
	}
	usleep(2 * BATCH_US);
}

static void flood_end(struct flood *f)
{
	atomic_store(&f->stop, true);
	for (int i = 0; i < OFFERERS; i++) {
		pthread_join(f->offerers[i].thread, NULL);
		db_close(f->offerers[i].db);
	}
}

static enum rc work_withdraw(struct call *c, void *arg)
{
	return release_take_back(c, arg);
}

static void test_operators_get_their_turn(struct world *w)
{
	struct uuid release = world_release(w, 2, 2);
	struct actor_device d;
	struct flood f;

	world_device(w, "flooded", &d);
	d.runs = 1;
	must(device_register(&d) == RC_OK, "the device cannot register");
	struct uuid id = run_campaign(w, &release, "{\"devices\":[\"flooded\"]}");
	flood_begin(&f, w, &id);
	is_int(ticker_tick(w->ticker), RC_OK, "offers hold up no tick");
	is_int(world_move(w, &id, MOVE_PAUSE), RC_OK, "nor a pause");
	is_int(world_move(w, &id, MOVE_RESUME), RC_OK, "nor does it go on any later");
	is_int(world_call(w, NULL, work_withdraw, &release), RC_OK,
	       "nor a release's withdrawal");
	is_int(world_move(w, &id, MOVE_ABORT), RC_OK, "nor an abort");
	flood_end(&f);
}

static void test_a_gate_gets_its_turn(struct world *w)
{
	struct uuid release = world_release(w, 3, 3);
	struct actor_device d;
	struct flood f;

	world_device(w, "gated", &d);
	d.runs = 1;
	must(device_register(&d) == RC_OK, "the device cannot register");
	struct uuid id = run_campaign(w, &release, "{\"devices\":[\"gated\"]}");
	world_expose(w, &d, 1);
	device_succeed(&d, 3);
	flood_begin(&f, w, &id);
	is_int(ticker_tick(w->ticker), RC_OK, "a tick in which a stage is good");
	is_int(world_look(w, &id).row.campaign.state, CAMPAIGN_FINISHED, "and is passed");
	flood_end(&f);
}

/* --- what waits for each other --- */

struct holding {
	struct db *db;
	const struct uuid *campaign;
	enum campaign_state state;
};

static void *hold_once(void *arg)
{
	struct holding *h = arg;

	must(db_begin(h->db) == RC_OK, "begin");
	must(campaign_store_hold(h->db, TENANT, h->campaign, &h->state) == RC_OK, "hold");
	must(db_commit(h->db) == RC_OK, "commit");
	return NULL;
}

static void test_an_offer_sees_what_it_waited_for(struct world *w)
{
	struct uuid release = world_release(w, 4, 4);
	struct campaign_row row;
	struct actor_device d;
	pthread_t thread;
	char text[UUID_TEXT_SIZE];

	world_device(w, "waiting", &d);
	must(device_register(&d) == RC_OK, "the device cannot register");
	struct uuid id = run_campaign(w, &release, "{\"devices\":[\"waiting\"]}");
	struct holding h = { .db = world_connect(w), .campaign = &id };

	must(db_begin(w->db) == RC_OK, "begin");
	must(campaign_store_lock(w->db, TENANT, &id, w->mem, &row) == RC_OK, "lock");
	pthread_create(&thread, NULL, hold_once, &h);
	usleep(300000);
	sql(w->db, "UPDATE campaign SET state = %d WHERE campaign_id = '%s'", CAMPAIGN_ABORTED,
	    uuid_format(&id, text));
	must(db_commit(w->db) == RC_OK, "commit");
	pthread_join(thread, NULL);
	is_int(h.state, CAMPAIGN_ABORTED, "an offer that waited sees the abort");
	db_close(h.db);
}

/* The first of two campaigns cannot be had; the other one's gate is judged all the same. */
static void test_one_campaign_holds_up_no_other(struct world *w)
{
	struct uuid release = world_release(w, 5, 5), ids[2];
	struct db *holder = world_connect(w);
	struct actor_device d[2];
	char text[UUID_TEXT_SIZE];

	for (int i = 0; i < 2; i++) {
		const char *name = i ? "other" : "locked";
		world_device(w, name, &d[i]);
		d[i].runs = 1;
		must(device_register(&d[i]) == RC_OK, "the device cannot register");
		ids[i] = run_campaign(w, &release,
				      arena_printf(w->mem, "{\"devices\":[\"%s\"]}", name));
	}
	world_expose(w, d, 2);
	device_succeed(&d[0], 5);
	device_succeed(&d[1], 5);
	sql(holder, "BEGIN; SELECT FROM campaign WHERE campaign_id = '%s' FOR UPDATE",
	    uuid_format(&ids[0], text));
	is_int(ticker_tick(w->ticker), RC_OK, "a tick that cannot have one campaign");
	is_int(world_look(w, &ids[0]).row.campaign.state, CAMPAIGN_RUNNING, "leaves it");
	is_int(world_look(w, &ids[1]).row.campaign.state, CAMPAIGN_FINISHED,
	       "and goes on with the next");
	sql(holder, "COMMIT");
	world_tick(w, 1);
	is_int(world_look(w, &ids[0]).row.campaign.state, CAMPAIGN_FINISHED,
	       "until it can be had");
	db_close(holder);
}

int main(void)
{
	struct world w;

	world_open(&w);
	be_impatient(&w);
	test_operators_get_their_turn(&w);
	test_a_gate_gets_its_turn(&w);
	test_an_offer_sees_what_it_waited_for(&w);
	test_one_campaign_holds_up_no_other(&w);
	world_close(&w);
	return tap_done();
}
