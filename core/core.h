/* The domain's long-lived parts, wired once by server/cmd_serve.c and read by every thread.
 * All members are thread-safe by themselves. */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

struct roster;
struct job_memo;
struct images;
struct certs;
struct db_pool;

struct core_options {
	int32_t checkin_interval_s; /* what a device with nothing to do is told */
};

struct core {
	struct roster *roster;
	struct job_memo *jobs; /* NULL: every report reads its job */
	struct images *images;
	struct certs *certs;
	struct db_pool *pool;       /* only to ask how it is; calls bring their connection */
	struct bytes tenant_secret; /* key of device ids; for the life of the process */
	struct bytes seal_key; /* SEAL_KEY_SIZE bytes, for secrets at rest (certs/seal.h) */
	struct uuid node_id;   /* this daemon */
	const char *state_dir; /* NULL in tests: nothing is kept outside of the database */
	_Atomic(const char *) not_ready;  /* why not, for /readyz; a constant text, or NULL */
	_Atomic uint64_t delta_fallbacks; /* jobs whose delta failed, since the start */
	_Atomic uint64_t bytes_saved;     /* by jobs that succeeded, since the start */
	struct core_options options;
};
