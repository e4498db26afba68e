/* The watchdog: tells systemd that the daemon is well, only when every network thread went
 * round its loop since the last time.  A slow database never matters here. */
#pragma once

#include "base/rc.h"

#include <stdbool.h>
#include <stdint.h>

#define WATCHDOG_THREADS_MAX 96

struct watchdog {
	int64_t interval_us;                  /* 0: nobody asked */
	int64_t next;                         /* monotonic */
	uint64_t beats[WATCHDOG_THREADS_MAX]; /* as they were last time */
};

void watchdog_init(struct watchdog *w);
/* True when it is time to look at the beats. */
bool watchdog_is_due(const struct watchdog *w, int64_t now);
/* beats: of each network thread now.  Tells systemd when all of them moved; remembers them. */
void watchdog_look(struct watchdog *w, int64_t now, const uint64_t *beats, int count);
