/* What was put there last is written down in `hooks`: first that nobody knows, then the program
 * runs, then which of the two files it was. */
#include "agent/hook.h"

#include "agent/clean.h"
#include "agent/file.h"
#include "agent/log.h"
#include "agent/orphans.h"
#include "agent/store.h"
#include "agent/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define APPLIED_MAX   512
#define WHAT_SIZE     64
#define UNKNOWN       '-'
#define MEMORY_MAX    (UINT64_C(512) << 20)
#define FILES_MAX     64
#define PROCESSES_MAX 64

/* --- the child ---------------------------------------------------------------------------- */

static bool limit(int what, rlim_t most)
{
	struct rlimit r = { most, most };
	return setrlimit((__rlimit_resource_t)what, &r) == 0;
}

static bool set_limits(const struct hook_program *p)
{
	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_CPU, p->timeout_s) &&
	       limit(RLIMIT_AS, MEMORY_MAX) && limit(RLIMIT_NOFILE, FILES_MAX) &&
	       limit(RLIMIT_NPROC, PROCESSES_MAX);
}

/* For good, and with all its groups.  Who is that user already has nothing to give up. */
static bool become(const struct passwd *user)
{
	if (getuid() == user->pw_uid && geteuid() == user->pw_uid && user->pw_uid != 0)
		return true;
	return setgroups(0, NULL) == 0 &&
	       setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
	       setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0;
}

static bool set_files(int input)
{
	int null = open("/dev/null", O_WRONLY);
	return null >= 0 && dup2(input, STDIN_FILENO) == STDIN_FILENO &&
	       dup2(null, STDOUT_FILENO) == STDOUT_FILENO &&
	       close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
}

static void become_hook(const struct hook_program *p, const struct passwd *user, int input,
			pid_t parent)
{
	char *argv[] = { (char *)(uintptr_t)p->path, (char *)(uintptr_t)p->argument, NULL };
	char *envp[] = { NULL };
	sigset_t none;
	sigemptyset(&none);
	setsid();
	/* the limits before the user: on its own count of processes they hold from the start */
	if (!set_files(input) || !set_limits(p) || !become(user) || chdir("/") != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(126);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(p->path, argv, envp);
	_exit(127);
}

/* --- its keeper, a process between it and the caller -------------------------------------- */

/* It and its group. */
static void kill_group(pid_t child)
{
	int status;
	kill(-child, SIGKILL);
	kill(child, SIGKILL); /* it may not have a group yet */
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
}

static enum hook_end judge(const struct hook_program *p, int status, char *why)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return HOOK_DONE;
	if (WIFEXITED(status))
		snprintf(why, BOOT_REASON_SIZE, "%s ended with %d", p->what,
			 WEXITSTATUS(status));
	else
		snprintf(why, BOOT_REASON_SIZE, "%s died of signal %d", p->what,
			 WTERMSIG(status));
	return HOOK_FAILED;
}

/* The child is left in place, so that its group keeps its number while it is killed.  What
 * it left behind and has ended is not: zombies count among its user's few processes. */
static bool has_ended(pid_t child)
{
	siginfo_t info = { 0 };
	for (int i = 0; i < PROCESSES_MAX; i++) {
		if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == child)
			return true;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    info.si_pid == 0)
			return false;
		if (info.si_pid != child)
			waitpid(info.si_pid, NULL, 0);
	}
	return false;
}

static enum hook_end wait_for(const struct hook_program *p, pid_t child,
			      const sigset_t *signals, char *why)
{
	int64_t end = link_now_ms() + (int64_t)p->timeout_s * 1000;
	int status;
	for (;;) {
		if (has_ended(child)) {
			kill(-child, SIGKILL);
			if (waitpid(child, &status, 0) == child)
				return judge(p, status, why);
		}
		int64_t left = end - link_now_ms();
		if (left <= 0) {
			kill_group(child);
			snprintf(why, BOOT_REASON_SIZE, "%s took too long", p->what);
			return HOOK_FAILED;
		}
		left = left < 1000 ? left : 1000;
		struct timespec t = { left / 1000, left % 1000 * 1000000 };
		int number = sigtimedwait(signals, NULL, &t);
		if (number == SIGTERM || number == SIGINT) {
			kill_group(child);
			return HOOK_STOPPED;
		}
	}
}

/* Nothing ends it but SIGKILL: a signal that ends its caller's whole group as well comes to it
 * as the caller's death. */
static void block_signals(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

/* How it ended, in memory of keeper and caller. */
struct said {
	enum hook_end end;
	char why[BOOT_REASON_SIZE];
};

static enum hook_end keep(const struct hook_program *p, const struct passwd *user, int input,
			  const sigset_t *signals, char *why)
{
	pid_t keeper = getpid();
	block_signals();
	pid_t child = orphans_adopt() ? fork() : -1;
	if (child == 0)
		become_hook(p, user, input, keeper);
	if (child < 0) {
		snprintf(why, BOOT_REASON_SIZE, "%s cannot be started", p->what);
		return HOOK_FAILED;
	}
	snprintf(why, BOOT_REASON_SIZE, "%s lost its keeper", p->what);
	enum hook_end end = wait_for(p, child, signals, why);
	if (!orphans_end())
		log_line("what %s has left cannot be killed", p->what);
	return end;
}

/* --- the caller --------------------------------------------------------------------------- */

/* It has the clock. */
static bool wait_for_keeper(pid_t keeper, const sigset_t *signals)
{
	static const struct timespec second = { 1, 0 };
	bool stopped = false;
	while (waitpid(keeper, NULL, WNOHANG) == 0) {
		int number = sigtimedwait(signals, NULL, &second);
		if (number != SIGTERM && number != SIGINT)
			continue;
		stopped = true;
		kill(keeper, SIGTERM);
	}
	return stopped;
}

/* The caller's death is a signal to stop, like any other. */
static enum hook_end run_kept(const struct hook_program *p, const struct passwd *user,
			      int input, const sigset_t *signals, struct said *said)
{
	said->end = HOOK_FAILED;
	snprintf(said->why, sizeof(said->why), "%s cannot be started", p->what);
	pid_t caller = getpid();
	pid_t keeper = fork();
	if (keeper == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == caller)
		said->end = keep(p, user, input, signals, said->why);
	if (keeper == 0)
		_exit(0);
	bool stopped = keeper > 0 && wait_for_keeper(keeper, signals);
	return stopped ? HOOK_STOPPED : said->end;
}

enum hook_end hook_run(const struct hook_program *p, int input, const sigset_t *signals,
		       char *why)
{
	const struct passwd *user = getpwnam(p->user);
	if (!user) {
		snprintf(why, BOOT_REASON_SIZE, "there is no user %s", p->user);
		return HOOK_FAILED;
	}
	struct said *said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (said == MAP_FAILED) {
		snprintf(why, BOOT_REASON_SIZE, "no memory");
		return HOOK_FAILED;
	}
	enum hook_end end = run_kept(p, user, input, signals, said);
	if (end == HOOK_FAILED)
		snprintf(why, BOOT_REASON_SIZE, "%s", said->why);
	munmap(said, sizeof(*said));
	return end;
}

/* --- what was put there last -------------------------------------------------------------- */

/* A letter for each component of the configuration; what cannot be read is not known. */
static void load_applied(const struct config *c, char ret[CONFIG_PARTS_MAX])
{
	char path[FILE_PATH_MAX], text[APPLIED_MAX];
	char *cursor = text;
	struct text_pair pair;
	unsigned line = 0;
	size_t n;
	memset(ret, UNKNOWN, CONFIG_PARTS_MAX);
	if (!file_path(c->state_dir, HOOK_APPLIED_FILE, path) ||
	    !file_read_text(path, text, sizeof(text), &n))
		return;
	while (text_next(&cursor, &line, &pair) == TEXT_PAIR)
		for (size_t i = 0; i < c->part_count; i++)
			if (strcmp(c->part[i].name, pair.key) == 0 && pair.value[0] &&
			    !pair.value[1])
				ret[i] = pair.value[0];
}

static bool save_applied(const struct config *c, const char applied[CONFIG_PARTS_MAX])
{
	char text[APPLIED_MAX];
	int n = 0;
	for (size_t i = 0; i < c->part_count; i++)
		if (c->part[i].hook)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%s=%c\n",
				      c->part[i].name, applied[i]);
	return file_replace(c->state_dir, HOOK_APPLIED_FILE, text, (size_t)n);
}

/* Before the program runs nobody must believe what was there.  On a full disk the file goes:
 * that needs no space.  If even that is not durable, a power cut within the next moments could
 * bring back what it said, which is still better than not to call the program at all. */
static bool forget_applied(const struct config *c, const char applied[CONFIG_PARTS_MAX])
{
	char path[FILE_PATH_MAX];
	if (save_applied(c, applied))
		return true;
	if (!file_path(c->state_dir, HOOK_APPLIED_FILE, path) ||
	    (unlink(path) != 0 && errno != ENOENT))
		return false;
	if (!file_sync_dir(c->state_dir))
		log_errno("%s", c->state_dir);
	return true;
}

static enum hook_end run_install(const struct config_part *p, int image,
				 const sigset_t *signals, char *why)
{
	char what[WHAT_SIZE];
	struct hook_program program = { .what = what,
					.path = p->program,
					.argument = p->name,
					.user = p->user,
					.timeout_s = p->timeout_s };
	snprintf(what, sizeof(what), "install hook of %s", p->name);
	return hook_run(&program, image, signals, why);
}

static enum hook_end apply(const struct config *c, size_t i, char slot,
			   char applied[CONFIG_PARTS_MAX], const sigset_t *signals, char *why)
{
	char name[STORE_NAME_SIZE], path[FILE_PATH_MAX];
	const struct config_part *p = &c->part[i];
	store_file_name(p->name, slot, name);
	if (!file_path(c->state_dir, name, path))
		return HOOK_FAILED;
	CLEAN(fd) int image = open(path, O_RDONLY | O_CLOEXEC);
	if (image < 0 && errno == ENOENT)
		return HOOK_DONE; /* it never had one */
	applied[i] = UNKNOWN;
	/* also when it cannot be opened: its file may hold something else the next time */
	if (!forget_applied(c, applied) || image < 0) {
		snprintf(why, BOOT_REASON_SIZE, "%s cannot be read or written down", p->name);
		return HOOK_FAILED;
	}
	log_line("install hook of %s: %s", p->name, name);
	enum hook_end end = run_install(p, image, signals, why);
	if (end != HOOK_DONE)
		return end;
	applied[i] = slot;
	if (!save_applied(c, applied)) /* then it is done once more at the next start */
		log_errno("%s cannot be written", HOOK_APPLIED_FILE);
	return HOOK_DONE;
}

enum hook_end hooks_settle(const struct config *c, const struct boot_state *s, bool on_trial,
			   const sigset_t *signals, char *why)
{
	char applied[CONFIG_PARTS_MAX];
	bool loaded = false;
	enum hook_end worst = HOOK_DONE;
	for (size_t i = 0; i < c->part_count && worst != HOOK_STOPPED; i++) {
		const struct config_part *p = &c->part[i];
		if (!p->hook)
			continue;
		if (!loaded)
			load_applied(c, applied);
		loaded = true;
		char slot =
			on_trial ? boot_pair_slot(s, p->name) : boot_pair_active(s, p->name);
		if (applied[i] == slot)
			continue;
		enum hook_end end = apply(c, i, slot, applied, signals, why);
		worst = end == HOOK_DONE ? worst : end;
	}
	return worst;
}
