/* Small files that hold keys and certificates: read bounded, written whole or not at all. */
#include "certs/pem_file.h"

#include "base/clean.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static enum rc read_all(int fd, uint8_t *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t got = read(fd, p + done, n - done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return RC_INTERNAL;
		done += (size_t)got;
	}
	return RC_OK;
}

enum rc pem_file_read(const char *path, struct arena *mem, struct bytes *ret)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? RC_NOT_FOUND : RC_INTERNAL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return RC_INTERNAL;
	if (st.st_size > PEM_FILE_MAX)
		return RC_TOO_LARGE;

	size_t n = (size_t)st.st_size;
	uint8_t *p = arena_alloc(mem, n + 1);
	enum rc rc = read_all(fd, p, n);
	if (rc != RC_OK)
		return rc;
	*ret = (struct bytes){ p, n };
	return RC_OK;
}

static enum rc write_all(int fd, struct bytes b)
{
	while (b.n) {
		ssize_t put = write(fd, b.p, b.n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return errno == ENOSPC || errno == EDQUOT ? RC_STORAGE : RC_INTERNAL;
		b.p += put;
		b.n -= (size_t)put;
	}
	return fsync(fd) < 0 ? RC_INTERNAL : RC_OK;
}

enum rc pem_file_sync_dir(const char *path)
{
	CLEAN(mem) char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (slash)
		slash[slash == dir] = 0;
	CLEAN(fd) int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? RC_INTERNAL : RC_OK;
}

enum rc pem_file_write(const char *path, struct bytes b, mode_t mode)
{
	CLEAN(arena) struct arena *mem = arena_create();
	uint8_t tag[8];

	random_bytes(tag, sizeof(tag));
	char *temp = arena_printf(mem, "%s.%s.tmp", path,
				  hex_encode(mem, (struct bytes){ tag, sizeof(tag) }));
	CLEAN(fd) int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return errno == ENOSPC ? RC_STORAGE : RC_INTERNAL;

	enum rc rc = write_all(fd, b);
	/* The umask must not decide who may read a certificate. */
	if (rc == RC_OK && fchmod(fd, mode) < 0)
		rc = RC_INTERNAL;
	if (rc == RC_OK && rename(temp, path) < 0)
		rc = RC_INTERNAL;
	if (rc != RC_OK) {
		unlink(temp);
		return rc;
	}
	return pem_file_sync_dir(path);
}
