/* A disk that is full for some files.  Preloaded by tests, which say in the environment:
 *
 * - MUSTER_DISK_PATH: only files whose path contains this
 * - MUSTER_DISK_CONTROL: a file of two 64-bit numbers, both written and read while the program
 *   runs: the call from which on there is no space (counted from 1; 0: there is), and how many
 *   calls there were.  Calls that need space count: write, pwrite, fsync, fdatasync,
 *   posix_fallocate, mkdir, rename, and open when it makes a file.
 *
 * What frees space (unlink, ftruncate) works on a full disk too.  A file for which there is no
 * room keeps what there was, half of it, as on ext4. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(ret, name, ...) ((ret(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

static struct control {
	int64_t full_at, calls;
} * control;
static const char *filter;

/* A sanitizer, which watches open() and mmap() and makes a folder at its own start, may not be
 * ready yet: here and in mkdir() the kernel is asked. */
__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("MUSTER_DISK_CONTROL");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED
			 : (void *)syscall(SYS_mmap, NULL, sizeof(*control),
					   PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	filter = getenv("MUSTER_DISK_PATH");
	if (fd >= 0)
		syscall(SYS_close, fd);
	if (p != MAP_FAILED && filter)
		control = p;
}

/* Counts; true when the disk is full by now. */
static int is_full(const char *path)
{
	if (!control || !strstr(path, filter))
		return 0;
	int64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
	int64_t at = __atomic_load_n(&control->full_at, __ATOMIC_SEQ_CST);
	if (!at || call < at)
		return 0;
	errno = ENOSPC;
	return 1;
}

static int is_full_fd(int fd)
{
	char link[64], path[PATH_MAX];

	if (!control || fd < 3)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return is_full(path);
}

static int makes(const char *path, int flags)
{
	return (flags & O_CREAT) && faccessat(AT_FDCWD, path, F_OK, 0) != 0;
}

static mode_t mode_of(int flags, va_list ap)
{
	return flags & O_CREAT ? va_arg(ap, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	mode_t mode = mode_of(flags, ap);
	va_end(ap);
	if (makes(path, flags) && is_full(path))
		return -1;
	return REAL(int, open, const char *, int, ...)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	mode_t mode = mode_of(flags, ap);
	va_end(ap);
	if (makes(path, flags) && is_full(path))
		return -1;
	return REAL(int, open64, const char *, int, ...)(path, flags, mode);
}

ssize_t write(int fd, const void *p, size_t n)
{
	return is_full_fd(fd) ? -1 : REAL(ssize_t, write, int, const void *, size_t)(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return is_full_fd(fd)
		       ? -1
		       : REAL(ssize_t, pwrite, int, const void *, size_t, off_t)(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	return pwrite(fd, p, n, at);
}

int fsync(int fd)
{
	return is_full_fd(fd) ? -1 : REAL(int, fsync, int)(fd);
}

int fdatasync(int fd)
{
	return is_full_fd(fd) ? -1 : REAL(int, fdatasync, int)(fd);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
	bool full = is_full_fd(fd);
	int rc = REAL(int, posix_fallocate, int, off_t, off_t)(fd, at, full ? (n + 1) / 2 : n);

	return full ? ENOSPC : rc;
}

int posix_fallocate64(int fd, off_t at, off_t n)
{
	return posix_fallocate(fd, at, n);
}

int mkdir(const char *path, mode_t mode)
{
	struct stat st;

	if (control && stat(path, &st) != 0 && is_full(path))
		return -1;
	return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int rename(const char *from, const char *to)
{
	return is_full(to) ? -1 : REAL(int, rename, const char *, const char *)(from, to);
}
