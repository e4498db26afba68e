/* Whoever authorizes updates of this device: a program of the device maker's, which may look at
 * a switch, at what a user has chosen, at whether the machine stands still.
 *
 * PROGRAM PRIORITY; 0 says yes, anything else not now.  It runs as an install hook does
 * (agent/hook.h), and the agent stands still meanwhile, so it has authorize_timeout_s, ten at
 * most: it tells what it knows and does not wait for people.  It is asked before the download
 * and again before the installation, and once more while that begins. */
#pragma once

#include "agent/config.h"

/* No, also when it cannot be asked; that is logged.  May raise SIGTERM, which came meanwhile.
 */
bool consent_given(const struct config *c, int64_t priority);
