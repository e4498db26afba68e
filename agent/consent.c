/* The signals that an install hook's keeper looks for are held back while it runs. */
#include "agent/consent.h"

#include "agent/clean.h"
#include "agent/hook.h"
#include "agent/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

static enum hook_end ask(const struct config *c, const char *priority, char *why)
{
	struct hook_program p = { .what = "authorize_program",
				  .path = c->authorize_program,
				  .argument = priority,
				  .user = c->authorize_user,
				  .timeout_s = c->authorize_timeout_s };
	CLEAN(fd) int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t signals, before;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	if (nothing < 0 || sigprocmask(SIG_BLOCK, &signals, &before) != 0)
		return HOOK_FAILED;
	enum hook_end end = hook_run(&p, nothing, &signals, why);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return end;
}

bool consent_given(const struct config *c, int64_t priority)
{
	char text[24], why[BOOT_REASON_SIZE] = "authorize_program cannot be started";
	snprintf(text, sizeof(text), "%" PRId64, priority);
	switch (ask(c, text, why)) {
	case HOOK_DONE:
		return true;
	case HOOK_FAILED:
		log_line("priority %s: %s", text, why);
		return false;
	case HOOK_STOPPED:
		raise(SIGTERM);
		return false;
	}
	return false;
}
