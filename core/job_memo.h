/* What jobs were like when this daemon wrote them last.  A device that reports goes on
 * reporting: from here its job need not be read before it is written.  Only a hint: the write
 * compares the row's version, so what has become untrue costs a reading and nothing else.
 *
 * A fixed number of places, found by the job's number; the latest job has the place.  For every
 * thread.  All functions take NULL: then nothing is remembered. */
#pragma once

#include "base/arena.h"
#include "base/model/job.h"

#include <stdbool.h>

struct job_memo;

#define JOB_MEMO_PLACES 32768 /* 7 MB, touched as they are used */
/* Nothing is believed for longer: versions of rows come round again, after very long. */
#define JOB_MEMO_LIFE_US (INT64_C(600) * 1000000)

struct job_memo *job_memo_create(void);
void job_memo_free(struct job_memo *memo);
/* The job as it was written; without component, from_digest and created_at, as job_store_get()
 * gives it.  now: wall. */
void job_memo_put(struct job_memo *memo, const struct job *job, int64_t now);
void job_memo_drop(struct job_memo *memo, int64_t job_id);
/* False when nothing is known of this device's job.  boot_id is in the arena. */
bool job_memo_get(struct job_memo *memo, const struct uuid *device_id, int64_t job_id,
		  int64_t now, struct arena *mem, struct job *ret);
