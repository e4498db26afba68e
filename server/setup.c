/* Waits for the database, with growing pauses and jitter, then prepares to serve. */

#include "server/setup.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "core/operator.h"
#include "core/tenant.h"
#include "core/witness.h"
#include "db/migrate.h"
#include "server/database.h"
#include "server/thread.h"

#include <stdatomic.h>
#include <time.h>

#define PAUSE_FIRST_US (200 * USEC_PER_MS)
#define PAUSE_LAST_US  (5 * USEC_PER_SEC)

CLEAN_DEFINE(db, struct db *, db_close)

struct setup {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	const struct settings *settings;
	struct core *core;
	struct bytes seal_key;
	struct arena *mem; /* the thread's until it is done, then read by all */
	struct setup_result result;
	enum setup_state state;
	bool stop;
	bool said; /* that it waits */
	_Atomic(const char *) why;
};

/* RC_UNAVAILABLE and RC_RETRY are worth another try; the rest is not, and was logged. */
static enum rc check_schema(struct db *db, struct arena *mem)
{
	const char *why = db_error(db);
	enum rc rc = db_migrate_check(db, mem, &why);

	if (rc == RC_CONFLICT)
		log_error("the schema does not fit", "why", why);
	return rc;
}

static enum rc open_tenant(struct setup *s, struct db *db)
{
	enum rc rc = tenant_secret_open(db, TENANT_DEFAULT, s->seal_key, s->mem,
					&s->result.tenant_secret);

	if (rc == RC_INVALID)
		log_error("the database was sealed with the key of another state directory");
	if (rc != RC_OK)
		return rc;
	rc = bootstrap_create(db, TENANT_DEFAULT, s->mem, &s->result.bootstrap_secret);
	return rc == RC_CONFLICT ? RC_OK : rc; /* there is an administrator */
}

/* A database that went back is waited for: `musterd fence` makes it whole. */
static enum rc refuse_behind(struct setup *s, const char *how)
{
	static const char why[] = "the database went back in time: a backup was restored. "
				  "Run `musterd fence`, docs/restore.md explains it";

	if (!atomic_load(&s->why))
		log_error("the database went back in time: run `musterd fence`", "how", how);
	atomic_store(&s->why, why);
	return RC_RETRY;
}

static enum rc open_witness(struct setup *s, struct db *db, struct witness_opening *ret)
{
	CLEAN(arena) struct arena *mem = arena_create(); /* it may be tried for days */
	struct call c = { .core = s->core,
			  .mem = mem,
			  .db = db,
			  .tenant = TENANT_DEFAULT,
			  .actor = { .kind = ACTOR_SYSTEM },
			  .now = clock_wall() };
	enum rc rc = witness_open(&c, s->settings->state_dir, ret);

	if (rc == RC_CONFLICT)
		return refuse_behind(s, ret->why);
	atomic_store(&s->why, NULL);
	return rc;
}

static enum rc open_all(struct setup *s, struct db *db)
{
	struct witness_opening opening;

	enum rc rc = db_begin(db);
	if (rc == RC_OK)
		rc = open_witness(s, db, &opening);
	if (rc == RC_OK)
		rc = open_tenant(s, db);
	if (rc == RC_OK)
		rc = db_commit(db);
	if (rc != RC_OK)
		return rc;
	s->result.mark = opening.mark;
	if (witness_opened(s->settings->state_dir, &opening, s->mem) != RC_OK)
		log_warn("the witness of the database was not written", "dir",
			 s->settings->state_dir);
	return RC_OK;
}

static enum rc prepare(struct setup *s)
{
	CLEAN(db) struct db *db = NULL;
	struct db_options options = database_options(s->settings, 1);
	enum rc rc = db_connect(&options, &db);

	if (rc != RC_OK) {
		if (!s->said)
			log_warn("waiting for the database", "error", db_connect_error());
		s->said = true;
		return rc;
	}
	rc = check_schema(db, s->mem);
	if (rc != RC_OK)
		return rc;
	rc = open_all(s, db);
	if (rc == RC_INTERNAL)
		log_error("the database cannot be used", "sqlstate", db_sqlstate(db), "error",
			  db_error(db));
	return rc;
}

/* False when it is time to stop. */
static bool pause_for(struct setup *s, int64_t us)
{
	uint32_t r = 0;

	random_bytes(&r, sizeof(r));
	int64_t until = clock_monotonic() + us / 2 + (int64_t)r % us;
	struct timespec t = { until / USEC_PER_SEC, until % USEC_PER_SEC * 1000 };

	pthread_mutex_lock(&s->mutex);
	while (!s->stop && pthread_cond_timedwait(&s->changed, &s->mutex, &t) == 0)
		;
	bool go_on = !s->stop;
	pthread_mutex_unlock(&s->mutex);
	return go_on;
}

static void *run(void *arg)
{
	struct setup *s = arg;
	int64_t pause = PAUSE_FIRST_US;
	enum rc rc = prepare(s);

	while ((rc == RC_UNAVAILABLE || rc == RC_RETRY) && pause_for(s, pause)) {
		pause = pause * 2 < PAUSE_LAST_US ? pause * 2 : PAUSE_LAST_US;
		rc = prepare(s);
	}
	pthread_mutex_lock(&s->mutex);
	if (!s->stop)
		s->state = rc == RC_OK ? SETUP_DONE : SETUP_FAILED;
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

struct setup *setup_start(const struct settings *settings, struct core *core)
{
	struct setup *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t attr;

	pthread_mutex_init(&s->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	s->settings = settings;
	s->core = core;
	s->seal_key = core->seal_key;
	s->mem = arena_create();
	s->thread = thread_start("setup", run, s);
	return s;
}

enum setup_state setup_look(struct setup *s, struct setup_result *ret)
{
	pthread_mutex_lock(&s->mutex);
	enum setup_state state = s->state;
	if (state == SETUP_DONE)
		*ret = s->result;
	pthread_mutex_unlock(&s->mutex);
	return state;
}

const char *setup_why(struct setup *s)
{
	return atomic_load(&s->why);
}

void setup_finish(struct setup *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
	pthread_join(s->thread, NULL);
	arena_free(s->mem);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}
