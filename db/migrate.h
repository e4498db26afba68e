/* Migrations: db/schema/NNNN-*.sql, embedded in the binary, forward only, checksummed. */
#pragma once

#include "db/db.h"

/* Applies what is missing, each in its own transaction, under an advisory lock.  A migration
 * whose recorded checksum differs from the embedded text stops it with RC_CONFLICT.
 * ret_applied counts. */
enum rc db_migrate(struct db *db, int *ret_applied) MUST_CHECK;
/* RC_OK when the database holds exactly the embedded migrations; RC_CONFLICT otherwise, with
 * the reason in ret_why (static or arena text). */
enum rc db_migrate_check(struct db *db, struct arena *mem, const char **ret_why) MUST_CHECK;
