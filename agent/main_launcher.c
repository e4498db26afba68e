/* muster-launcher: stands for the boot loader.  It starts the image in the slot that the boot
 * state names, watches a trial with a timer, and falls back when it is not confirmed.
 *
 * It trusts no image: whatever a child does, hangs or leaves undone, the confirmed slot starts
 * in the end. */
#include "agent/clean.h"
#include "agent/config.h"
#include "agent/file.h"
#include "agent/hook.h"
#include "agent/journal.h"
#include "agent/launcher.h"
#include "agent/log.h"
#include "agent/store.h"
#include "suit/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define EXIT_USAGE    2
#define STOP_MS       10000 /* for a child to end after SIGTERM */
#define PAUSE_MIN_MS  500
#define PAUSE_MAX_MS  60000
#define STEADY_MS     60000 /* one that ran so long did not crash at once */
#define TRIAL_POLL_MS 1000

/* A first file of a further component, from the factory. */
struct given {
	char name[BOOT_NAME_SIZE];
	const char *path;
};

struct launcher {
	struct config config;
	struct given given[CONFIG_PARTS_MAX];
	size_t given_count;
	const char *config_path;
	const char *dir;
	struct boot_state read; /* the last one that could be; active is 0 before that */
	sigset_t signals;
	bool stopping;
	int64_t pause_ms;
};

enum ending { ENDED_REBOOT, ENDED_OTHER, ENDED_TIMEOUT, ENDED_STOPPED };

/* --- a child
 * ----------------------------------------------------------------------------------- */

/* A start: what, and how. */
struct start {
	char slot;
	bool trial;
	struct boot_state state;
};

/* MUSTER_FILE_NAME: where each further component's file is that belongs to this start. */
static void set_files(const struct launcher *l, const struct start *b)
{
	for (size_t i = 0; i < l->config.part_count; i++) {
		const char *name = l->config.part[i].name;
		char file[STORE_NAME_SIZE], path[FILE_PATH_MAX];
		char variable[sizeof(BOOT_ENV_FILE) + BOOT_NAME_SIZE];
		store_file_name(name,
				b->trial ? boot_pair_slot(&b->state, name)
					 : boot_pair_active(&b->state, name),
				file);
		snprintf(variable, sizeof(variable), BOOT_ENV_FILE "%s", name);
		for (char *c = variable; *c; c++)
			if (*c == '-')
				*c = '_';
		if (file_path(l->dir, file, path) && access(path, F_OK) == 0)
			setenv(variable, path, 1);
		else
			unsetenv(variable);
	}
}

static void set_environment(const struct launcher *l, const struct start *b)
{
	uint8_t id[BOOT_ID_SIZE];
	char hex[SUIT_HEX_SIZE(BOOT_ID_SIZE)];
	char name[2] = { b->slot, '\0' };
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		_exit(EXIT_FAILURE);
	suit_hex((struct suit_bytes){ id, sizeof(id) }, hex);
	setenv(BOOT_ENV_SLOT, name, 1);
	setenv(BOOT_ENV_ID, hex, 1);
	setenv(BOOT_ENV_TRIAL, b->trial ? "yes" : "no", 1);
	set_files(l, b);
}

static void exec_slot(const struct launcher *l, const struct start *b, pid_t parent)
{
	char name[STORE_NAME_SIZE];
	char path[FILE_PATH_MAX];
	char *argv[] = { path, (char *)(uintptr_t) "run", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t)l->config_path, NULL };
	store_file_name(NULL, b->slot, name);
	sigprocmask(SIG_UNBLOCK, &l->signals, NULL);
	/* a machine that loses its boot loader does not run on */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !file_path(l->dir, name, path))
		_exit(EXIT_FAILURE);
	set_environment(l, b);
	execv(path, argv);
	log_errno("%s", path);
	_exit(EXIT_FAILURE);
}

static pid_t start_slot(const struct launcher *l, const struct start *b)
{
	pid_t parent = getpid();
	pid_t child = fork();
	if (child == 0)
		exec_slot(l, b, parent);
	if (child < 0)
		log_errno("fork");
	return child;
}

/* Waits for a signal of ours, at most so long; 0 when none came. */
static int wait_signal(const struct launcher *l, int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	int number = sigtimedwait(&l->signals, NULL, &t);
	return number > 0 ? number : 0;
}

static bool has_ended(pid_t child, int *status)
{
	return waitpid(child, status, WNOHANG) == child;
}

static void kill_child(pid_t child, int *status)
{
	kill(child, SIGKILL);
	while (waitpid(child, status, 0) < 0 && errno == EINTR)
		;
}

/* SIGTERM, then patience, then SIGKILL. */
static void stop_child(const struct launcher *l, pid_t child)
{
	int64_t end = link_now_ms() + STOP_MS;
	int status;
	kill(child, SIGTERM);
	while (link_now_ms() < end) {
		if (has_ended(child, &status))
			return;
		wait_signal(l, 100);
	}
	kill_child(child, &status);
}

/* The time of a trial is over.  0: it was confirmed before that, and what may be on trial now
 * is the next one; else when to look again, which is now for a trial that still is one. */
static int64_t next_look(struct launcher *l, const struct start *b, int64_t now_ms)
{
	if (!boot_load(l->dir, &l->read)) /* once is no reason to trust the image for good */
		return now_ms + TRIAL_POLL_MS;
	return boot_same_trial(&l->read, &b->state) ? now_ms : 0;
}

/* Watches a child to its end.  until_ms: when its trial is over; 0: it is not on trial. */
static enum ending watch(struct launcher *l, pid_t child, const struct start *b,
			 int64_t until_ms)
{
	int status;
	for (;;) {
		if (has_ended(child, &status))
			return WIFEXITED(status) && WEXITSTATUS(status) == BOOT_EXIT_REBOOT
				       ? ENDED_REBOOT
				       : ENDED_OTHER;
		int64_t now = link_now_ms();
		if (until_ms && now >= until_ms) {
			until_ms = next_look(l, b, now);
			if (until_ms == now) {
				kill_child(child, &status);
				return ENDED_TIMEOUT;
			}
		}
		int64_t left = until_ms ? until_ms - link_now_ms() : PAUSE_MAX_MS;
		left = left < 1 ? 1 : left < TRIAL_POLL_MS || !until_ms ? left : TRIAL_POLL_MS;
		int number = wait_signal(l, left);
		if (number == SIGTERM || number == SIGINT) {
			stop_child(l, child);
			return ENDED_STOPPED;
		}
	}
}

/* --- the life of the machine
 * ------------------------------------------------------------------- */

static void rest(struct launcher *l, int64_t ran_ms)
{
	l->pause_ms = ran_ms >= STEADY_MS || !l->pause_ms ? PAUSE_MIN_MS : l->pause_ms * 2;
	if (l->pause_ms > PAUSE_MAX_MS)
		l->pause_ms = PAUSE_MAX_MS;
	int64_t end = link_now_ms() + l->pause_ms;
	while (!l->stopping && link_now_ms() < end) {
		int number = wait_signal(l, end - link_now_ms());
		l->stopping = number == SIGTERM || number == SIGINT;
	}
}

static struct start choose_start(struct launcher *l)
{
	struct start b = { .slot = l->read.active ? l->read.active : 'a' };
	bool known = launcher_next(l->dir, l->config.trial_tries, &b.state, &b.slot);
	if (!known)
		log_errno("%s: the boot state cannot be used; starting slot %c", l->dir,
			  b.slot);
	b.trial = known && b.state.trial == b.slot;
	if (known || boot_load(l->dir, &b.state))
		l->read = b.state;
	else
		b.state = l->read;
	return b;
}

/* Components with a program of their own come first.  False: there is nothing to start now. */
static bool settle(struct launcher *l, const struct start *b)
{
	char why[BOOT_REASON_SIZE] = "";
	if (!b->state.active) /* nobody knows what they should be */
		return true;
	enum hook_end end = hooks_settle(&l->config, &b->state, b->trial, &l->signals, why);
	l->stopping = l->stopping || end == HOOK_STOPPED;
	if (end == HOOK_FAILED)
		log_line("%s", why);
	if (end == HOOK_FAILED && b->trial && !launcher_refused(l->dir, b->slot, why)) {
		log_errno("the boot state cannot be written");
		rest(l, 0);
	}
	return end == HOOK_DONE || (end == HOOK_FAILED && !b->trial);
}

static void watch_to_its_end(struct launcher *l, pid_t child, const struct start *b)
{
	bool fell;
	int64_t began = link_now_ms();
	int64_t until = b->trial ? began + (int64_t)l->config.trial_s * 1000 : 0;
	switch (watch(l, child, b, until)) {
	case ENDED_REBOOT:
		l->pause_ms = 0;
		break;
	case ENDED_OTHER:
		log_line("slot %c ended by itself", b->slot);
		if (!b->trial)
			rest(l, link_now_ms() - began);
		break;
	case ENDED_TIMEOUT:
		if (!launcher_timed_out(l->dir, &b->state, &fell))
			log_errno("the boot state cannot be written");
		break;
	case ENDED_STOPPED:
		l->stopping = true;
		break;
	}
}

static void boot_once(struct launcher *l)
{
	struct start b = choose_start(l);
	if (!settle(l, &b))
		return;
	pid_t child = start_slot(l, &b);
	if (child < 0) {
		rest(l, 0);
		return;
	}
	log_line("started slot %c%s, process %d", b.slot, b.trial ? " on trial" : "",
		 (int)child);
	watch_to_its_end(l, child, &b);
}

static int run(struct launcher *l)
{
	sigemptyset(&l->signals);
	sigaddset(&l->signals, SIGTERM);
	sigaddset(&l->signals, SIGINT);
	sigaddset(&l->signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &l->signals, NULL);
	while (!l->stopping)
		boot_once(l);
	return EXIT_SUCCESS;
}

/* --- other commands
 * ---------------------------------------------------------------------------- */

/* What would start now, for people and for scripts. */
static int show(struct launcher *l)
{
	struct boot_state s;
	if (!boot_load(l->dir, &s)) {
		log_errno("%s: the boot state cannot be read", l->dir);
		return EXIT_FAILURE;
	}
	printf("slot=%c\ntrial=%s\ntries=%" PRIu64 "\nsequence=%" PRIu64 "\nlast=%d\n",
	       boot_slot(&s), s.trial == BOOT_NO_TRIAL ? "no" : "yes", s.tries, s.sequence,
	       (int)s.last.outcome);
	for (size_t i = 0; i < l->config.part_count; i++)
		printf("%s=%c\n", l->config.part[i].name,
		       boot_pair_slot(&s, l->config.part[i].name));
	return EXIT_SUCCESS;
}

static bool copy_file(const char *from, const char *to, mode_t mode)
{
	char buf[65536];
	CLEAN(fd) int in = open(from, O_RDONLY | O_CLOEXEC);
	CLEAN(fd) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (in < 0 || out < 0)
		return false;
	for (;;) {
		ssize_t n = read(in, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 && fsync(out) == 0;
		if (!file_write_all(out, buf, (size_t)n))
			return false;
	}
}

/* A first file, into the place of slot a. */
static bool put_first(const struct launcher *l, const char *name, const char *from)
{
	char file[STORE_NAME_SIZE], path[FILE_PATH_MAX];
	store_file_name(name, 'a', file);
	if (!file_path(l->dir, file, path))
		return false;
	unlink(path); /* of a provisioning that was cut short */
	if (copy_file(from, path, name ? 0600 : 0700))
		return true;
	log_errno("%s", from);
	return false;
}

static bool is_part(const struct launcher *l, const char *name)
{
	for (size_t i = 0; i < l->config.part_count; i++)
		if (strcmp(l->config.part[i].name, name) == 0)
			return true;
	log_line("%s: not a further component of this device", name);
	return false;
}

static bool drop(const char *dir, const char *name)
{
	char path[FILE_PATH_MAX];
	return file_path(dir, name, path) && (unlink(path) == 0 || errno == ENOENT);
}

/* What an earlier life has left speaks of other files than those that are put there now. */
static bool drop_stale(const struct launcher *l)
{
	bool done = drop(l->dir, HOOK_APPLIED_FILE);
	for (size_t i = 0; i < UPDATE_PAYLOADS_MAX; i++)
		done = journal_drop(l->dir, i) && done;
	if (!done)
		log_errno("%s", l->dir);
	return done;
}

/* As the factory does: the first image into slot a, and the first files of other components. */
static int provision(struct launcher *l, const char *image)
{
	char boot[FILE_PATH_MAX];
	struct boot_state fresh = { .active = 'a', .trial = BOOT_NO_TRIAL };
	if (!file_path(l->dir, BOOT_FILE, boot))
		return EXIT_FAILURE;
	if (mkdir(l->dir, 0700) != 0 && errno != EEXIST) {
		log_errno("%s", l->dir);
		return EXIT_FAILURE;
	}
	if (access(boot, F_OK) == 0) {
		log_line("%s: is provisioned already", l->dir);
		return EXIT_FAILURE;
	}
	/* the lock's file is there from now on: the agent must start on a full disk too */
	if (store_lock(l->dir) < 0) {
		log_errno("%s: cannot be locked", l->dir);
		return EXIT_FAILURE;
	}
	if (!drop_stale(l))
		return EXIT_FAILURE;
	for (size_t i = 0; i < l->given_count; i++)
		if (!is_part(l, l->given[i].name) ||
		    !put_first(l, l->given[i].name, l->given[i].path))
			return EXIT_FAILURE;
	if (!put_first(l, NULL, image))
		return EXIT_FAILURE;
	if (!boot_save(l->dir, &fresh)) {
		log_errno("%s", l->dir);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/* NAME=FILE */
static bool give(struct launcher *l, const char *text)
{
	struct given *g = &l->given[l->given_count];
	const char *equals = strchr(text, '=');
	if (!equals || equals == text || equals - text >= BOOT_NAME_SIZE ||
	    l->given_count == CONFIG_PARTS_MAX)
		return false;
	memcpy(g->name, text, (size_t)(equals - text));
	g->path = equals + 1;
	l->given_count++;
	return true;
}

static int usage(void)
{
	fputs("usage: muster-launcher [run] -c FILE\n"
	      "       muster-launcher provision -c FILE --image FILE [--component "
	      "NAME=FILE]...\n"
	      "       muster-launcher show -c FILE\n",
	      stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "image", required_argument, NULL, 'i' },
		{ "component", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	static struct launcher l;
	const char *image = NULL;
	char why[CONFIG_TEXT_MAX];
	int o;
	log_open("muster-launcher");
	while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (o == '?' || (o == 'n' && !give(&l, optarg)))
			return usage();
		if (o != 'n')
			*(o == 'c' ? &l.config_path : &image) = optarg;
	}
	const char *command = optind < argc ? argv[optind] : "run";
	if (!l.config_path || optind + 1 < argc)
		return usage();
	if (!config_load(l.config_path, &l.config, why)) {
		log_line("%s", why);
		return EXIT_FAILURE;
	}
	l.dir = l.config.state_dir;
	if (strcmp(command, "run") == 0)
		return run(&l);
	if (strcmp(command, "show") == 0)
		return show(&l);
	return strcmp(command, "provision") == 0 && image ? provision(&l, image) : usage();
}
