/* Kills a program at its n-th call that changes a file: write, pwrite, fsync, fdatasync,
 * rename, ftruncate, posix_fallocate, unlink, fchmod.  Standard input, output and error do not
 * count. Preloaded by tests, which say in the environment:
 *
 * - MUSTER_KILL_PROGRAM: only a program of this name (the last part of its path)
 * - MUSTER_KILL_AT: kill with SIGKILL before the n-th call, counted from 1; 0: only count
 * - MUSTER_KILL_TEAR: 1: a write is half done first
 * - MUSTER_KILL_ONCE: a file that is made when it kills; if it is there, nothing is killed
 * - MUSTER_KILL_COUNT: a file that gets the number of calls when the program ends by itself */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long kill_at, calls;
static int active, tear;

__attribute__((constructor)) static void begin(void)
{
	const char *program = getenv("MUSTER_KILL_PROGRAM");
	const char *at = getenv("MUSTER_KILL_AT");
	active = at && (!program || strcmp(program, program_invocation_short_name) == 0);
	kill_at = at ? strtol(at, NULL, 10) : 0;
	tear = getenv("MUSTER_KILL_TEAR") != NULL;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("MUSTER_KILL_COUNT");
	if (!active || !path)
		return;
	active = 0;
	FILE *f = fopen(path, "we");
	if (f) {
		fprintf(f, "%ld\n", calls);
		fclose(f);
	}
}

static void die(void)
{
	const char *once = getenv("MUSTER_KILL_ONCE");
	if (once && open(once, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) < 0)
		return;
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static int is_file(int fd)
{
	struct stat st;
	return fd > 2 && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* True at the call to die at. */
static int is_point(void)
{
	return active && ++calls == kill_at;
}

#define REAL(ret, name, ...) ((ret(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *p, size_t n)
{
	ssize_t (*real)(int, const void *, size_t) =
		REAL(ssize_t, write, int, const void *, size_t);
	if (is_file(fd) && is_point()) {
		if (tear && n > 1 && real(fd, p, n / 2) < 0)
			return -1;
		die();
	}
	return real(fd, p, n);
}

static ssize_t kill_pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t (*real)(int, const void *, size_t, off_t) =
		REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
	if (is_file(fd) && is_point()) {
		if (tear && n > 1 && real(fd, p, n / 2, at) < 0)
			return -1;
		die();
	}
	return real(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return kill_pwrite(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	return kill_pwrite(fd, p, n, at);
}

int fsync(int fd)
{
	if (is_file(fd) && is_point())
		die();
	return REAL(int, fsync, int)(fd);
}

int fdatasync(int fd)
{
	if (is_file(fd) && is_point())
		die();
	return REAL(int, fdatasync, int)(fd);
}

int fchmod(int fd, mode_t mode)
{
	if (is_file(fd) && is_point())
		die();
	return REAL(int, fchmod, int, mode_t)(fd, mode);
}

int ftruncate(int fd, off_t n)
{
	if (is_file(fd) && is_point())
		die();
	return REAL(int, ftruncate, int, off_t)(fd, n);
}

int ftruncate64(int fd, off_t n)
{
	return ftruncate(fd, n);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
	if (is_file(fd) && is_point())
		die();
	return REAL(int, posix_fallocate, int, off_t, off_t)(fd, at, n);
}

int posix_fallocate64(int fd, off_t at, off_t n)
{
	return posix_fallocate(fd, at, n);
}

int rename(const char *from, const char *to)
{
	if (is_point())
		die();
	return REAL(int, rename, const char *, const char *)(from, to);
}

int unlink(const char *path)
{
	if (is_point())
		die();
	return REAL(int, unlink, const char *)(path);
}
