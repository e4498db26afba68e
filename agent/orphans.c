/* Children are found in /proc; as each of them dies its own become ours. */
#include "agent/orphans.h"

#include "agent/file.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS   500
#define ROUND_MS 10
#define STAT_MAX 1024

bool orphans_adopt(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

/* PID (NAME) STATE PARENT ..., where the name may hold anything. */
static bool is_child(const char *pid)
{
	char path[64], text[STAT_MAX];
	size_t n;
	if (snprintf(path, sizeof(path), "/proc/%s/stat", pid) >= (int)sizeof(path) ||
	    !file_read(path, text, sizeof(text), &n))
		return false;
	const char *name_end = strrchr(text, ')');
	return name_end && strlen(name_end) > 4 && strtol(name_end + 4, NULL, 10) == getpid();
}

static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	while (proc && (d = readdir(proc)) != NULL)
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' && is_child(d->d_name))
			kill((pid_t)strtol(d->d_name, NULL, 10), SIGKILL);
	if (proc)
		closedir(proc);
}

static bool none_left(void)
{
	pid_t pid;
	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return pid < 0 && errno == ECHILD;
}

bool orphans_end(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (none_left())
			return true;
		kill_children();
		poll(NULL, 0, ROUND_MS);
	}
	return none_left();
}
