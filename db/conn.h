/* Inside db/: what a connection is, and how a command is sent and awaited.  Every wait has a
 * deadline of its own, because a hung server never sends its timeout. */
#pragma once

#include "db/db.h"

#include <libpq-fe.h>

#define DB_ERROR_MAX 512

/* The server gives up first, and says why. */
#define DB_GRACE_US (2 * USEC_PER_SEC)

struct db_prepared; /* set of statements known to this connection */

struct db {
	PGconn *conn;
	struct db_prepared *prepared;
	int64_t wait_us;       /* longest wait for an answer; -1: for ever (migrations) */
	int64_t usual_wait_us; /* outside of a transaction with db_patience() */
	bool broken;           /* do not use again */
	uint64_t generation;   /* of the pool, when it connected */
	char sqlstate[6];
	char error[DB_ERROR_MAX];
};

static inline void clean_result(PGresult **r)
{
	PQclear(*r);
}

/* True from the moment of db_give_up_at() on. */
bool conn_gave_up(void);
/* Waits until the socket can be read; RC_UNAVAILABLE (and broken) past the deadline. */
enum rc conn_wait_readable(struct db *db) MUST_CHECK;
/* After PQsend...: the last result of the command.  Maps its SQLSTATE; *ret is NULL unless
 * RC_OK. */
enum rc conn_finish(struct db *db, PGresult **ret) MUST_CHECK;
/* A result as enum rc; notes error and SQLSTATE. */
enum rc conn_judge(struct db *db, const PGresult *r) MUST_CHECK;
/* The connection itself failed. */
enum rc conn_lost(struct db *db) MUST_CHECK;
/* An idle connection that the server has left says so without a round trip. */
bool conn_is_usable(struct db *db);

void db_prepared_free(struct db_prepared *p);
