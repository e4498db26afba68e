/* Transactions and plain commands. */

#include "base/clean.h"
#include "db/conn.h"

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

	if (db->broken)
		return RC_UNAVAILABLE;
	if (!PQsendQuery(db->conn, "COMMIT"))
		return conn_lost(db);
	enum rc rc = conn_finish(db, &r);
	if (rc != RC_OK)
		return rc;
	/* COMMIT of a failed transaction succeeds, as ROLLBACK. */
	return strcmp(PQcmdStatus(r), "COMMIT") == 0 ? RC_OK : RC_INTERNAL;
}

void db_rollback(struct db *db)
{
	if (db->broken || !db_in_transaction(db))
		return;
	if (db_exec(db, "ROLLBACK") != RC_OK)
		db->broken = true;
}
