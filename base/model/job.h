/* A job: one campaign's update of one device.  Plain data; core/job_rules.h decides. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* The numbers are in the database and, where DEVICE says so, on the wire (api/device.cddl):
 * they never change.  The first six are in the order of progress. */
enum job_state {
	JOB_QUEUED = 0,       /* exposed, not offered yet */
	JOB_OFFERED = 1,      /* the device was told */
	JOB_DOWNLOADING = 2,  /* DEVICE */
	JOB_DOWNLOADED = 3,   /* DEVICE */
	JOB_INSTALLING = 4,   /* DEVICE */
	JOB_REBOOTING = 5,    /* DEVICE: the next boot is a trial of the new image */
	JOB_SUCCEEDED = 10,   /* proved: new boot id and an installed digest of the release */
	JOB_FAILED = 11,      /* DEVICE: with a cause */
	JOB_ROLLED_BACK = 12, /* back on the old digest after a trial */
	JOB_SILENT = 13,      /* not heard from by the deadline */
	JOB_REJECTED =
		14, /* DEVICE: refused the manifest (class, signature, sequence, space) */
	JOB_DEFERRED = 15,   /* DEVICE: later, please; still open */
	JOB_CANCELLED = 16,  /* the campaign was aborted first, or the release withdrawn */
	JOB_SUPERSEDED = 17, /* another campaign took the device */
	JOB_CURRENT = 18,    /* was on the release already; leaves the sample */
};

#define JOB_STATE_END 19 /* one past the last */

enum job_cause {
	CAUSE_NONE = 0,
	CAUSE_DOWNLOAD = 1, /* gave up fetching */
	CAUSE_DIGEST = 2,   /* image does not have the signed digest */
	CAUSE_SIGNATURE = 3,
	CAUSE_CLASS = 4,    /* vendor or class differs */
	CAUSE_SEQUENCE = 5, /* sequence number not higher */
	CAUSE_SPACE = 6,
	CAUSE_STORAGE = 7,  /* write error */
	CAUSE_MANIFEST = 8, /* cannot be processed */
	CAUSE_INSTALL = 9,
	CAUSE_BOOT = 10,     /* the trial boot failed */
	CAUSE_STALLED = 11,  /* set by the server: alive, but no progress by the deadline */
	CAUSE_ATTEMPTS = 12, /* set by the server: tried too often */
	CAUSE_OTHER = 99,
};

struct job {
	int64_t job_id;
	struct uuid device_id;
	struct uuid campaign_id;
	struct uuid release_id;
	const char *component;
	enum job_state state;
	enum job_cause cause;
	int32_t stage;
	int32_t attempt;           /* from 1; part of the report's URI */
	struct digest from_digest; /* what ran when the job was offered; zero: unknown */
	struct bytes boot_id;      /* of the boot in which the job was offered, or seen last */
	int64_t bytes_done, bytes_total;
	struct digest manifest; /* variant that is offered; zero: to be chosen, or none was */
	int64_t bytes_saved;    /* against the largest variant that the device could have had */
	bool fell_back;         /* an attempt with a delta failed: no more deltas */
	const char *text;       /* only when it is made: what is stored with it, or NULL */
	int64_t created_at, updated_at, deadline_at; /* wall, us */
	int64_t row_version; /* as it was read or written: what a compare-and-set compares */
};

const char *job_state_name(enum job_state s);
const char *job_cause_name(enum job_cause c);
