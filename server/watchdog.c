/* The watchdog. */

#include "server/watchdog.h"

#include "base/log.h"
#include "server/sd.h"

#include <string.h>

void watchdog_init(struct watchdog *w)
{
	memset(w, 0, sizeof(*w));
	w->interval_us = sd_watchdog_us() / 2;
}

bool watchdog_is_due(const struct watchdog *w, int64_t now)
{
	return w->interval_us && now >= w->next;
}

void watchdog_look(struct watchdog *w, int64_t now, const uint64_t *beats, int count)
{
	bool well = true;

	/* The first look is the daemon's first step: its threads are only just beginning. */
	bool first = w->next == 0;
	w->next = now + w->interval_us;
	for (int i = 0; i < count && i < WATCHDOG_THREADS_MAX; i++) {
		well = well && (first || beats[i] != w->beats[i]);
		w->beats[i] = beats[i];
	}
	if (well)
		sd_tell("WATCHDOG=1");
	else
		log_error("a network thread does not move");
}
