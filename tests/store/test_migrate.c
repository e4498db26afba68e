/* Migrations: apply once, in order, under a lock; foreign or changed ones stop it. */

#include "tests/store/store.h"

#include <glob.h>
#include <pthread.h>

static void *migrate_too(void *arg)
{
	CLEAN(db) struct db *db = NULL;
	struct db_options *options = arg;
	int applied = -1;

	if (db_connect(options, &db) != RC_OK || db_migrate(db, &applied) != RC_OK)
		return (void *)(intptr_t)-1000;
	return (void *)(intptr_t)applied;
}

/* Several daemons may be started at once. */
static void test_race(int64_t known)
{
	pthread_t threads[4];
	struct db_options options = store_options();
	intptr_t sum = 0;

	options.statement_timeout_ms = 0;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, migrate_too, &options);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *applied = NULL;

		pthread_join(threads[i], &applied);
		sum += (intptr_t)applied;
	}
	is_int(sum, known, "four at once apply each migration once");
}

static int64_t count_schema_files(void)
{
	glob_t found;
	int64_t n = 0;

	if (glob("db/schema/[0-9][0-9][0-9][0-9]-*.sql", 0, NULL, &found) == 0)
		n = (int64_t)found.gl_pathc;
	globfree(&found);
	return n;
}

static void test_check(struct db *db)
{
	const char *why = NULL;

	ok(db_migrate_check(db, store_mem, &why) == RC_OK, "all is there");
	ok(db_exec(db,
		   "UPDATE migration SET sha256 = repeat('0', 64) WHERE name LIKE '0002-%'") ==
		   RC_OK,
	   "one was applied with another text");
	ok(db_migrate_check(db, store_mem, &why) == RC_CONFLICT, "that is found");
	ok(strstr(why, "0002-") != NULL, "and named: %s", why);
	int applied = 0;
	ok(db_migrate(db, &applied) == RC_CONFLICT, "and migrating stops");
	ok(db_exec(db, "UPDATE migration SET name = '0002-other' WHERE name LIKE '0002-%'") ==
			   RC_OK &&
		   db_migrate_check(db, store_mem, &why) == RC_CONFLICT,
	   "another name is found too: %s", why);
	ok(db_exec(db, "DELETE FROM migration WHERE name > '0001-z'") == RC_OK &&
		   db_migrate_check(db, store_mem, &why) == RC_CONFLICT &&
		   strstr(why, "0002-") && strstr(why, "missing"),
	   "a missing one is named: %s", why);
	ok(db_exec(db, "INSERT INTO migration VALUES ('0002-fleet', repeat('0', 64), 0)") ==
			   RC_OK &&
		   db_migrate_check(db, store_mem, &why) == RC_CONFLICT,
	   "and one with a false checksum is not taken for it: %s", why);
}

int main(void)
{
	const char *why = NULL;
	int applied = -1;

	store_create_empty();
	struct db *db = store_connect();
	int64_t known = count_schema_files();
	ok(known >= 3, "there are migrations: %d", (int)known);
	ok(db_migrate_check(db, store_mem, &why) == RC_CONFLICT && strstr(why, "empty"),
	   "an empty database is told: %s", why);
	test_race(known);
	ok(db_migrate(db, &applied) == RC_OK && applied == 0, "a second time applies nothing");
	test_check(db);
	store_finish(db);
	return tap_done();
}
