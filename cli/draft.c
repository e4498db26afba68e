/* Drafts. */

#include "cli/draft.h"

#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static enum exit_code exists(const char *path)
{
	return cli_fail(EXIT_FAILED, "%s is there already; it is never overwritten", path);
}

enum exit_code draft_open(struct draft *d, const char *path, struct arena *mem)
{
	struct uuid id;
	char text[UUID_TEXT_SIZE];
	if (file_exists(path))
		return exists(path);
	uuid_random(&id);
	const char *draft_path = arena_printf(mem, "%s.%s", path, uuid_format(&id, text));
	int fd = open(draft_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return cli_fail(EXIT_FAILED, "cannot make %s: %s", path, strerror(errno));
	*d = (struct draft){ .path = path, .draft_path = draft_path, .file = fdopen(fd, "w+") };
	if (d->file)
		return EXIT_DONE;
	close(fd);
	unlink(draft_path);
	return cli_fail(EXIT_FAILED, "cannot make %s: %s", path, strerror(errno));
}

enum exit_code draft_write(struct draft *d, struct bytes b)
{
	if (b.n == 0 || fwrite(b.p, 1, b.n, d->file) == b.n)
		return EXIT_DONE;
	return cli_fail(EXIT_FAILED, "cannot write %s: %s", d->path, strerror(errno));
}

enum exit_code draft_keep(struct draft *d)
{
	if (fflush(d->file) != 0 || fsync(fileno(d->file)) != 0)
		return cli_fail(EXIT_FAILED, "cannot write %s: %s", d->path, strerror(errno));
	int bad = renameat2(AT_FDCWD, d->draft_path, AT_FDCWD, d->path, RENAME_NOREPLACE);
	/* Some file systems cannot tell; then nobody else makes the file just now. */
	if (bad && errno == EINVAL && !file_exists(d->path))
		bad = rename(d->draft_path, d->path);
	if (bad && (errno == EEXIST || errno == EINVAL))
		return exists(d->path);
	if (bad)
		return cli_fail(EXIT_FAILED, "cannot write %s: %s", d->path, strerror(errno));
	fclose(d->file);
	*d = (struct draft){ 0 };
	return EXIT_DONE;
}

void clean_draft(struct draft *d)
{
	if (!d->file)
		return;
	fclose(d->file);
	unlink(d->draft_path);
	*d = (struct draft){ 0 };
}
