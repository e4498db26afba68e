/* Members: the devices that a one-shot campaign chose at its start, in a partition of their
 * own, ordered by the bucket hash. */
#pragma once

#include "base/hash.h"
#include "db/db.h"

/* Of advisory locks: who has it in a transaction may publish members, who shares it may look.
 */
#define MEMBER_LOCK "(1835363682, 0)"

/* Writes the members of the campaign's target into a fresh partition, with its indexes, and
 * says how many they are.  Only the ticker does it, once a campaign. */
enum rc member_store_create(struct db *db, const struct uuid *campaign_id,
			    const struct bucket_salt *salt, int64_t *ret_members) MUST_CHECK;
/* At the end of a transaction that made members: waits for those that look at members, and
 * nobody looks until the commit, which should follow soon.  Before the head of the audit is
 * locked, which who looks may want.  RC_RETRY when somebody looks
 * for longer than two seconds: others that want to look wait behind it.  No other lock of this
 * transaction is waited for any longer from then on. */
enum rc member_store_publish(struct db *db) MUST_CHECK;
/* To be called in a transaction before its first statement that reads the table `member`: no
 * members are published before the transaction ends, which should be soon. */
enum rc member_store_look(struct db *db) MUST_CHECK;
/* Bucket of the member with this rank (from 0) among so many, BUCKET_END when there is none: a
 * stage with that threshold holds exactly `rank` members. */
enum rc member_store_bucket_at(struct db *db, const struct uuid *campaign_id, int64_t members,
			       int64_t rank, int64_t *ret) MUST_CHECK;

typedef bool member_store_row(void *arg, const struct uuid *device_id);
/* Members that the open stage exposes and that have no job of the campaign yet.  Needs no
 * member_store_look(). */
enum rc member_store_exposed(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			     member_store_row *row, void *arg) MUST_CHECK;
