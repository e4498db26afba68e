/* A database of its own for a store test, on the server that MUSTER_TEST_DB names; migrated,
 * dropped at the end. */
#pragma once

#include "base/arena.h"
#include "base/clean.h"
#include "base/hash.h"
#include "db/db.h"
#include "db/migrate.h"
#include "tests/tap.h"

#include <stdlib.h>

CLEAN_DEFINE(db, struct db *, db_close)

static struct arena *store_mem;
static const char *store_name;

/* For another connection to the same database. */
static inline struct db_options store_options(void)
{
	return (struct db_options){
		.conninfo = arena_printf(store_mem, "%s dbname=%s", getenv("MUSTER_TEST_DB"),
					 store_name),
		.connections = 2,
		.statement_timeout_ms = 10000,
		.connect_timeout_s = 5,
	};
}

static inline void store_must(enum rc rc, struct db *db, const char *what)
{
	if (rc == RC_OK)
		return;
	printf("Bail out! %s: %s: %s\n", what, rc_name(rc),
	       db ? db_error(db) : db_connect_error());
	exit(1);
}

static inline struct db *store_connect(void)
{
	struct db_options options = store_options();
	struct db *db = NULL;

	store_must(db_connect(&options, &db), NULL, "connect");
	return db;
}

static inline void store_admin(const char *verb, const char *how)
{
	CLEAN(db) struct db *db = NULL;
	struct db_options options = store_options();

	options.conninfo = getenv("MUSTER_TEST_DB");
	store_must(db_connect(&options, &db), NULL, "connect");
	const char *sql = arena_printf(store_mem, "%s %s %s", verb, store_name, how);
	store_must(db_exec(db, sql), db, sql);
}

/* An empty database; prints a bail-out and ends when MUSTER_TEST_DB is not set. */
static inline void store_create_empty(void)
{
	uint8_t tag[8];

	if (!getenv("MUSTER_TEST_DB")) {
		puts("Bail out! MUSTER_TEST_DB is not set; run tests/check.py");
		exit(1);
	}
	store_mem = arena_create();
	random_bytes(tag, sizeof(tag));
	store_name = arena_printf(store_mem, "test_%s",
				  hex_encode(store_mem, (struct bytes){ tag, sizeof(tag) }));
	store_admin("CREATE DATABASE", "");
}

/* A migrated database and a connection to it. */
static inline struct db *store_create(void)
{
	int applied = 0;

	store_create_empty();
	struct db *db = store_connect();
	store_must(db_migrate(db, &applied), db, "migrate");
	return db;
}

/* Closes db and drops the database; other connections must be closed before. */
static inline void store_finish(struct db *db)
{
	db_close(db);
	store_admin("DROP DATABASE", "WITH (FORCE)");
	arena_free(store_mem);
	store_mem = NULL;
}

/* The first column, named v, of the first row. */
static inline int64_t store_i64(struct db *db, const char *sql)
{
	CLEAN(rows) struct db_rows *rows = NULL;
	const struct db_stmt stmt = { "", sql };

	store_must(db_run(db, &stmt, NULL, &rows), db, sql);
	return db_row_i64(rows, 0, "v");
}
