/* The database: connections, transactions, statements, rows.  The only folder with libpq.
 *
 * A struct db is one connection, used by one thread at a time.  Workers take one from the pool
 * for one transaction.  Every function that talks to the server returns
 *   RC_RETRY        serialization failure or deadlock: the whole call runs again
 *   RC_UNAVAILABLE  no connection, connection lost, server shutting down, statement timeout
 *   RC_CONFLICT     a unique constraint says no (23505)
 *   RC_STORAGE      the server's disk is full (53100)
 *   RC_INTERNAL     anything else; the text is in db_error() and is for the log alone
 * by SQLSTATE, never by message text.  After anything but RC_OK the transaction is lost. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/rc.h"

#include <stdbool.h>
#include <stdint.h>

struct db_pool;
struct db;
struct db_rows;

struct db_options {
	const char *conninfo; /* libpq's; several hosts are allowed */
	int connections;      /* >= 1 */
	int64_t statement_timeout_ms;
	int64_t connect_timeout_s;
	bool held; /* db_acquire says RC_UNAVAILABLE until db_pool_open() */
};

/* Makes the pool; does not connect yet. */
struct db_pool *db_pool_create(const struct db_options *options);
void db_pool_free(struct db_pool *pool);
/* A usable connection, (re)connecting when it must; waits up to timeout_us for a free one.
 * After a failed connect it backs off with jitter, so a dead server costs nothing.  Begins a
 * piece of work (base/memory.h). */
enum rc db_acquire(struct db_pool *pool, int64_t timeout_us, struct db **ret) MUST_CHECK;
void db_release(struct db_pool *pool, struct db *db);
/* Lets a held pool give connections: what was written before is seen by whoever gets one. */
void db_pool_open(struct db_pool *pool);
/* True when the last attempt to reach the server worked. */
bool db_pool_healthy(struct db_pool *pool);
int db_pool_in_use(struct db_pool *pool);

/* For the end of the process.  From that moment (monotonic) nobody waits for the server any
 * more, on whatever connection: RC_UNAVAILABLE, and a transaction under way is lost.  Whoever
 * is just connecting still waits for connect_timeout_s.  A later call sets another moment. */
void db_give_up_at(int64_t when);

/* One connection outside a pool (migrate, LISTEN, tests). */
enum rc db_connect(const struct db_options *options, struct db **ret) MUST_CHECK;
/* Why the last db_connect of this thread failed; for the log alone. */
const char *db_connect_error(void);
void db_close(struct db *db);
const char *db_error(const struct db *db);
const char *db_sqlstate(const struct db *db);
/* After RC_UNAVAILABLE: a statement took too long, or waited too long for a lock.  The
 * connection is good, and the server serves others. */
bool db_timed_out(const struct db *db);

enum rc db_begin(struct db *db) MUST_CHECK;
/* RC_UNAVAILABLE also when this thread was short of memory since it began. */
enum rc db_commit(struct db *db) MUST_CHECK;
/* Never fails in a way the caller could mend; a broken connection is dropped by the pool. */
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);
/* Each statement of this transaction may run for so long, on the server and in our waiting. */
enum rc db_patience(struct db *db, int64_t timeout_ms) MUST_CHECK;

/* A statement is prepared on a connection when it first runs there.  Statements live in one
 * static table per store; db_stmt_register() in its constructor lets a test prepare them all.
 */
struct db_stmt {
	const char *name; /* unique, e.g. "job_get"; "": never kept (tests) */
	const char *sql;
};
#define DB_STMTS(table)                                                                        \
	__attribute__((constructor)) static void register_##table(void)                        \
	{                                                                                      \
		db_stmt_register(table, sizeof(table) / sizeof((table)[0]));                   \
	}
void db_stmt_register(const struct db_stmt *stmts, size_t count);
/* For the test that prepares every statement: the i-th, NULL past the end. */
const struct db_stmt *db_stmt_at(size_t i);
/* Prepares without running; db_run does it by itself. */
enum rc db_prepare(struct db *db, const struct db_stmt *stmt) MUST_CHECK;

/* Parameters, in order $1, $2, ...  Values are borrowed until db_run returns, integers copied.
 *     struct db_args a = {0};
 *     db_arg_i64(&a, tenant); db_arg_uuid(&a, &id);
 * More than DB_ARGS_MAX is a programmer error (assert). */
#define DB_ARGS_MAX 24
struct db_args {
	int count;
	const char *values[DB_ARGS_MAX];
	int lengths[DB_ARGS_MAX];
	int formats[DB_ARGS_MAX];
	char scratch[DB_ARGS_MAX][40];
};
void db_arg_i64(struct db_args *a, int64_t v);
void db_arg_bool(struct db_args *a, bool v);
void db_arg_text(struct db_args *a, const char *v); /* NULL makes SQL NULL */
void db_arg_bytes(struct db_args *a, struct bytes v);
void db_arg_uuid(struct db_args *a, const struct uuid *v);
void db_arg_digest(struct db_args *a, const struct digest *v); /* bytea; NULL makes SQL NULL */
void db_arg_null(struct db_args *a);
/* Arrays, made in the arena: bigint[], xid[], uuid[], text[] (a NULL makes SQL NULL), bytea[].
 * They travel in binary, so the statement must cast to just this type. */
void db_arg_i64s(struct db_args *a, struct arena *mem, const int64_t *v, size_t n);
void db_arg_xids(struct db_args *a, struct arena *mem, const uint32_t *v, size_t n);
void db_arg_uuids(struct db_args *a, struct arena *mem, const struct uuid *v, size_t n);
void db_arg_texts(struct db_args *a, struct arena *mem, const char *const *v, size_t n);
void db_arg_byteas(struct db_args *a, struct arena *mem, const struct bytes *v, size_t n);

/* Runs a statement; ret may be NULL when the rows do not matter. */
enum rc db_run(struct db *db, const struct db_stmt *stmt, const struct db_args *args,
	       struct db_rows **ret) MUST_CHECK;
/* The same for a statement that finds one row or none: RC_NOT_FOUND without one. */
enum rc db_run_one(struct db *db, const struct db_stmt *stmt, const struct db_args *args,
		   struct db_rows **ret) MUST_CHECK;
/* Runs it and tells how many rows it touched (UPDATE, DELETE, INSERT). */
enum rc db_run_count(struct db *db, const struct db_stmt *stmt, const struct db_args *args,
		     int64_t *ret_rows) MUST_CHECK;
/* Unprepared text without parameters: BEGIN, LISTEN, migrations.  Never with a peer's bytes. */
enum rc db_exec(struct db *db, const char *sql) MUST_CHECK;

void db_rows_free(struct db_rows *rows);
static inline void clean_rows(struct db_rows **rows)
{
	db_rows_free(*rows);
}
int db_rows_count(const struct db_rows *rows);
/* By column name; an unknown name is a programmer error (assert).  NULL reads as 0, false,
 * NULL text, empty bytes; texts and bytes are copied into the arena. */
int64_t db_row_i64(const struct db_rows *rows, int row, const char *column);
bool db_row_bool(const struct db_rows *rows, int row, const char *column);
bool db_row_is_null(const struct db_rows *rows, int row, const char *column);
const char *db_row_text(const struct db_rows *rows, int row, const char *column,
			struct arena *mem);
struct bytes db_row_bytes(const struct db_rows *rows, int row, const char *column,
			  struct arena *mem);
/* Zero when NULL or not 16 (32) bytes. */
struct uuid db_row_uuid(const struct db_rows *rows, int row, const char *column);
struct digest db_row_digest(const struct db_rows *rows, int row, const char *column);

/* COPY (query) TO STDOUT, row by row as text fields (NULL for SQL NULL); for the roster's
 * load.  A false from the callback stops with RC_INTERNAL. */
typedef bool db_copy_row(void *arg, char *const *fields, int count);
enum rc db_copy_out(struct db *db, const char *query, db_copy_row *row, void *arg) MUST_CHECK;

/* LISTEN side: waits up to timeout_us or until a notification came or wake_fd is readable.
 * ret_payload is arena text or NULL. */
enum rc db_wait_notify(struct db *db, int wake_fd, int64_t timeout_us, struct arena *mem,
		       const char **ret_payload) MUST_CHECK;
