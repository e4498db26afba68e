/* musterd serve, as a story: read the configuration, open what is on disk, start what needs no
 * database, then let the main loop start the rest as the database comes; stop in reverse. */

#include "base/clean.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/command.h"
#include "server/daemon.h"
#include "server/dumpable.h"
#include "server/log_level.h"
#include "server/sd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STEP_MS 100

static void start_log(const struct settings *s)
{
	enum log_level level = LOG_LEVEL_INFO;

	if (log_level_parse(s->log_level, &level) != RC_OK)
		level = LOG_LEVEL_INFO; /* settings_load refused others */
	log_init(level);
}

/* Blocks the signals for every thread that starts later; they arrive as reads. */
static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error of write(), not our end */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The signal that came, 0 for none. */
static int next_signal(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

static enum rc start(struct daemon *d)
{
	enum rc rc = daemon_open_state(d);

	if (rc == RC_OK)
		rc = daemon_start_core(d);
	if (rc == RC_OK)
		rc = daemon_start_http(d);
	return rc;
}

/* Until it is told to stop, or a part fails for good. */
static enum rc run(struct daemon *d, int signals)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };

	for (;;) {
		enum rc rc = daemon_step(d);

		if (rc != RC_OK)
			return rc;
		if (poll(&p, 1, STEP_MS) <= 0)
			continue;
		int number = next_signal(signals);
		if (number == SIGHUP)
			daemon_reload(d);
		else if (number)
			return RC_OK;
	}
}

int cmd_serve(const struct command_line *line)
{
	CLEAN(fd) int signals = -1;
	struct daemon d = { .mem = line->mem, .config_path = line->config };

	if (settings_load(line->config, line->mem, &d.settings) != RC_OK)
		return COMMAND_FAILED;
	if (d.settings.core_dumps)
		dumpable_set(true);
	start_log(&d.settings);
	signals = open_signals();
	if (signals < 0) {
		log_error("no signals", "error", strerror(errno));
		return COMMAND_FAILED;
	}
	log_info("starting", "version", MUSTER_VERSION);
	enum rc rc = start(&d);
	if (rc == RC_OK)
		rc = run(&d, signals);
	sd_tell("STOPPING=1");
	daemon_stop(&d);
	log_info("stopped");
	return rc == RC_OK ? COMMAND_DONE : COMMAND_FAILED;
}
