/* The pool: bounded, heals after a broken connection, gives up in time when nobody is there. */

#include "base/clock.h"
#include "tests/store/store.h"

static void test_bounded(struct db_pool *pool)
{
	struct db *a = NULL, *b = NULL, *c = NULL;

	ok(!db_pool_healthy(pool), "nobody asked yet");
	ok(db_acquire(pool, 0, &a) == RC_OK && db_acquire(pool, 0, &b) == RC_OK, "two places");
	is_int(db_pool_in_use(pool), 2, "both in use");
	int64_t before = clock_monotonic();
	ok(db_acquire(pool, 50 * USEC_PER_MS, &c) == RC_UNAVAILABLE, "no third");
	ok(clock_monotonic() - before >= 50 * USEC_PER_MS, "after waiting for one");
	ok(db_begin(a) == RC_OK, "a transaction is left open");
	db_release(pool, a);
	ok(db_acquire(pool, 0, &c) == RC_OK && c == a && !db_in_transaction(c),
	   "a returned connection is used again, rolled back");
	ok(db_pool_healthy(pool), "the server is there");
	db_release(pool, b);
	db_release(pool, c);
	db_release(pool, NULL);
	is_int(db_pool_in_use(pool), 0, "none in use");
}

/* The server ends all connections, as a restart does. */
static void test_heals(struct db_pool *pool, struct db *admin)
{
	struct db *a = NULL, *b = NULL;

	ok(db_acquire(pool, 0, &a) == RC_OK && db_acquire(pool, 0, &b) == RC_OK,
	   "two connections");
	db_release(pool, b); /* idle */
	is_int(store_i64(admin,
			 "SELECT count(pg_terminate_backend(pid)) AS v FROM pg_stat_activity"
			 " WHERE datname = current_database() AND pid <> pg_backend_pid()"),
	       2, "both are ended");
	ok(db_exec(a, "SELECT 1") == RC_UNAVAILABLE, "the one in use notices");
	ok(db_exec(a, "SELECT 1") == RC_UNAVAILABLE, "and stays unusable");
	db_release(pool, a);
	ok(db_acquire(pool, USEC_PER_SEC, &a) == RC_OK && db_exec(a, "SELECT 1") == RC_OK,
	   "the next one works, not the dead idle one");
	db_release(pool, a);
	ok(db_pool_healthy(pool), "healthy again");
}

/* A statement that the server never ends: the client's own deadline. */
static void test_hung_statement(struct db *admin)
{
	CLEAN(db) struct db *db = NULL;
	struct db_options options = store_options();

	options.statement_timeout_ms = 100;
	store_must(db_connect(&options, &db), NULL, "connect");
	ok(db_exec(db, "SELECT pg_sleep(30)") == RC_UNAVAILABLE, "the server's timeout");
	is_str(db_sqlstate(db), "57014", "says so");
	ok(db_exec(db, "SET statement_timeout = 0") == RC_OK, "a server without its timeout");
	int64_t before = clock_monotonic();
	ok(db_exec(db, "SELECT pg_sleep(30)") == RC_UNAVAILABLE, "the client's deadline");
	ok(clock_monotonic() - before < 5 * USEC_PER_SEC, "two seconds later");
	ok(db_exec(db, "SELECT 1") == RC_UNAVAILABLE, "then the connection is gone");
	(void)admin;
}

/* At the end of the process: who waits is told within a fraction of a second, who asks at once.
 */
static void test_give_up(struct db_pool *pool)
{
	struct db *a = NULL, *b = NULL;
	int64_t before = clock_monotonic();

	store_must(db_acquire(pool, 0, &a), NULL, "acquire");
	db_give_up_at(before + USEC_PER_SEC);
	ok(db_exec(a, "SELECT 1") == RC_OK, "until then all goes on");
	ok(db_exec(a, "SELECT pg_sleep(30)") == RC_UNAVAILABLE, "who waits gives up");
	int64_t took = clock_monotonic() - before;
	ok(took >= USEC_PER_SEC && took < 2 * USEC_PER_SEC, "at that moment");
	db_release(pool, a);
	ok(db_acquire(pool, USEC_PER_SEC, &b) == RC_UNAVAILABLE, "nobody begins");
	is_int(db_pool_in_use(pool), 0, "or has a place");
	db_give_up_at(INT64_MAX);
	ok(db_acquire(pool, USEC_PER_SEC, &b) == RC_OK && db_exec(b, "SELECT 1") == RC_OK,
	   "it can be put off");
	db_release(pool, b);
}

/* A transaction that may take its time, on both sides, and only that one. */
static void test_patience(void)
{
	CLEAN(db) struct db *db = NULL;
	struct db_options options = store_options();

	options.statement_timeout_ms = 100;
	store_must(db_connect(&options, &db), NULL, "connect");
	for (int i = 0; i < 2; i++) {
		store_must(db_begin(db), db, "begin");
		ok(db_patience(db, 20000) == RC_OK, "patience");
		ok(db_exec(db, i ? "SELECT 1" : "SELECT pg_sleep(3)") == RC_OK,
		   "a statement that takes long is waited for");
		if (i)
			db_rollback(db);
		else
			ok(db_commit(db) == RC_OK, "commit");
		ok(db_exec(db, "SELECT pg_sleep(1)") == RC_UNAVAILABLE, "afterwards none is");
	}
	ok(db_exec(db, "SET statement_timeout = 0") == RC_OK, "a server without its timeout");
	int64_t before = clock_monotonic();
	ok(db_exec(db, "SELECT pg_sleep(30)") == RC_UNAVAILABLE, "not on our side either");
	ok(clock_monotonic() - before < 5 * USEC_PER_SEC, "that is");
}

static void test_nobody_there(void)
{
	struct db_options options = { .conninfo = "host=/nonexistent dbname=x",
				      .connections = 2,
				      .statement_timeout_ms = 1000,
				      .connect_timeout_s = 2 };
	struct db_pool *pool = db_pool_create(&options);
	struct db *db = NULL;
	int64_t before = clock_monotonic();

	for (int i = 0; i < 1000; i++)
		if (db_acquire(pool, USEC_PER_SEC, &db) != RC_UNAVAILABLE)
			ok(false, "connected to nothing");
	ok(clock_monotonic() - before < USEC_PER_SEC, "a thousand refusals cost nothing");
	ok(!db_pool_healthy(pool), "not healthy");
	is_int(db_pool_in_use(pool), 0, "no place is lost");
	db_pool_free(pool);
}

static void test_held(void)
{
	struct db_options options = store_options();
	struct db *db = NULL;

	options.held = true;
	struct db_pool *pool = db_pool_create(&options);
	ok(db_acquire(pool, 0, &db) == RC_UNAVAILABLE, "a held pool gives nothing");
	db_pool_open(pool);
	ok(db_acquire(pool, 0, &db) == RC_OK, "an open one does");
	db_release(pool, db);
	db_pool_free(pool);
}

int main(void)
{
	struct db *db = store_create();
	struct db_options options = store_options();
	struct db_pool *pool = db_pool_create(&options);

	test_bounded(pool);
	test_heals(pool, db);
	test_give_up(pool);
	db_pool_free(pool);
	test_hung_statement(db);
	test_patience();
	test_nobody_there();
	test_held();
	store_finish(db);
	return tap_done();
}
