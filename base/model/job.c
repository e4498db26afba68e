/* Names of what a job can be; the numbers have gaps. */

#include "base/model/job.h"

const char *job_state_name(enum job_state s)
{
	static const char *const names[JOB_STATE_END] = {
		[JOB_QUEUED] = "queued",           [JOB_OFFERED] = "offered",
		[JOB_DOWNLOADING] = "downloading", [JOB_DOWNLOADED] = "downloaded",
		[JOB_INSTALLING] = "installing",   [JOB_REBOOTING] = "rebooting",
		[JOB_SUCCEEDED] = "succeeded",     [JOB_FAILED] = "failed",
		[JOB_ROLLED_BACK] = "rolled_back", [JOB_SILENT] = "silent",
		[JOB_REJECTED] = "rejected",       [JOB_DEFERRED] = "deferred",
		[JOB_CANCELLED] = "cancelled",     [JOB_SUPERSEDED] = "superseded",
		[JOB_CURRENT] = "current",
	};
	const char *name = (unsigned)s < ARRAY_LEN(names) ? names[s] : NULL;

	return name ? name : "unknown";
}

const char *job_cause_name(enum job_cause c)
{
	static const char *const names[] = {
		[CAUSE_NONE] = "none",         [CAUSE_DOWNLOAD] = "download",
		[CAUSE_DIGEST] = "digest",     [CAUSE_SIGNATURE] = "signature",
		[CAUSE_CLASS] = "class",       [CAUSE_SEQUENCE] = "sequence",
		[CAUSE_SPACE] = "space",       [CAUSE_STORAGE] = "storage",
		[CAUSE_MANIFEST] = "manifest", [CAUSE_INSTALL] = "install",
		[CAUSE_BOOT] = "boot",         [CAUSE_STALLED] = "stalled",
		[CAUSE_ATTEMPTS] = "attempts", [CAUSE_OTHER] = "other",
	};
	const char *name = (unsigned)c < ARRAY_LEN(names) ? names[c] : NULL;

	return name ? name : "unknown";
}
