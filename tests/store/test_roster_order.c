/* The roster follows the database, whatever the order in which the hooks of two transactions
 * run: a thread may stand still between its commit and its hooks for as long as it likes. */

#include "core/device.h"
#include "tests/store/world.h"

#include <pthread.h>
#include <unistd.h>

static const uint8_t seal_key[32] = { 1 };

/* A transaction that is committed and whose hooks have not run. */
struct halted {
	struct db *db;
	struct arena *mem;
	struct call call;
};

static void halt_before_commit(struct world *w, struct halted *h, struct actor_device *d,
			       world_work *work, void *arg)
{
	*h = (struct halted){ .db = world_connect(w), .mem = arena_create() };
	h->call = (struct call){
		.core = &w->core,
		.mem = h->mem,
		.db = h->db,
		.tenant = TENANT,
		.now = clock_wall(),
		.actor = { ACTOR_DEVICE, ROLE_DEVICE, d->id, d->endpoint, d->entry, 0 },
	};
	must(db_begin(h->db) == RC_OK && work(&h->call, arg) == RC_OK, "the first transaction");
}

static void commit(struct halted *h)
{
	call_before_commit(&h->call);
	must(db_commit(h->db) == RC_OK, "its commit");
}

static void halt(struct world *w, struct halted *h, struct actor_device *d, world_work *work,
		 void *arg)
{
	halt_before_commit(w, h, d, work, arg);
	commit(h);
}

static void go_on(struct halted *h)
{
	call_run_hooks(&h->call);
	db_close(h->db);
	arena_free(h->mem);
}

static struct uuid start_campaign(struct world *w, const struct uuid *release)
{
	struct stage stage = { .share = SHARE_ALL, .gate = { 9500, 1000, 10, 0 } };
	struct campaign_new new = { .name = "overtaken",
				    .release_id = *release,
				    .target = "{\"all\":true}",
				    .stages = &stage,
				    .stage_count = 1,
				    .silent_after_s = 600,
				    .max_attempts = 3 };

	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it cannot be started");
	world_tick(w, 1);
	return new.release_id;
}

static int64_t job_of(const struct actor_device *d)
{
	struct roster_view v;

	roster_view(d->entry, &v);
	return v.job_id;
}

static void test_job(struct world *w)
{
	struct uuid release = world_release(w, 2, 2), id;
	struct actor_device d;
	struct offer o, again;
	struct halted h;

	world_device(w, "offered", &d);
	d.runs = 1;
	must(device_register(&d) == RC_OK, "the device cannot register");
	id = start_campaign(w, &release);
	world_expose(w, &d, 1);
	halt(w, &h, &d, work_offer, &o);
	ok(o.has_job, "a device is offered a job");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "the abort");
	go_on(&h);
	is_int(job_of(&d), 0, "an aborted job does not come back by the offer's late hook");
	ok(device_ask(&d, &again) == RC_OK && !again.has_job, "the device is told: nothing");
	must(world_move(w, &id, MOVE_ABORT) != RC_OK, "twice");

	id = start_campaign(w, &release);
	world_expose(w, &d, 1);
	must(device_ask(&d, &o) == RC_OK && o.has_job, "the second campaign offers a job");
	roster_clear_job(d.entry, o.job_id, 0); /* as in a daemon that does not know it */
	halt(w, &h, &d, work_offer, &again);
	ok(again.job_id == o.job_id, "the open job is found again");
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "the abort");
	go_on(&h);
	is_int(job_of(&d), 0, "nor by the hook of who only read it");
}

static enum rc work_revoke(struct call *c, void *arg)
{
	struct device_item item;

	return device_revoke(c, arg, &item);
}

static enum rc work_replace(struct call *c, void *arg)
{
	struct credential_new in = { .source = CREDENTIAL_MAKE_PSK };
	struct credential_issued issued;
	struct device_item item;

	c->actor = (struct actor){ .kind = ACTOR_OPERATOR, .role = ROLE_ADMIN };
	return device_replace_credential(c, arg, &in, &item, &issued);
}

static void test_credential(struct world *w)
{
	char name[] = "revoked";
	struct actor_device d;
	struct halted h;
	uint8_t psk[PSK_MAX];

	world_device(w, name, &d);
	halt(w, &h, &d, work_replace, name);
	must(world_call(w, NULL, work_revoke, name) == RC_OK, "the revocation");
	go_on(&h);
	is_int((int64_t)roster_psk(w->core.roster, &d.id, psk), 0,
	       "a revoked device does not come back by a late hook");
}

/* --- another daemon --- */

/* The same database, another roster. */
static struct world other_daemon(const struct world *w)
{
	struct world other = *w;

	other.core.roster = roster_create();
	other.core.jobs = job_memo_create();
	uuid_random(&other.core.node_id);
	return other;
}

static void other_daemon_ends(struct world *other)
{
	roster_free(other->core.roster);
	job_memo_free(other->core.jobs);
}

/* As its notifier does it when it hears of the device. */
static void reload(struct world *w, const struct actor_device *d)
{
	must(roster_reload(w->core.roster, w->db, &d->id, 1) == RC_OK, "a reload");
}

/* What another daemon has changed since, and this one has read. */
static void test_changed_by_another(struct world *w)
{
	struct uuid release = world_release(w, 4, 4), id;
	struct world other = other_daemon(w);
	char name[] = "shared";
	struct actor_device d;
	struct halted h;
	struct offer o;
	uint8_t psk[PSK_MAX];

	must(roster_load(w->core.roster, w->db, TENANT, w->core.seal_key) == RC_OK, "a load");
	world_device(w, name, &d);
	d.runs = 1;
	must(device_register(&d) == RC_OK, "the device cannot register");
	id = start_campaign(w, &release);
	halt(w, &h, &d, work_offer, &o);
	must(o.has_job && world_move(&other, &id, MOVE_ABORT) == RC_OK, "the abort");
	reload(w, &d);
	go_on(&h);
	is_int(job_of(&d), 0, "a job that another daemon aborted does not come back");

	halt(w, &h, &d, work_replace, name);
	must(world_call(&other, NULL, work_revoke, name) == RC_OK, "the revocation");
	reload(w, &d);
	go_on(&h);
	is_int((int64_t)roster_psk(w->core.roster, &d.id, psk), 0,
	       "nor does a credential that another daemon revoked");
	other_daemon_ends(&other);
}

/* A batch may last for a second: a read meanwhile is older than what it brings. */
static void test_read_before_the_commit(struct world *w)
{
	struct uuid release = world_release(w, 5, 5);
	struct actor_device d;
	struct halted h;
	struct offer o;

	world_device(w, "batched", &d);
	d.runs = 1;
	must(device_register(&d) == RC_OK, "the device cannot register");
	(void)start_campaign(w, &release);
	halt_before_commit(w, &h, &d, work_offer, &o);
	reload(w, &d);
	commit(&h);
	go_on(&h);
	ok(o.has_job && job_of(&d) == o.job_id,
	   "who is told of a job may fetch it, though the roster was read before the commit");
}

/* --- a load beside writers --- */

struct loading {
	struct world *w;
	struct db *db;
	enum rc rc;
};

static void *load(void *arg)
{
	struct loading *l = arg;

	l->rc = roster_load(l->w->core.roster, l->db, TENANT, l->w->core.seal_key);
	return NULL;
}

static bool is_waiting(struct world *w)
{
	return sql_i64(w, "SELECT count(*) AS n FROM pg_locks l JOIN pg_database d "
			  "ON d.oid = l.database WHERE d.datname = current_database() "
			  "AND NOT l.granted") > 0;
}

/* What this daemon wrote while a load was reading is not overwritten by it; and what another
 * one changed in the same device meanwhile is not missed either. */
static void test_load(struct world *w)
{
	struct loading l = { .w = w, .db = world_connect(w) };
	struct db *holder = world_connect(w);
	struct actor_device d;
	struct roster_view v;
	pthread_t thread;

	world_device(w, "loaded", &d);
	d.runs = 1;
	must(device_register(&d) == RC_OK, "the device cannot register");
	must(db_begin(holder) == RC_OK, "begin");
	sql(holder, "LOCK TABLE device_seen IN ACCESS EXCLUSIVE MODE");
	pthread_create(&thread, NULL, load, &l);
	for (int tries = 0; tries < 500 && !is_waiting(w); tries++)
		usleep(10000);
	roster_set_registration(d.entry, 77, 0);
	sql(holder,
	    "UPDATE device SET lifecycle = 2, credential = 0 WHERE endpoint = 'loaded'");
	must(db_commit(holder) == RC_OK, "commit");
	pthread_join(thread, NULL);
	is_int(l.rc, RC_OK, "loaded");
	roster_view(d.entry, &v);
	is_int(v.lifecycle, DEVICE_REVOKED,
	       "a device that was written during a load is read again");
	sql(w->db, "DELETE FROM device WHERE endpoint = 'loaded'");
	db_close(holder);
	db_close(l.db);
}

int main(void)
{
	struct world w;

	world_open(&w);
	w.core.seal_key = (struct bytes){ seal_key, sizeof(seal_key) };
	test_job(&w);
	test_credential(&w);
	test_changed_by_another(&w);
	test_read_before_the_commit(&w);
	test_load(&w);
	world_close(&w);
	return tap_done();
}
