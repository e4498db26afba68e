/* The ticker.  Every piece of work under the lease is a transaction of its own that first makes
 * sure, by the fence, that the lease is still held: a daemon that was stopped and wakes up late
 * can do no harm. */

#include "core/ticker.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/audit.h"
#include "core/call.h"
#include "core/campaign_run.h"
#include "core/clock_rules.h"
#include "core/images_scrub.h"
#include "core/job.h"
#include "core/outbox.h"
#include "core/release.h"
#include "core/release_resurvey.h"
#include "core/seen.h"
#include "core/tally_rules.h"
#include "core/witness.h"
#include "db/campaign_store.h"
#include "db/idempotency_store.h"
#include "db/lease_store.h"
#include "db/stage_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define INTERVAL_DEFAULT_US (500 * USEC_PER_MS)
#define LEASE_US            (10 * USEC_PER_SEC)
#define LEASE_RENEW_US      (2 * USEC_PER_SEC)
#define FLUSH_US            (5 * USEC_PER_SEC)
#define NODE_US             (10 * USEC_PER_SEC)
#define WITNESS_US          (5 * USEC_PER_SEC)
#define SCRUB_BYTES         (INT64_C(4) << 20) /* a tick */
#define PURGE_US            (60 * USEC_PER_SEC)
#define WITHDRAWN_US        (600 * USEC_PER_SEC) /* a withdrawal takes no longer */
#define CLOCK_US            (2 * USEC_PER_SEC)
#define PURGE_LIMIT         10000               /* rows in one transaction */
#define PURGE_FOR_US        (500 * USEC_PER_MS) /* in one tick */
#define DUE_BATCH           1000
#define DUE_BATCHES         20 /* in one tick, so that nothing else waits for long */
#define RERUNS_MAX          3

struct ticker {
	struct core *core;
	struct db_pool *pool;
	struct ticker_options options;
	struct arena *mem;
	struct lease lease;
	bool held, more_due, more_old;
	bool all_surveyed; /* since the lease was taken */
	bool taken_back;   /* offers of releases that were withdrawn long ago; likewise */
	int64_t up_since;  /* wall; 0 while the database is away */
	struct outbox_horizons horizons; /* of the outbox, since the lease was taken */
	bool remembers;
	struct witness_mark mark;
	int64_t witnessed_at; /* monotonic */
	_Atomic bool gave_up, winding_down, time_is_sure;
	struct images_scrub *scrub; /* NULL without images, as in tests */
	/* monotonic */
	int64_t flushed_at, renewed_at, node_at, taken_back_at, purged_at, clock_at;
	enum clock_verdict clocks;
	bool proved;  /* the clock was right once: nothing is judged before */
	bool stepped; /* soaks are to begin again */
	int64_t stepped_at;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stopping;
};

struct ticker *ticker_create(struct core *core, struct db_pool *pool,
			     const struct ticker_options *options)
{
	struct ticker *t = xcalloc(1, sizeof(*t));
	pthread_condattr_t attr;

	t->core = core;
	t->pool = pool;
	t->options = *options;
	if (t->options.interval_us <= 0)
		t->options.interval_us = INTERVAL_DEFAULT_US;
	t->mem = arena_create();
	if (core->images)
		t->scrub = images_scrub_create(core->images);
	t->lease = (struct lease){ .name = "ticker", .holder = core->node_id };
	pthread_mutex_init(&t->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
	return t;
}

void ticker_free(struct ticker *t)
{
	if (!t)
		return;
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->mutex);
	images_scrub_free(t->scrub);
	arena_free(t->mem);
	free(t);
}

/* --- what time it is --- */

static void tell_clocks(struct ticker *t, enum clock_verdict v, int64_t database)
{
	char ours[TIME_TEXT_SIZE], system[TIME_TEXT_SIZE], theirs[TIME_TEXT_SIZE];

	if (v == t->clocks)
		return;
	log_warn(clock_verdict_text(v), "ours", clock_format(clock_wall(), ours), "system",
		 clock_format(clock_system(), system), "database",
		 clock_format(database, theirs), "judging", t->proved ? "goes on" : "waits");
	t->clocks = v;
}

/* The daemon's clock goes with the system's while both are the same, and does not jump with it.
 * After a step that the database has made too, nobody knows how long anything has lasted: what
 * is waited for is waited for again. */
static enum rc look_at_clocks(struct ticker *t, struct db *db)
{
	int64_t now = clock_monotonic(), database;

	if (t->clock_at && now < t->clock_at + CLOCK_US)
		return RC_OK;
	enum rc rc = lease_store_clock(db, &database);
	if (rc != RC_OK)
		return rc;
	enum clock_verdict v = clock_judge(clock_wall(), clock_system(), database);
	t->clock_at = now;
	t->proved = t->proved || clock_is_proved(v);
	tell_clocks(t, v, database);
	if (clock_follows_system(v))
		clock_set(clock_system());
	if (v == CLOCK_STEPPED) {
		t->up_since = clock_wall();
		t->stepped = true;
		t->stepped_at = now;
	}
	return RC_OK;
}

/* --- signs of life: every daemon --- */

static enum rc flush(struct ticker *t, struct db *db)
{
	enum rc rc = seen_flush(t->core->roster, db, t->options.tenant, t->mem);

	if (rc == RC_OK)
		t->flushed_at = clock_monotonic();
	return rc;
}

static enum rc node_work(struct ticker *t, struct db *db)
{
	int64_t now = clock_monotonic();

	enum rc rc = look_at_clocks(t, db);
	if (rc == RC_OK && now >= t->flushed_at + FLUSH_US)
		rc = flush(t, db);
	if (rc != RC_OK || (t->node_at && now < t->node_at + NODE_US))
		return rc;
	t->node_at = now;
	return node_store_seen(db, &t->core->node_id, t->options.node_name, clock_wall());
}

/* --- the scrub: every daemon, of its own files --- */

static enum rc audit_rotten(struct ticker *t, struct db *db, const struct digest *digest)
{
	char hex[DIGEST_TEXT_SIZE];
	struct audit_act act = { .action = "image.quarantine",
				 .object_kind = "image",
				 .object_id = digest_format(digest, hex) };
	struct call c = { .core = t->core,
			  .mem = t->mem,
			  .db = db,
			  .tenant = t->options.tenant,
			  .actor = { .kind = ACTOR_SYSTEM },
			  .reason = "its bytes have changed in the store",
			  .now = clock_wall() };

	enum rc rc = db_begin(db);
	if (rc == RC_OK)
		rc = audit_add(&c, &act);
	if (rc == RC_OK)
		rc = db_commit(db);
	else
		db_rollback(db);
	return rc;
}

/* db: NULL while the database is away; the log and the figure tell all the same. */
static void scrub_work(struct ticker *t, struct db *db)
{
	char hex[DIGEST_TEXT_SIZE];
	struct digest digest;

	if (!t->scrub || !images_scrub_step(t->scrub, SCRUB_BYTES, &digest))
		return;
	log_error("a stored image has changed: it is in quarantine, upload it again", "image",
		  digest_format(&digest, hex));
	arena_reset(t->mem);
	if (!db || audit_rotten(t, db, &digest) != RC_OK)
		log_warn("the quarantine of an image is not in the audit", "image",
			 digest_format(&digest, hex));
}

/* --- the witness: every daemon --- */

void ticker_remember(struct ticker *t, const struct witness_mark *mark)
{
	t->remembers = true;
	t->mark = *mark;
}

bool ticker_time_is_sure(struct ticker *t)
{
	return atomic_load(&t->time_is_sure);
}

bool ticker_gave_up(struct ticker *t)
{
	return atomic_load(&t->gave_up);
}

/* A file that cannot be written is no reason to stop: the next tick tries again. */
static enum rc witness_work(struct ticker *t, struct db *db)
{
	int64_t now = clock_monotonic();
	bool step = now >= t->witnessed_at + WITNESS_US;

	if (!t->remembers)
		return RC_OK;
	arena_reset(t->mem);
	struct call c = { .core = t->core,
			  .mem = t->mem,
			  .db = db,
			  .tenant = t->options.tenant,
			  .actor = { .kind = ACTOR_SYSTEM },
			  .now = clock_wall() };
	enum rc rc = witness_follow(&c, t->core->state_dir, &t->mark, step);
	if (rc == RC_OK && step)
		t->witnessed_at = now;
	if (rc == RC_CONFLICT) {
		log_error("the database went back in time, or was fenced: this daemon ends");
		atomic_store(&t->gave_up, true);
		return rc;
	}
	if (rc == RC_STORAGE || rc == RC_INTERNAL)
		log_warn("the witness of the database was not written", "result", rc_name(rc));
	return rc == RC_UNAVAILABLE || rc == RC_RETRY ? rc : RC_OK;
}

/* --- work under the lease --- */

typedef enum rc ticker_work(struct ticker *t, struct call *c, const void *arg);

static enum rc run_once(struct ticker *t, struct call *c, ticker_work *work, const void *arg)
{
	enum rc rc = db_begin(c->db);

	c->now = clock_wall(); /* no event is older than its transaction */
	if (rc == RC_OK)
		rc = lease_store_guard(c->db, &t->lease);
	if (rc == RC_OK)
		rc = work(t, c, arg);
	if (rc == RC_OK) {
		call_before_commit(c);
		rc = db_commit(c->db);
	}
	if (rc == RC_OK)
		call_run_hooks(c);
	else
		db_rollback(c->db);
	return rc;
}

/* One transaction, again when it lost a race. */
static enum rc run(struct ticker *t, struct db *db, ticker_work *work, const void *arg)
{
	enum rc rc = RC_RETRY;

	if (atomic_load(&t->winding_down))
		return RC_UNAVAILABLE;
	for (int i = 0; i <= RERUNS_MAX && rc == RC_RETRY; i++) {
		arena_reset(t->mem);
		struct call c = {
			.core = t->core,
			.mem = t->mem,
			.db = db,
			.shard = TALLY_TICKER,
			.tenant = t->options.tenant,
			.actor = { .kind = ACTOR_SYSTEM },
			.now = clock_wall(),
		};
		rc = run_once(t, &c, work, arg);
	}
	return rc;
}

static enum rc work_campaign(struct ticker *t, struct call *c, const void *arg)
{
	const struct uuid *id = arg;
	bool changed;

	(void)t;
	enum rc rc = campaign_begin(c, id);
	return rc == RC_OK ? campaign_judge(c, id, &changed) : rc;
}

/* The others need not wait for this one. */
static bool is_its_own(const struct ticker *t, const struct db *db, enum rc rc)
{
	if (rc == RC_UNAVAILABLE)
		return db_timed_out(db) && !atomic_load(&t->winding_down);
	return rc != RC_OK && rc != RC_CONFLICT;
}

/* A campaign that fails, or that cannot be had in time, does not hold up the others. */
static enum rc work_campaigns(struct ticker *t, struct db *db)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct uuid *ids;
	int n;

	enum rc rc = campaign_store_judged(db, t->options.tenant, mem, &ids, &n);
	for (int i = 0; rc == RC_OK && i < n; i++) {
		char text[UUID_TEXT_SIZE];
		rc = run(t, db, work_campaign, &ids[i]);
		if (is_its_own(t, db, rc)) {
			log_error("campaign was not advanced", "campaign",
				  uuid_format(&ids[i], text), "result", rc_name(rc), "error",
				  db_error(db));
			rc = RC_OK;
		}
	}
	return rc;
}

/* Stamps from the future are of a clock that was wrong: as if made now. */
static void correct_stamps(struct job *job, int64_t now)
{
	if (job->updated_at <= now + CLOCK_NEAR_US)
		return;
	job->updated_at = now;
	job->deadline_at = job->deadline_at < now ? job->deadline_at : now;
}

static enum rc work_soaks(struct ticker *t, struct call *c, const void *arg)
{
	(void)t;
	(void)arg;
	return stage_store_soak_again(c->db, c->tenant, c->now);
}

/* Whoever leads has seen the step as well. */
static void leave_soaks_to_others(struct ticker *t)
{
	if (t->stepped && clock_monotonic() > t->stepped_at + 3 * LEASE_US)
		t->stepped = false;
}

static enum rc soak_again(struct ticker *t, struct db *db)
{
	if (!t->stepped)
		return RC_OK;
	enum rc rc = run(t, db, work_soaks, NULL);
	t->stepped = rc != RC_OK;
	return rc;
}

static void judge_due(const struct ticker *t, struct call *c, const struct job_row *row,
		      struct job_change *ret)
{
	struct job_clock clock = {
		.now = c->now,
		.heard_at = row->heard_at,
		.fetched_at = row->fetched_at,
		.up_since = t->up_since,
		.silent_after = row->silent_after_s * USEC_PER_SEC,
	};

	*ret = (struct job_change){ .call = c, .row = *row };
	correct_stamps(&ret->row.job, c->now);
	job_on_deadline(&ret->row.job, &clock, &ret->step);
}

static enum rc work_deadlines(struct ticker *t, struct call *c, const void *arg)
{
	struct job_row *rows;
	int n;

	(void)arg;
	t->more_due = false;
	enum rc rc = job_store_due(c->db, c->tenant, c->now, DUE_BATCH, c->mem, &rows, &n);
	if (rc != RC_OK || n == 0)
		return rc;
	struct job_change *changes = arena_array(c->mem, (size_t)n, sizeof(*changes));
	for (int i = 0; i < n; i++)
		judge_due(t, c, &rows[i], &changes[i]);
	t->more_due = n == DUE_BATCH;
	return job_apply_many(c, changes, (size_t)n);
}

/* Signs of life first: a device is not silent because its sign was not written yet. */
static enum rc deadlines(struct ticker *t, struct db *db)
{
	bool any;

	enum rc rc = job_store_any_due(db, t->options.tenant, clock_wall(), &any);
	if (rc != RC_OK || !any)
		return rc;
	rc = flush(t, db);
	for (int i = 0; rc == RC_OK && i < DUE_BATCHES && (i == 0 || t->more_due); i++)
		rc = run(t, db, work_deadlines, NULL);
	return rc;
}

/* With a new lease all that were ever withdrawn: also before this was done at once. */
static enum rc work_withdrawn(struct ticker *t, struct call *c, const void *arg)
{
	(void)arg;
	return release_take_back_since(c, t->taken_back ? c->now - WITHDRAWN_US : 0);
}

static enum rc take_back(struct ticker *t, struct db *db)
{
	int64_t now = clock_monotonic();

	if (t->taken_back_at && now < t->taken_back_at + PURGE_US)
		return RC_OK;
	t->taken_back_at = now;
	enum rc rc = run(t, db, work_withdrawn, NULL);
	if (rc != RC_OK)
		return rc;
	t->taken_back = true;
	t->all_surveyed = false; /* an older daemon beside this one may have stored some */
	return RC_OK;
}

/* --- what is old --- */

static enum rc work_purge_outbox(struct ticker *t, struct call *c, const void *arg)
{
	int64_t n = 0;

	(void)arg;
	enum rc rc = outbox_purge(c, &t->horizons, clock_monotonic(), PURGE_LIMIT, &n);
	t->more_old = n == PURGE_LIMIT;
	return rc;
}

static enum rc work_purge_answers(struct ticker *t, struct call *c, const void *arg)
{
	int64_t n = 0;

	(void)arg;
	enum rc rc =
		idempotency_store_purge(c->db, c->now - IDEMPOTENCY_KEEP_US, PURGE_LIMIT, &n);
	t->more_old = n == PURGE_LIMIT;
	return rc;
}

/* In portions, each a transaction of its own: what is old may be more than one statement can
 * delete in its time.  ret_rest: the tick had not time for all. */
static enum rc purge_some(struct ticker *t, struct db *db, ticker_work *work, bool *ret_rest)
{
	int64_t until = clock_monotonic() + PURGE_FOR_US;
	enum rc rc;

	do
		rc = run(t, db, work, NULL);
	while (rc == RC_OK && t->more_old && clock_monotonic() < until);
	*ret_rest = rc == RC_OK && t->more_old;
	return rc;
}

/* What is left over is the next tick's; what failed is tried again with the next purge, and
 * does not hold up the other. */
static enum rc purge(struct ticker *t, struct db *db)
{
	int64_t now = clock_monotonic();
	bool rows = false, answers = false;

	if (t->purged_at && now < t->purged_at + PURGE_US)
		return RC_OK;
	t->purged_at = now;
	enum rc rc = purge_some(t, db, work_purge_answers, &answers);
	enum rc other = purge_some(t, db, work_purge_outbox, &rows);
	if (rows || answers)
		t->purged_at = 0;
	return rc == RC_OK ? other : rc;
}

/* --- old manifests --- */

/* At the end of a tick, some at a time: offers go on by what was noted until then. */
static enum rc work_survey(struct ticker *t, struct call *c, const void *arg)
{
	bool more = true;

	(void)arg;
	enum rc rc = release_resurvey(c, &more);
	t->all_surveyed = rc == RC_OK && !more;
	return rc;
}

static enum rc survey(struct ticker *t, struct db *db)
{
	return t->all_surveyed ? RC_OK : run(t, db, work_survey, NULL);
}

static enum rc renew(struct ticker *t, struct db *db)
{
	int64_t now = clock_monotonic(), fence = t->lease.fence;

	if (t->held && now < t->renewed_at + LEASE_RENEW_US)
		return RC_OK;
	enum rc rc = lease_store_acquire(db, &t->lease, LEASE_US, &t->held);
	if (rc != RC_OK)
		return rc;
	t->renewed_at = now;
	if (!t->held || t->lease.fence == fence)
		return RC_OK;
	t->all_surveyed = t->taken_back = false;
	t->horizons = (struct outbox_horizons){ 0 };
	log_info("this daemon holds the ticker's lease", "fence", log_i64(t->lease.fence));
	return RC_OK;
}

static enum rc lease_work(struct ticker *t, struct db *db)
{
	enum rc rc = renew(t, db);

	if (rc == RC_OK && !t->held)
		leave_soaks_to_others(t);
	if (rc != RC_OK || !t->held || !t->proved)
		return rc;
	rc = soak_again(t, db);
	if (rc == RC_OK)
		rc = deadlines(t, db);
	if (rc == RC_OK)
		rc = work_campaigns(t, db);
	if (rc == RC_OK)
		rc = take_back(t, db);
	if (rc == RC_OK)
		rc = purge(t, db);
	if (rc == RC_OK)
		rc = survey(t, db);
	if (rc == RC_CONFLICT) {
		log_warn("the ticker's lease was lost");
		t->held = false;
		rc = RC_OK;
	}
	return rc;
}

/* --- the thread --- */

static enum rc all_work(struct ticker *t, struct db *db)
{
	typedef enum rc part(struct ticker * t, struct db * db);
	static part *const parts[] = { witness_work, node_work, lease_work };
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < ARRAY_LEN(parts); i++)
		rc = atomic_load(&t->winding_down) ? RC_UNAVAILABLE : parts[i](t, db);
	atomic_store(&t->time_is_sure,
		     t->proved && clock_follows_system(t->clocks) && !t->stepped);
	return rc;
}

enum rc ticker_tick(struct ticker *t)
{
	struct db *db;

	if (atomic_load(&t->winding_down))
		return RC_UNAVAILABLE;
	enum rc rc = db_acquire(t->pool, USEC_PER_SEC, &db);
	if (rc != RC_OK) {
		t->up_since = 0;
		scrub_work(t, NULL);
		return rc;
	}
	scrub_work(t, db);
	if (!t->up_since)
		t->up_since = clock_wall();
	rc = all_work(t, db);
	if (rc != RC_OK && !atomic_load(&t->winding_down)) {
		log_warn("tick failed", "result", rc_name(rc), "error", db_error(db));
		/* One statement that waited too long says nothing of how others are served. */
		if (rc == RC_UNAVAILABLE && !db_timed_out(db))
			t->up_since = 0;
	}
	db_release(t->pool, db);
	return rc;
}

/* Waits for the next tick; false when it is time to stop. */
static bool wait_tick(struct ticker *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + t->options.interval_us % USEC_PER_SEC * 1000;
	until.tv_sec += t->options.interval_us / USEC_PER_SEC + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&t->mutex);
	while (!t->stopping && pthread_cond_timedwait(&t->changed, &t->mutex, &until) == 0)
		continue;
	bool go_on = !t->stopping;
	pthread_mutex_unlock(&t->mutex);
	return go_on;
}

/* What was not written yet (the workers have ended, so nothing follows), and the lease for
 * another daemon. */
static void leave(struct ticker *t)
{
	struct db *db;

	if (db_acquire(t->pool, USEC_PER_SEC, &db) != RC_OK)
		return;
	enum rc rc = flush(t, db);
	t->witnessed_at = 0;
	if (rc == RC_OK)
		rc = witness_work(t, db);
	if (rc == RC_OK && t->held)
		rc = lease_store_release(db, &t->lease);
	if (rc != RC_OK)
		log_warn("last signs of life were not written", "result", rc_name(rc));
	db_release(t->pool, db);
}

void ticker_run(struct ticker *t)
{
	do {
		enum rc rc = ticker_tick(t);
		(void)rc; /* said in the log; the next tick tries again */
	} while (wait_tick(t));
	leave(t);
}

void ticker_wind_down(struct ticker *t)
{
	atomic_store(&t->winding_down, true);
}

void ticker_stop(struct ticker *t)
{
	pthread_mutex_lock(&t->mutex);
	t->stopping = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->mutex);
}
