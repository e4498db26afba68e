/* Campaigns, the operator's side: plan, start, pause, resume, abort, look.  What time makes of
 * a running campaign is in core/campaign_run.h. */
#pragma once

#include "core/call.h"
#include "core/campaign_rules.h"
#include "db/campaign_store.h"
#include "db/job_store.h"

#define CAMPAIGN_NAME_MAX 128 /* bytes */
#define SILENT_AFTER_MAX  (90 * 24 * 3600)
#define ATTEMPTS_MAX      100
#define SOAK_MAX          (90 * 24 * 3600)

struct campaign_new {
	const char *name;
	struct uuid release_id;
	const char *target; /* canonical JSON: see the schema */
	const struct stage *stages;
	int stage_count;
	int32_t silent_after_s;
	int32_t max_attempts;
};

/* What variants of the release are good for. */
struct campaign_bytes {
	int64_t offered; /* that offers named, of every attempt */
	int64_t saved; /* of succeeded jobs, against the largest variant each could have had */
	int64_t fallbacks; /* jobs whose delta failed */
};

/* What counters say of a whole campaign. */
struct campaign_sums {
	struct campaign_bytes bytes;
	int64_t current; /* members that ran the release before the start */
};

/* A campaign with its progress, from counters. */
struct campaign_item {
	struct campaign_row row;
	struct stage_counts *counts; /* one for each stage */
	struct stage_counts total;
	struct campaign_bytes bytes;
	int64_t bound; /* devices exposed at most before the first automatic stop */
};

struct campaign_items {
	struct campaign_item *items;
	int count;
	bool more;
};

/* What a campaign would do. */
struct campaign_preview {
	struct audience audience;
	int64_t sizes[STAGES_MAX];
	int64_t bound;
	int64_t bytes;  /* to be brought to all members together, at most */
	int64_t deltas; /* members that a delta from what they run fits */
};

/* Checks everything that campaign_create() checks, and stores nothing.
 * ERR_VALIDATION with fields, ERR_NO_DEVICES, ERR_WRONG_CLASS naming the first devices. */
enum rc campaign_preview(struct call *c, const struct campaign_new *in,
			 struct campaign_preview *ret) MUST_CHECK;
enum rc campaign_create(struct call *c, const struct campaign_new *in,
			struct campaign_item *ret) MUST_CHECK;
enum rc campaign_get(struct call *c, const struct uuid *campaign_id,
		     struct campaign_item *ret) MUST_CHECK;
/* Up to page->limit; fewer, and more behind them, when their targets are long. */
enum rc campaign_list(struct call *c, const struct campaign_page *page,
		      struct campaign_items *ret) MUST_CHECK;

/* An operator's move.  revision: the one that was read; ERR_PRECONDITION_FAILED when it has
 * changed, ERR_CAMPAIGN_STATE when the move is not for this state.  Starting checks the classes
 * again; resuming forgives the failures that are known; aborting ends open jobs. */
enum rc campaign_move(struct call *c, const struct uuid *campaign_id, enum campaign_move move,
		      int64_t revision, struct campaign_item *ret) MUST_CHECK;

enum rc campaign_jobs(struct call *c, const struct job_filter *filter, struct job_item **ret,
		      int *ret_count) MUST_CHECK;

/* --- for core/campaign_run.c --- */

/* Puts the campaign, as it is in memory, into another state: the one function that does, with
 * outbox and audit. */
struct campaign_change {
	enum campaign_state to;
	const char *pause_reason; /* NULL: none any more */
	const char *action;       /* of the audit */
};
enum rc campaign_set_state(struct call *c, const struct campaign *campaign,
			   const struct campaign_change *change) MUST_CHECK;

/* Counters of each stage, completed by the members that have no job; in the call's arena.
 * ret_sums may be NULL. */
enum rc campaign_counts(struct call *c, const struct campaign *campaign,
			struct stage_counts **ret, struct campaign_sums *ret_sums) MUST_CHECK;
/* Notes how many members run the release already, for the bound; in place of what was noted. */
enum rc campaign_note_current(struct call *c, const struct campaign *campaign,
			      int64_t current) MUST_CHECK;
/* ERR_NO_DEVICES, ERR_WRONG_CLASS or ERR_VALIDATION when the audience cannot be served. */
enum rc campaign_audience_check(struct call *c, const struct audience *audience) MUST_CHECK;
