/* Members: the devices that a one-shot campaign chose at its start, in a partition of their
 * own, ordered by the bucket hash. */
#pragma once

#include "base/hash.h"
#include "db/db.h"

/* Writes the members of the campaign's target into a fresh partition, with its indexes, and
 * says how many they are.  Only the ticker does it, once a campaign; the commit should follow
 * soon, because readers of exposed members wait for it. */
enum rc member_store_create(struct db *db, const struct uuid *campaign_id,
			    const struct bucket_salt *salt, int64_t *ret_members) MUST_CHECK;
/* Bucket of the member with this rank (from 0) among so many, BUCKET_END when there is none: a
 * stage with that threshold holds exactly `rank` members. */
enum rc member_store_bucket_at(struct db *db, const struct uuid *campaign_id, int64_t members,
			       int64_t rank, int64_t *ret) MUST_CHECK;

typedef bool member_store_row(void *arg, const struct uuid *device_id);
/* Members that the open stage exposes and that have no job of the campaign yet.  What is seen
 * of a campaign elsewhere is seen here too, and by every backend that asks afterwards. */
enum rc member_store_exposed(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			     member_store_row *row, void *arg) MUST_CHECK;
