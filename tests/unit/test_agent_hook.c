/* An install hook ends with all that came of it, in whatever session that is. */
#include "agent/hook.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct temp_dir dir;
static char program[CONFIG_TEXT_MAX], user[33];
static sigset_t signals;

/* A shell that takes the image, leaves an orphan in a session of its own behind, whose child
 * is in yet another one, and then does what is given. */
static void write_program(const char *end)
{
	FILE *f = fopen(program, "we");
	if (!f || fprintf(f,
			  "#!/bin/sh\n"
			  "PATH=/usr/bin:/bin\n"
			  "cd %s && cat > image && rm -f one two\n"
			  "setsid sh -c 'echo $$ > one; setsid sleep 300 & echo $! > two; "
			  "exec sleep 300' &\n"
			  "while [ ! -s two ]; do sleep 0.05; done\n"
			  "%s\n",
			  dir.path, end) < 0)
		abort();
	fclose(f);
	if (chmod(program, 0755) != 0)
		abort();
}

static enum hook_end run(uint32_t timeout_s, char why[BOOT_REASON_SIZE])
{
	struct hook_program p = { .what = "install hook of modem",
				  .path = program,
				  .argument = "modem",
				  .user = user,
				  .timeout_s = timeout_s };
	int image = open(program, O_RDONLY | O_CLOEXEC);
	enum hook_end end = hook_run(&p, image, &signals, why);
	close(image);
	return end;
}

static pid_t pid_in(const char *name)
{
	char path[600];
	int pid = 0;
	snprintf(path, sizeof(path), "%s/%s", dir.path, name);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static bool gone(const char *name)
{
	pid_t pid = pid_in(name);
	return pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
}

static void test_ends(void)
{
	char why[BOOT_REASON_SIZE] = "";
	write_program("exit 0");
	is_int(run(60, why), HOOK_DONE, "done");
	ok(gone("one") && gone("two"), "and alone");
	write_program("exit 3");
	is_int(run(60, why), HOOK_FAILED, "failed");
	is_str(why, "install hook of modem ended with 3", "why");
	ok(gone("one") && gone("two"), "and alone");
	write_program("sleep 60");
	is_int(run(2, why), HOOK_FAILED, "too slow");
	is_str(why, "install hook of modem took too long", "why");
	ok(gone("one") && gone("two"), "and alone");
	write_program("kill -KILL $PPID; exec sleep 60");
	is_int(run(60, why), HOOK_FAILED, "nobody knows");
	is_str(why, "install hook of modem lost its keeper", "why");
	kill(pid_in("one"), SIGKILL);
	kill(pid_in("two"), SIGKILL);
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "no child is left");
}

/* What has lost its parent and ends is not kept as a zombie: those count as processes of the
 * hook's user, of which there are not many. */
static void test_reaped(void)
{
	char why[BOOT_REASON_SIZE] = "";
	write_program("sh -c 'sleep 0.1 & echo $! > short'\n"
		      "n=0; while [ -d /proc/$(cat short) ]; do\n"
		      "n=$((n + 1)); [ $n -lt 60 ] || exit 4; sleep 0.05; done");
	is_int(run(60, why), HOOK_DONE, "what ended is gone");
	is_str(why, "", "in time");
}

/* A child of the caller's that has nothing to do with it. */
static void test_others_stay(void)
{
	char why[BOOT_REASON_SIZE] = "";
	pid_t other = fork();
	if (other == 0) {
		pause();
		_exit(0);
	}
	write_program("exit 0");
	is_int(run(60, why), HOOK_DONE, "done");
	is_int(waitpid(other, NULL, WNOHANG), 0, "others go on");
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

/* In a group of its own. */
static pid_t caller(void)
{
	char why[BOOT_REASON_SIZE];
	write_program("sleep 60");
	pid_t pid = fork();
	if (pid == 0)
		_exit(setpgid(0, 0) == 0 && run(60, why) == HOOK_STOPPED ? 7 : 1);
	for (int i = 0; i < 2000 && (pid_in("two") <= 0 || gone("two")); i++)
		poll(NULL, 0, 10);
	return pid;
}

/* In time, by all that came of the hook. */
static bool ended_with(pid_t caller)
{
	int status;
	waitpid(caller, &status, 0);
	for (int i = 0; i < 500 && !(gone("one") && gone("two")); i++)
		poll(NULL, 0, 10);
	return gone("one") && gone("two");
}

static void test_stopped(void)
{
	int status = 0;
	pid_t pid = caller();
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "a signal stops it");
	ok(gone("one") && gone("two"), "and all of it");
	pid = caller();
	kill(pid, SIGKILL);
	ok(ended_with(pid), "it does not outlive its caller");
	/* as when a terminal goes */
	pid = caller();
	kill(-pid, SIGHUP);
	ok(ended_with(pid), "nor its caller's whole group");
}

int main(void)
{
	const struct passwd *me = getpwuid(getuid());
	dir = temp_dir_make();
	snprintf(program, sizeof(program), "%.200s/flash", dir.path);
	snprintf(user, sizeof(user), "%s", me ? me->pw_name : "root");
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	test_ends();
	test_reaped();
	test_others_stay();
	test_stopped();
	clean_temp_dir(&dir);
	return tap_done();
}
