/* The launcher's decisions, apart from processes: what to start, and what a child's end means.
 * It stands for a boot loader: it lives outside the slots and is not updated with them. */
#pragma once

#include "agent/boot.h"

/* The next start.  A trial that has used up its tries falls back here; one that has not is
 * counted, and the count is durable before this returns.  False when the state cannot be read
 * or written: then nothing is changed, and *ret_slot is the confirmed slot, or stays what it
 * was when that cannot be read. */
bool launcher_next(const char *dir, uint64_t tries_max, struct boot_state *ret, char *ret_slot);
/* The trial that was started with this state was stopped by its timer.  When it confirmed
 * itself at the last moment, that stands, and so does the next trial, which was not started
 * yet.  ret_fell says whether it fell back. */
bool launcher_timed_out(const char *dir, const struct boot_state *started, bool *ret_fell);
/* The image on trial in slot cannot even be started: why. */
bool launcher_refused(const char *dir, char slot, const char *why);
