/* Transactions and plain commands. */

#include "base/clean.h"
#include "base/clock.h"
#include "db/conn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum rc db_exec(struct db *db, const char *sql)
{
	CLEAN(result) PGresult *r = NULL;

	if (db->broken)
		return RC_UNAVAILABLE;
	if (!PQsendQuery(db->conn, sql))
		return conn_lost(db);
	return conn_finish(db, &r);
}

bool db_in_transaction(const struct db *db)
{
	return PQtransactionStatus(db->conn) != PQTRANS_IDLE;
}

enum rc db_begin(struct db *db)
{
	return db_exec(db, "BEGIN");
}

enum rc db_commit(struct db *db)
{
	CLEAN(result) PGresult *r = NULL;

	if (db->broken || memory_is_short())
		return RC_UNAVAILABLE;
	if (!PQsendQuery(db->conn, "COMMIT"))
		return conn_lost(db);
	enum rc rc = conn_finish(db, &r);
	db->wait_us = db->usual_wait_us;
	if (rc != RC_OK)
		return rc;
	/* COMMIT of a failed transaction succeeds, as ROLLBACK. */
	return strcmp(PQcmdStatus(r), "COMMIT") == 0 ? RC_OK : RC_INTERNAL;
}

enum rc db_patience(struct db *db, int64_t timeout_ms)
{
	int64_t wait_us = timeout_ms * USEC_PER_MS + DB_GRACE_US;
	char sql[64];

	if (db->usual_wait_us < 0 || wait_us < db->usual_wait_us)
		return RC_OK;
	snprintf(sql, sizeof(sql), "SET LOCAL statement_timeout = %" PRId64, timeout_ms);
	enum rc rc = db_exec(db, sql);
	if (rc == RC_OK)
		db->wait_us = wait_us;
	return rc;
}

void db_rollback(struct db *db)
{
	db->wait_us = db->usual_wait_us;
	if (db->broken || !db_in_transaction(db))
		return;
	if (db_exec(db, "ROLLBACK") != RC_OK)
		db->broken = true;
}
