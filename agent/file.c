/* The only way state reaches the disk besides the slots' own bytes: by a rename. */
#include "agent/file.h"

#include "agent/clean.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool file_path(const char *dir, const char *name, char *ret)
{
	int n = snprintf(ret, FILE_PATH_MAX, "%s/%s", dir, name);
	if (n < FILE_PATH_MAX)
		return true;
	errno = ENAMETOOLONG;
	return false;
}

bool file_read(const char *path, char *buf, size_t size, size_t *ret_n)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	if (fd < 0)
		return false;
	while (n < size) {
		ssize_t got = read(fd, buf + n, size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0) {
			buf[n] = '\0';
			*ret_n = n;
			return true;
		}
		n += (size_t)got;
	}
	errno = EFBIG;
	return false;
}

bool file_read_text(const char *path, char *buf, size_t size, size_t *ret_n)
{
	if (!file_read(path, buf, size, ret_n))
		return false;
	if (!memchr(buf, '\0', *ret_n))
		return true;
	errno = EINVAL;
	return false;
}

bool file_write_all(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;
	while (n > 0) {
		ssize_t done = write(fd, at, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

bool file_sync_dir(const char *dir)
{
	CLEAN(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0;
}

static bool write_synced(const char *path, const void *p, size_t n)
{
	CLEAN(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd >= 0 && file_write_all(fd, p, n) && fsync(fd) == 0;
}

bool file_replace(const char *dir, const char *name, const void *p, size_t n)
{
	char path[FILE_PATH_MAX];
	char temporary[FILE_PATH_MAX + 4];
	if (!file_path(dir, name, path))
		return false;
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	return write_synced(temporary, p, n) && rename(temporary, path) == 0 &&
	       file_sync_dir(dir);
}
