/* The pool: a fixed number of places for connections.  Nobody connects under the lock; while
 * the server is away one thread at a time tries, the others are told at once. */

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "db/conn.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define BACKOFF_FIRST_US (100 * USEC_PER_MS)
#define BACKOFF_LAST_US  USEC_PER_SEC

struct db_pool {
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* a place became free, or an attempt to connect ended */
	struct db_options options;
	char *conninfo;
	struct db **idle; /* connections that nobody uses */
	int idle_count, in_use;
	uint64_t generation; /* grows when one breaks: older idle ones are not trusted */
	bool healthy, trying;
	int64_t backoff_us, next_try; /* monotonic */
};

struct db_pool *db_pool_create(const struct db_options *options)
{
	struct db_pool *pool = xcalloc(1, sizeof(*pool));
	pthread_condattr_t attr;

	pthread_mutex_init(&pool->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->changed, &attr);
	pthread_condattr_destroy(&attr);
	pool->options = *options;
	pool->conninfo = xstrdup(options->conninfo);
	pool->options.conninfo = pool->conninfo;
	pool->idle = xcalloc((size_t)options->connections, sizeof(struct db *));
	return pool;
}

void db_pool_free(struct db_pool *pool)
{
	if (!pool)
		return;
	for (int i = 0; i < pool->idle_count; i++)
		db_close(pool->idle[i]);
	free(pool->idle);
	free(pool->conninfo);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

static bool wait_for_change(struct db_pool *pool, int64_t until)
{
	struct timespec t = { until / USEC_PER_SEC, until % USEC_PER_SEC * 1000 };

	return pthread_cond_timedwait(&pool->changed, &pool->mutex, &t) == 0;
}

/* Between half of it and all of it, so that many daemons do not knock together. */
static int64_t with_jitter(int64_t us)
{
	uint32_t r = 0;

	random_bytes(&r, sizeof(r));
	return us / 2 + (int64_t)r % (us / 2 + 1);
}

/* Under the lock, after an attempt. */
static void note_attempt(struct db_pool *pool, bool worked)
{
	if (worked && !pool->healthy)
		log_info("the database is there");
	if (!worked && !pool->backoff_us)
		log_warn("the database is away", "error", db_connect_error());
	pool->trying = false;
	pool->healthy = worked;
	if (worked) {
		pool->backoff_us = 0;
	} else {
		int64_t doubled = pool->backoff_us * 2;

		/* The first failure may be our own, for lack of memory or descriptors: whoever
		 * comes next tries at once. */
		pool->next_try =
			clock_monotonic() + (doubled ? with_jitter(pool->backoff_us) : 0);
		pool->backoff_us = !doubled                    ? BACKOFF_FIRST_US
				   : doubled > BACKOFF_LAST_US ? BACKOFF_LAST_US
							       : doubled;
	}
	pthread_cond_broadcast(&pool->changed);
}

/* Holds a place already; gives it back when it fails. */
static enum rc connect_new(struct db_pool *pool, struct db **ret)
{
	struct db *db = NULL;
	uint64_t generation = pool->generation;
	bool first = !pool->healthy;

	if (first && clock_monotonic() < pool->next_try) {
		pool->in_use--;
		pthread_cond_broadcast(&pool->changed);
		return RC_UNAVAILABLE;
	}
	pool->trying = first;
	pthread_mutex_unlock(&pool->mutex);
	enum rc rc = db_connect(&pool->options, &db);
	pthread_mutex_lock(&pool->mutex);
	if (rc != RC_OK)
		pool->in_use--;
	note_attempt(pool, rc == RC_OK);
	if (rc != RC_OK)
		return rc;
	db->generation = generation;
	*ret = db;
	return RC_OK;
}

/* An idle connection that still works, NULL when there is none. */
static struct db *take_idle(struct db_pool *pool)
{
	while (pool->idle_count) {
		struct db *db = pool->idle[--pool->idle_count];

		if (db->generation == pool->generation && conn_is_usable(db))
			return db;
		db_close(db);
	}
	return NULL;
}

static enum rc acquire(struct db_pool *pool, int64_t until, struct db **ret)
{
	while (pool->in_use >= pool->options.connections || (pool->trying && !pool->idle_count))
		if (!wait_for_change(pool, until))
			return RC_UNAVAILABLE;
	if (conn_gave_up())
		return RC_UNAVAILABLE;
	pool->in_use++;
	struct db *db = take_idle(pool);
	if (!db)
		return connect_new(pool, ret);
	*ret = db;
	return RC_OK;
}

enum rc db_acquire(struct db_pool *pool, int64_t timeout_us, struct db **ret)
{
	enum rc rc = RC_UNAVAILABLE;

	memory_begin();
	if (memory_is_short())
		return rc;
	pthread_mutex_lock(&pool->mutex);
	if (!pool->options.held)
		rc = acquire(pool, clock_monotonic() + timeout_us, ret);
	pthread_mutex_unlock(&pool->mutex);
	return rc;
}

void db_pool_open(struct db_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	pool->options.held = false;
	pthread_mutex_unlock(&pool->mutex);
}

void db_release(struct db_pool *pool, struct db *db)
{
	if (!db)
		return;
	db_rollback(db);
	bool broken = db->broken; /* once it is idle it is another thread's */
	pthread_mutex_lock(&pool->mutex);
	pool->in_use--;
	if (!broken) {
		pool->idle[pool->idle_count++] = db;
	} else if (db->generation == pool->generation) {
		/* The first to break says so for all of its age; the next acquire tries at
		 * once. */
		pool->generation++;
		pool->healthy = false;
		pool->next_try = 0;
		log_warn("a database connection broke", "error", db->error);
	}
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
	if (broken)
		db_close(db);
}

bool db_pool_healthy(struct db_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	bool healthy = pool->healthy;
	pthread_mutex_unlock(&pool->mutex);
	return healthy;
}

int db_pool_in_use(struct db_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	int n = pool->in_use;
	pthread_mutex_unlock(&pool->mutex);
	return n;
}
