/* Which rows of the tallies a writer counts in, so that it waits for no other one. */
#pragma once

#include <stdint.h>

#define TALLY_WORKERS_MAX 64
#define TALLY_TICKER      1000 /* there is one ticker, on whichever daemon; no worker has it */

/* Of a daemon's worker, from 0 below TALLY_WORKERS_MAX.  Always the same, so that rows do not
 * grow with every restart; two daemons share theirs by rare chance, and then only wait. */
int32_t tally_shard(const char *node_name, const char *state_dir, int worker);
