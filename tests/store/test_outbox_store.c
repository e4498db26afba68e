/* The outbox: a reader that goes by the snapshot's horizon misses nobody who commits late; and
 * a second daemon's roster follows what the first one wrote. */

#include "core/notifier.h"
#include "core/outbox.h"
#include "db/member_store.h"
#include "db/outbox_store.h"
#include "tests/store/world.h"

#include <pthread.h>
#include <unistd.h>

static void add(struct db *db, uint8_t n)
{
	struct outbox_row row = { .kind = OUTBOX_DEVICE };

	memset(row.device_id.b, n, sizeof(row.device_id.b));
	must(outbox_store_add(db, TENANT, &row, 1) == RC_OK, "a row cannot be written");
}

/* Reads what is new; returns the rows' numbers as digits, such as 13. */
static int64_t read_new(struct world *w, struct outbox_mark *mark, int limit)
{
	struct outbox_row *rows;
	int64_t horizon, digits = 0;
	int n;

	must(outbox_store_horizon(w->db, &horizon) == RC_OK, "no horizon");
	do {
		must(outbox_store_read(w->db, TENANT, mark, horizon, limit, w->mem, &rows,
				       &n) == RC_OK,
		     "the outbox cannot be read");
		for (int i = 0; i < n; i++)
			digits = digits * 10 + rows[i].device_id.b[0];
	} while (n == limit);
	return digits;
}

static void test_late_commit(struct world *w)
{
	struct db *early = world_connect(w), *late = world_connect(w);
	struct outbox_mark mark = { 0, -1 };

	(void)read_new(w, &mark, 100);
	must(db_begin(late) == RC_OK, "begin");
	add(late, 1);
	must(db_begin(early) == RC_OK, "begin");
	add(early, 2);
	must(db_commit(early) == RC_OK, "commit");
	is_int(read_new(w, &mark, 100), 0, "while an older writer is open, nothing is read");
	must(db_commit(late) == RC_OK, "commit");
	is_int(read_new(w, &mark, 100), 12, "then both, the late one is not skipped");
	is_int(read_new(w, &mark, 100), 0, "once");
	must(db_begin(late) == RC_OK, "begin");
	for (uint8_t n = 3; n < 8; n++)
		add(late, n);
	must(db_commit(late) == RC_OK, "commit");
	add(early, 8);
	is_int(read_new(w, &mark, 2), 345678, "pages neither lose nor repeat");
	must(db_begin(late) == RC_OK, "begin");
	add(late, 9);
	db_rollback(late);
	is_int(read_new(w, &mark, 2), 0, "what was rolled back was never there");
	db_close(early);
	db_close(late);
}

static int64_t rows_left(struct world *w)
{
	return sql_i64(w, "SELECT count(*) AS n FROM outbox");
}

/* As the ticker does it, at this time of its own; returns how many went. */
static int64_t purge(struct world *w, struct outbox_horizons *seen, int64_t hours, int limit)
{
	struct call c = { .core = &w->core, .mem = w->mem, .db = w->db, .tenant = TENANT };
	int64_t n = -1;

	must(outbox_purge(&c, seen, hours * OUTBOX_KEEP_US, limit, &n) == RC_OK, "purge");
	return n;
}

static void test_purge_in_portions(struct world *w)
{
	struct outbox_horizons seen = { 0 };

	sql(w->db, "TRUNCATE outbox");
	for (uint8_t n = 1; n <= 25; n++)
		add(w->db, n);
	is_int(purge(w, &seen, 1, 10), 0, "nothing goes before it could be read for an hour");
	add(w->db, 26);
	is_int(purge(w, &seen, 2, 10), 10, "of many old rows ten go");
	is_int(rows_left(w), 16, "and the others stay");
	is_int(purge(w, &seen, 2, 10), 10, "ten more");
	is_int(purge(w, &seen, 2, 10), 5, "then the rest");
	is_int(rows_left(w), 1, "but what was written in this hour");
	is_int(purge(w, &seen, 3, 10), 1, "which goes after the next");
}

/* A reader that is held up by a transaction older than the row must get it in the end. */
static void test_purge_leaves_what_nobody_could_read(struct world *w)
{
	struct outbox_horizons seen = { 0 };
	struct outbox_mark mark = { 0, -1 };
	struct db *open = world_connect(w);

	(void)read_new(w, &mark, 100);
	sql(open, "BEGIN; SELECT pg_current_xact_id()");
	add(w->db, 7);
	sql(w->db, "UPDATE outbox SET at = %" PRId64, clock_wall() - 2 * OUTBOX_KEEP_US);
	for (int hour = 1; hour < 4; hour++)
		is_int(purge(w, &seen, hour, 10), 0, "it stays, however old");
	is_int(read_new(w, &mark, 100), 0, "nobody may read it yet");
	sql(open, "COMMIT");
	is_int(purge(w, &seen, 4, 10), 0, "nor does it go when the transaction ends");
	is_int(read_new(w, &mark, 100), 7, "its reader gets it");
	is_int(purge(w, &seen, 5, 10), 1, "an hour later it goes");
	db_close(open);
}

/* Another database of the same cluster, whose transactions are in every snapshot. */
static void test_another_database(struct world *w)
{
	char conninfo[sizeof(w->conninfo) + 32];
	struct db_options o = world_options(w);
	struct outbox_mark mark = { 0, -1 };
	struct db *other = NULL;

	(void)read_new(w, &mark, 100);
	snprintf(conninfo, sizeof(conninfo), "%s dbname=postgres", w->conninfo);
	o.conninfo = conninfo;
	must(db_connect(&o, &other) == RC_OK, "no other database");
	must(db_begin(other) == RC_OK, "begin");
	must(db_exec(other, "SELECT pg_current_xact_id()") == RC_OK, "an id");
	add(w->db, 1);
	is_int(read_new(w, &mark, 100), 1, "a transaction elsewhere holds nobody up");
	must(db_commit(other) == RC_OK, "commit");
	add(w->db, 2);
	is_int(read_new(w, &mark, 100), 2, "nor does its end");
	db_close(other);
}

/* --- another daemon --- */

static void *run_notifier(void *arg)
{
	notifier_run(arg);
	return NULL;
}

/* The notifier of another daemon, whose core has a roster of its own. */
struct following {
	struct notifier *notifier;
	pthread_t thread;
};

static struct following follow(struct world *w, struct core *other)
{
	static const uint8_t key[32] = { 1 };
	struct notifier_options options = { .db = world_options(w),
					    .tenant = TENANT,
					    .seal_key = { key, sizeof(key) } };
	struct following f = { .notifier = notifier_create(other, &options) };

	pthread_create(&f.thread, NULL, run_notifier, f.notifier);
	return f;
}

static void unfollow(struct following *f, struct core *other)
{
	notifier_stop(f->notifier);
	pthread_join(f->thread, NULL);
	notifier_free(f->notifier);
	roster_free(other->roster);
}

/* Waits up to five seconds for something to become true. */
#define EVENTUALLY(condition, name)                                                            \
	do {                                                                                   \
		int tries = 500;                                                               \
		while (!(condition) && --tries)                                                \
			usleep(10000);                                                         \
		ok(condition, name);                                                           \
	} while (0)

static struct roster_view seen_by(struct core *core, const struct actor_device *d)
{
	struct roster_view v = { 0 };
	struct roster_device *entry = roster_find(core->roster, &d->id);

	if (entry)
		roster_view(entry, &v);
	return v;
}

static _Atomic int woken;

static void count_woken(void *arg, struct roster_device *d)
{
	(void)arg;
	(void)d;
	woken++;
}

/* Made, and asked to start: the next tick starts it. */
static struct uuid ask_to_start(struct world *w, const struct uuid *release)
{
	struct stage stage = { .share = SHARE_ALL, .gate = { 9500, 1000, 10, 0 } };
	struct campaign_new new = { .name = "notified",
				    .release_id = *release,
				    .target = "{\"all\":true}",
				    .stages = &stage,
				    .stage_count = 1,
				    .silent_after_s = 600,
				    .max_attempts = 3 };

	must(world_campaign(w, &new) == RC_OK, "the campaign cannot be made");
	must(world_move(w, &new.release_id, MOVE_START) == RC_OK, "it cannot be started");
	return new.release_id;
}

static void work_to_idle(struct core *core, const struct actor_device *d)
{
	roster_work_done(roster_find(core->roster, &d->id), seen_by(core, d).work_epoch);
}

static void test_second_daemon(struct world *w)
{
	struct core other = w->core;
	struct actor_device d;
	struct offer o;
	struct uuid release = world_release(w, 2, 2);

	other.roster = roster_create();
	roster_on_wake(other.roster, count_woken, NULL);
	world_device(w, "followed", &d);
	d.runs = 1;
	must(device_register(&d) == RC_OK, "the device cannot register");
	struct following f = follow(w, &other);
	EVENTUALLY(roster_ready(other.roster), "the other daemon loads its roster");
	is_int(seen_by(&other, &d).lifecycle, DEVICE_ACTIVE, "the device is in it");
	ok(seen_by(&other, &d).registration == seen_by(&w->core, &d).registration,
	   "with its registration");
	ok(!seen_by(&other, &d).maybe_work, "and nothing to do");

	struct uuid id = ask_to_start(w, &release);
	world_tick(w, 1);
	EVENTUALLY(seen_by(&other, &d).maybe_work, "a stage that opens there is work here");
	EVENTUALLY(woken > 0, "and the transport is told");
	world_expose(w, &d, 1);
	must(device_ask(&d, &o) == RC_OK && o.has_job, "the device is offered a job there");
	EVENTUALLY(seen_by(&other, &d).job_id == o.job_id, "the job is known here");
	struct offer here;
	ok(offer_from_memory(roster_find(other.roster, &d.id), &here) == RC_OK &&
		   here.release && bytes_equal_text(here.release->envelope, "an envelope"),
	   "with its envelope, from memory");
	work_to_idle(&other, &d);
	must(world_move(w, &id, MOVE_ABORT) == RC_OK, "the campaign is aborted there");
	EVENTUALLY(seen_by(&other, &d).job_id == 0, "the job is gone here");
	d.boot++;
	must(device_register(&d) == RC_OK, "it registers anew there");
	EVENTUALLY(seen_by(&other, &d).registration == seen_by(&w->core, &d).registration,
		   "which is known here");
	sql(w->db,
	    "UPDATE device SET lifecycle = 2, credential = 0 WHERE endpoint = 'followed'");
	must(outbox_store_add(w->db, TENANT,
			      &(struct outbox_row){ OUTBOX_CREDENTIAL, .device_id = d.id },
			      1) == RC_OK,
	     "a row");
	EVENTUALLY(seen_by(&other, &d).lifecycle == DEVICE_REVOKED,
		   "revoked there, revoked here");
	sql(w->db, "DELETE FROM device WHERE endpoint = 'followed'");
	unfollow(&f, &other);
}

static void *tick_once(void *arg)
{
	world_tick(arg, 1);
	return NULL;
}

static int64_t running(struct world *w, struct db *db, const struct uuid *id)
{
	struct db *own = w->db;
	char text[UUID_TEXT_SIZE];

	w->db = db;
	int64_t state = sql_i64(w, arena_printf(w->mem,
						"SELECT state AS n FROM campaign WHERE "
						"campaign_id = '%s'",
						uuid_format(id, text)));
	w->db = own;
	return state == CAMPAIGN_RUNNING;
}

/* Who looks at members and who publishes some exclude each other (db/member_store.c). */
static void test_start_waits_for_lookers(struct world *w)
{
	struct core other = w->core;
	struct db *holder = world_connect(w), *reader = world_connect(w);
	struct uuid release = world_release(w, 3, 3);
	pthread_t ticking;
	struct actor_device d;

	other.roster = roster_create();
	world_device(w, "held", &d);
	must(device_register(&d) == RC_OK, "the device cannot register");
	struct following f = follow(w, &other);
	EVENTUALLY(roster_ready(other.roster), "the roster is loaded");
	struct uuid id = ask_to_start(w, &release);

	must(db_begin(holder) == RC_OK && member_store_look(holder) == RC_OK, "to look");
	pthread_create(&ticking, NULL, tick_once, w);
	usleep(300000);
	ok(!running(w, reader, &id), "a start waits for somebody who looks at members");
	sql(holder, "COMMIT");
	pthread_join(ticking, NULL);
	ok(running(w, reader, &id), "and then runs");
	EVENTUALLY(seen_by(&other, &d).maybe_work, "which is work here");

	sql(holder, "BEGIN; SELECT pg_advisory_xact_lock" MEMBER_LOCK);
	sql(reader, "BEGIN; SET LOCAL lock_timeout = '100ms'");
	is_int(member_store_look(reader), RC_UNAVAILABLE, "nobody looks before its commit");
	db_rollback(reader);
	work_to_idle(&other, &d);
	must(outbox_store_add(w->db, TENANT,
			      &(struct outbox_row){ OUTBOX_CAMPAIGN, .campaign_id = id },
			      1) == RC_OK,
	     "a row");
	EVENTUALLY(seen_by(&other, &d).maybe_work, "but the notifier, which needs no list");
	sql(holder, "COMMIT");
	unfollow(&f, &other);
	db_close(holder);
	db_close(reader);
	sql(w->db, "DELETE FROM device WHERE endpoint = 'held'");
}

/* A connection that is cut: the notifier comes back and loads again. */
static void test_lost_connection(struct world *w)
{
	struct core other = w->core;
	struct actor_device d;

	other.roster = roster_create();
	struct following f = follow(w, &other);
	EVENTUALLY(roster_ready(other.roster), "the roster is loaded");
	ok(sql_i64(w, "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity "
		      "WHERE datname = current_database() AND pid <> pg_backend_pid()") > 0,
	   "its connection is cut");
	/* by hand and without an outbox row: only another load can bring it */
	world_device(w, "unannounced", &d);
	EVENTUALLY(roster_find(other.roster, &d.id),
		   "after the cut everything is loaded again");
	unfollow(&f, &other);
}

int main(void)
{
	struct world w;

	world_open(&w);
	test_late_commit(&w);
	test_purge_in_portions(&w);
	test_purge_leaves_what_nobody_could_read(&w);
	test_another_database(&w);
	test_second_daemon(&w);
	test_start_waits_for_lookers(&w);
	test_lost_connection(&w);
	world_close(&w);
	return tap_done();
}
