/* Campaigns.  A state changes by compare-and-set; every change grows the revision. */
#pragma once

#include "base/model/campaign.h"
#include "base/model/release.h"
#include "db/db.h"

/* A campaign with its stages and what a list shows of its release. */
struct campaign_row {
	struct campaign campaign;
	const char *target; /* JSON text */
	const char *release_version;
	const char *components; /* of the release */
	struct uuid vendor_id, class_id;
};

struct campaign_insert {
	const struct campaign *campaign;
	const char *target;
	const struct uuid *created_by;
};
/* With its stages. */
enum rc campaign_store_insert(struct db *db, int32_t tenant,
			      const struct campaign_insert *in) MUST_CHECK;
enum rc campaign_store_get(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			   struct arena *mem, struct campaign_row *ret) MUST_CHECK;
/* Likewise, and locks it: waits, in its turn, for offers that are being made of it, up to three
 * seconds; offers wait behind it. */
enum rc campaign_store_lock(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			    struct arena *mem, struct campaign_row *ret) MUST_CHECK;
/* Newest first, after (created_at, campaign_id); INT64_MAX and a zero id: from the start.  Up
 * to limit, and fewer when their targets are long: so many that a list of them stays within
 * some megabytes, but at least one. */
struct campaign_page {
	int64_t before;
	struct uuid after_id;
	int limit;
	struct arena *mem;
};
struct campaign_rows {
	struct campaign_row *rows;
	int count;
	bool more; /* there are some behind them */
};
enum rc campaign_store_list(struct db *db, int32_t tenant, const struct campaign_page *page,
			    struct campaign_rows *ret) MUST_CHECK;
/* Ids of campaigns that are starting or running, oldest first. */
enum rc campaign_store_active(struct db *db, int32_t tenant, struct arena *mem,
			      struct uuid **ret, int *ret_count) MUST_CHECK;
/* Those that the ticker has work with: also paused ones that have forgiven failures. */
enum rc campaign_store_judged(struct db *db, int32_t tenant, struct arena *mem,
			      struct uuid **ret, int *ret_count) MUST_CHECK;

struct campaign_move_row {
	enum campaign_state from, to;
	const char *pause_reason; /* NULL: none any more */
	int32_t stage;
	int64_t members;
	int64_t now;
};
/* RC_RETRY when it is not in state `from` any more. */
enum rc campaign_store_move(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			    const struct campaign_move_row *move) MUST_CHECK;
/* Holds the campaign in its state until the transaction ends; ret is that state.  Waits behind
 * whoever waits to lock it. */
enum rc campaign_store_hold(struct db *db, int32_t tenant, const struct uuid *campaign_id,
			    enum campaign_state *ret) MUST_CHECK;
/* Ids of the campaigns of a release that are not over.  Waits for offers of theirs that are
 * being made, and lets none be made, nor one of them start, until the transaction ends. */
enum rc campaign_store_stop_offers(struct db *db, int32_t tenant, const struct uuid *release_id,
				   struct arena *mem, struct uuid **ret,
				   int *ret_count) MUST_CHECK;
/* Ids of those that are not over and whose release was withdrawn at that time or later. */
enum rc campaign_store_withdrawn(struct db *db, int32_t tenant, int64_t since,
				 struct arena *mem, struct uuid **ret,
				 int *ret_count) MUST_CHECK;

/* What the target matches. */
struct audience {
	int64_t members;
	int64_t current;        /* run the release already */
	int64_t wrong;          /* of another class than the release */
	const char *sample[10]; /* endpoint names in order, when the query asks for them */
	int sample_count;
	const char *wrong_sample[10];
	int wrong_count;
	int64_t newer; /* run a newer release of the same class and components */
	const char *newer_sample[10];
	int newer_count;
	const char *missing[10]; /* names in the list that are no device, or a revoked one */
	int missing_count;
	int64_t bytes;  /* that the largest manifest of the release makes one device fetch */
	int64_t deltas; /* members that a delta from what they run fits; with a sample */
};
struct audience_query {
	const char *target; /* JSON text */
	const struct uuid *release_id;
	const struct uuid *vendor_id, *class_id;
	const char *components;
	int64_t sequence;
	bool sample;
};
enum rc campaign_store_audience(struct db *db, int32_t tenant,
				const struct audience_query *query, struct arena *mem,
				struct audience *ret) MUST_CHECK;
