/* Files that the CLI reads and writes. */

#include "cli/file.h"

#include "base/clean.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SECRET_MAX 4096

static enum exit_code read_all(FILE *from, const char *path, size_t max, struct arena *mem,
			       struct bytes *ret)
{
	CLEAN(mem) char *content = NULL;
	size_t used = 0, size = 0;
	for (;;) {
		if (used == size) {
			size = size ? size * 2 : 16384;
			content = xrealloc(content, size);
		}
		size_t n = fread(content + used, 1, size - used, from);
		used += n;
		if (used > max)
			return cli_fail(EXIT_FAILED, "%s is larger than %zu bytes", path, max);
		if (n == 0)
			break;
	}
	if (ferror(from))
		return cli_fail(EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
	uint8_t *copy = arena_alloc(mem, used + 1);
	memcpy(copy, content, used);
	explicit_bzero(content, used);
	*ret = (struct bytes){ copy, used };
	return EXIT_DONE;
}

enum exit_code file_read(const char *path, size_t max, struct arena *mem, struct bytes *ret)
{
	if (strcmp(path, "-") == 0)
		return read_all(stdin, "standard input", max, mem, ret);
	CLEAN(file) FILE *from = fopen(path, "re");
	if (!from)
		return cli_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED,
				"cannot open %s: %s", path, strerror(errno));
	return read_all(from, path, max, mem, ret);
}

enum exit_code file_read_secret(const char *path, struct arena *mem, const char **ret)
{
	struct bytes content = { 0 };
	enum exit_code code = file_read(path, SECRET_MAX, mem, &content);
	if (code != EXIT_DONE)
		return code;
	while (content.n > 0 && strchr("\r\n", content.p[content.n - 1]))
		content.n--;
	if (content.n == 0 || !text_is_clean(content))
		return cli_fail(EXIT_FAILED, "%s must hold one line of text",
				strcmp(path, "-") == 0 ? "standard input" : path);
	*ret = bytes_text(mem, content);
	return EXIT_DONE;
}

static enum exit_code write_fd(int fd, const char *path, struct bytes content)
{
	while (content.n > 0) {
		ssize_t n = write(fd, content.p, content.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(EXIT_FAILED, "cannot write %s: %s", path,
					strerror(errno));
		content.p += n;
		content.n -= (size_t)n;
	}
	if (fsync(fd) != 0 && errno != EINVAL)
		return cli_fail(EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
	return EXIT_DONE;
}

enum exit_code file_write_new(const char *path, struct bytes content, mode_t mode)
{
	CLEAN(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0 && errno == EEXIST)
		return cli_fail(EXIT_FAILED, "%s is there already; it is never overwritten",
				path);
	if (fd < 0)
		return cli_fail(EXIT_FAILED, "cannot make %s: %s", path, strerror(errno));
	enum exit_code code = write_fd(fd, path, content);
	if (code != EXIT_DONE)
		unlink(path);
	return code;
}

enum exit_code file_replace(const char *path, struct bytes content)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct uuid id;
	char text[UUID_TEXT_SIZE];
	uuid_random(&id);
	const char *draft = arena_printf(mem, "%s.%s", path, uuid_format(&id, text));
	CLEAN(fd) int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return cli_fail(EXIT_FAILED, "cannot make %s: %s", draft, strerror(errno));
	enum exit_code code = write_fd(fd, draft, content);
	if (code == EXIT_DONE && rename(draft, path) != 0)
		code = cli_fail(EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
	if (code != EXIT_DONE)
		unlink(draft);
	return code;
}

enum exit_code file_make_folder(const char *path)
{
	CLEAN(arena) struct arena *mem = arena_create();
	char *part = arena_text(mem, path);
	for (char *p = part + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char end = *p;
		*p = '\0';
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return cli_fail(EXIT_FAILED, "cannot make %s: %s", part,
					strerror(errno));
		*p = end;
		if (end == '\0')
			return EXIT_DONE;
	}
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
