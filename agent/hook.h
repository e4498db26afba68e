/* Components that are not just files: a program of the device maker's puts them where they
 * belong, a modem's flash for example.
 *
 * The pair of files and the boot state say what the component is to hold; the program makes it
 * so.  The launcher calls it before it starts a slot, whenever what was put there last is not
 * what this start wants: for a trial with the new file, after a trial that failed with the old
 * one again, after a cut in the middle once more.  So the program must bear being called twice,
 * and whenever a slot runs the component is the one that belongs to it.
 *
 * The program: PROGRAM COMPONENT, the image on its standard input; 0 is success.  It runs as
 * its user alone (no groups, no new privileges), with an empty environment, no other open file
 * but standard error, in a session of its own, under limits, for at most its time; then it and
 * whatever it started are killed, also what has left its session, and also when the launcher
 * is. */
#pragma once

#include "agent/boot.h"
#include "agent/config.h"

#include <signal.h>

#define HOOK_APPLIED_FILE "hooks"

enum hook_end {
	HOOK_DONE,
	HOOK_FAILED,  /* and the reason is told */
	HOOK_STOPPED, /* a signal of the caller's came first */
};

struct hook_program {
	const char *what; /* it is, in what is told: "install hook of modem" */
	const char *path, *argument, *user;
	uint64_t timeout_s;
};

/* Runs the program on an open file.  signals are blocked by the caller; SIGTERM and SIGINT of
 * them end it. why has BOOT_REASON_SIZE. */
enum hook_end hook_run(const struct hook_program *p, int input, const sigset_t *signals,
		       char *why);

/* Makes every component that has a program what this start wants: on_trial, or as confirmed. */
enum hook_end hooks_settle(const struct config *c, const struct boot_state *s, bool on_trial,
			   const sigset_t *signals, char *why);
