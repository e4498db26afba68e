/* The fence: after a backup was restored, what must not happen twice cannot, and what had been
 * closed is closed again, as far as this state directory remembers it (core/witness.h). */
#pragma once

#include "core/witness_file.h"
#include "core/witness_rules.h"
#include "core/call.h"

struct fence_report {
	bool needed;     /* false: the database is where it was left, nothing was done */
	const char *why; /* it was needed; NULL when it was forced */
	int64_t epoch;
	int64_t seen;             /* last entry of the audit that this daemon had seen */
	int64_t head;             /* last entry that the restored database has */
	bool same_audit;          /* the restored audit is where it was seen, or further on */
	int again[WITNESS_KINDS]; /* acts that were done again */
	int64_t campaigns, jobs, classes;
};

/* Raises the fence in the caller's transaction.  ret_mark: for fence_raised() after the
 * commit.  Without force nothing is done unless it is needed.  RC_INVALID when the state
 * directory does not remember anything, or is damaged, and force was not given. */
enum rc fence_raise(struct call *c, const char *dir, bool force, struct witness_mark *ret_mark,
		    struct fence_report *ret) MUST_CHECK;
enum rc fence_raised(const char *dir, const struct witness_mark *mark,
		     struct arena *mem) MUST_CHECK;
/* Another daemon raised it: does again what only this state directory knows. */
enum rc fence_join(struct call *c, const char *dir, struct witness_mark *mark) MUST_CHECK;
