/* What a report, a boot or a deadline does to a job.  Pure: no database, no clock.
 *
 * Within an attempt progress only goes forward, so reports may repeat, reorder and come late.
 * A terminal state is left again only by proof: a job judged from afar (silent, stalled, too
 * many attempts) becomes succeeded when the device proves it, and a succeeded one becomes
 * rolled back when the device boots the old image again; both only while the campaign is
 * active. */
#pragma once

#include "base/model/job.h"

#include <stdbool.h>

/* Does the job hold its component? */
bool job_state_is_open(enum job_state s);
/* Counts against the gate. */
bool job_state_is_failure(enum job_state s);
/* Leaves the gate's sample. */
bool job_state_leaves_sample(enum job_state s);
/* Has the device begun with what it was offered?  What has not begun can be taken back. */
bool job_state_is_begun(enum job_state s);
/* May a device report it? */
bool job_state_is_reportable(int64_t state);
bool job_cause_is_reportable(int64_t cause);

/* What becomes of a job.  Members that a kind of step does not touch hold the job's values. */
struct job_step {
	bool changed; /* something must be stored */
	enum job_state state;
	enum job_cause cause;
	int32_t attempt; /* another than the job's: its manifest is chosen again */
	bool fell_back;  /* with another attempt: a delta failed, it gets no other */
	bool choose;     /* within the attempt: its manifest is chosen again */
	int64_t bytes_done, bytes_total;
	bool new_boot;       /* the job is in another boot from now on */
	bool renew;          /* the deadline starts again from now */
	int64_t deadline_at; /* when renew is false: the deadline from now on */
	const char *text;    /* NULL: keep what is there */
};

struct job_report {
	int64_t job_id;
	int32_t attempt;
	enum job_state state;
	enum job_cause cause;
	int64_t bytes_done;  /* -1: not said */
	int64_t bytes_total; /* -1: not said */
	const char *text;    /* or NULL */
};

void job_on_report(const struct job *job, const struct job_report *report,
		   struct job_step *ret);
/* A step of job_on_report() that ends an attempt with a delta: the next attempt is without one,
 * when the campaign allows another and the cause lies not in the release itself.  True when it
 * became that. */
bool job_on_failed_delta(const struct job *job, int32_t max_attempts, struct job_step *step);

/* Is a manifest chosen for its attempt? */
bool job_is_chosen(const struct job *job);

/* What a committed registration says about a job.  A device that says of itself something else
 * than before gets what fits that, unless it has begun; in a new boot also then, if it cannot
 * go on. */
struct job_boot {
	bool new_boot;        /* another boot id than the job's */
	bool runs_release;    /* all installed digests (or versions) of the release */
	bool runs_old;        /* what ran when the job was offered (or an older version) */
	bool campaign_active; /* running or paused */
	int32_t max_attempts;
	bool delta;       /* what it was offered patches what it has */
	bool unfit;       /* what it was offered does not fit it as it is now */
	bool other;       /* nor is it what would be chosen for it now */
	int64_t last_job; /* the launcher's verdict, 0: none */
	int32_t last_attempt;
	enum job_state last_outcome;
	const char *last_text;
};

void job_on_boot(const struct job *job, const struct job_boot *boot, struct job_step *ret);

struct job_clock {
	int64_t now;
	int64_t heard_at;     /* last sign of life, or when it said it would wake, if later */
	int64_t fetched_at;   /* last block of an image that went to it; 0: none */
	int64_t up_since;     /* the time before does not count: the server was away */
	int64_t silent_after; /* us */
};

/* A download without any report counts as progress for so many times silent_after. */
#define FETCH_CREDIT 20
/* A device that has put its update off (deferred) is not stalled before: the agent waits for a
 * window for eight days at most. */
#define DEFERRED_MAX_US (INT64_C(9) * 86400 * 1000000)

/* For an open job whose deadline has passed: silent when nothing was heard for silent_after,
 * stalled when it was heard but did not move for twice that (or, deferred, for DEFERRED_MAX_US,
 * if that is longer), else a later deadline.  Reports and fetched blocks are moves. */
void job_on_deadline(const struct job *job, const struct job_clock *clock,
		     struct job_step *ret);
