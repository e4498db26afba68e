/* How far this database is: its instance and epoch, and the counters of those who remember. */
#pragma once

#include "base/model/witness.h"
#include "db/db.h"

/* What the database says of a mark (witness_id and audit_seq count). */
enum rc witness_store_read(struct db *db, int32_t tenant, const struct witness_mark *mark,
			   struct witness_row *ret) MUST_CHECK;
/* The counter is at least this. */
enum rc witness_store_put(struct db *db, const struct uuid *witness_id, int64_t counter,
			  int64_t now) MUST_CHECK;
/* One more.  RC_CONFLICT, and nothing changed, when the database is behind the mark or has
 * another epoch. */
enum rc witness_store_step(struct db *db, const struct witness_mark *mark, int64_t now,
			   int64_t *ret_counter) MUST_CHECK;
/* Whether the act stands in the audit. */
enum rc witness_store_has_act(struct db *db, int32_t tenant, const struct witness_act *act,
			      bool *ret) MUST_CHECK;
