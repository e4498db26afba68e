/* What `muster` ends with.  Functions of cli/ return it; anything but EXIT_DONE means that the
 * reason was told on stderr already.  docs/cli.md documents the numbers: they never change. */
#pragma once

#include "base/rc.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,    /* wrong usage, no server, any other error */
	EXIT_CANCELLED = 2, /* interrupted, or not confirmed */
	EXIT_NOT_FOUND = 3,
	EXIT_AUTH = 4,     /* not logged in, or not allowed */
	EXIT_CAMPAIGN = 5, /* the watched campaign was stopped by its gate, paused or aborted */
	EXIT_CONFLICT = 6, /* it changed meanwhile, or is in another state */
	EXIT_NOT_WORTH = 7, /* a delta that saves too little; nothing was written */
	EXIT_PENDING = 8,   /* the time to watch is over and the campaign still runs */
};

/* One line on stderr, "muster: ...", without control characters. */
void cli_complain(const char *fmt, ...) PRINTF(1, 2);
/* Says why and yields the code.  A macro, so that analyzers see that it is not EXIT_DONE. */
#define cli_fail(code, ...)                                                                    \
	({                                                                                     \
		enum exit_code fail_code_ = (code);                                            \
		cli_complain(__VA_ARGS__);                                                     \
		fail_code_;                                                                    \
	})
/* One line of talk on stderr: what happened, what to do next. */
void cli_say(const char *fmt, ...) PRINTF(1, 2);
