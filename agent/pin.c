/* A file is known by its name, place, size and the time of its last change; not by its disk,
 * whose number may be another one after a boot. */
#include "agent/pin.h"

#include "agent/clean.h"
#include "agent/file.h"
#include "suit/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTES_MAX (4 * PIN_STAMP_MAX)

/* Root reads everything anyway. */
static bool is_ours(const struct stat *st)
{
	return (st->st_uid == geteuid() || st->st_uid == 0) &&
	       !(st->st_mode & (S_IRWXG | S_IRWXO));
}

static bool is_private(int fd, struct stat *ret, const char **ret_why)
{
	*ret_why = "cannot be read";
	if (fstat(fd, ret) != 0)
		return false;
	errno = 0;
	*ret_why = S_ISREG(ret->st_mode) ? "others may read the PIN: make its mode 0600, and "
					   "its owner this program's user"
					 : "is not a file";
	return S_ISREG(ret->st_mode) && is_ours(ret);
}

/* In place.  A PIN of several lines, or with control characters, is not what was meant. */
static bool is_line(char *text, size_t n)
{
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return n > 0;
}

static bool read_line(int fd, char *text, size_t size, const char **ret_why)
{
	ssize_t n = read(fd, text, size);
	*ret_why = "cannot be read";
	if (n < 0)
		return false;
	errno = 0;
	*ret_why = "must hold one line, the PIN, of at most 255 bytes";
	return (size_t)n < size && is_line(text, (size_t)n);
}

bool pin_read(const char *path, const char *token, struct pin *ret, const char **ret_why)
{
	struct stat st;
	/* not to wait at a pipe */
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	*ret_why = "cannot be opened";
	if (fd < 0 || !is_private(fd, &st, ret_why))
		return false;
	if (!read_line(fd, ret->text, sizeof(ret->text), ret_why)) {
		suit_wipe(ret->text, sizeof(ret->text));
		return false;
	}
	snprintf(ret->stamp, sizeof(ret->stamp),
		 "%" PRIu64 " %" PRIu64 " %" PRIu64 ".%09ld %s %s\n", (uint64_t)st.st_ino,
		 (uint64_t)st.st_size, (uint64_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec, path,
		 token);
	return true;
}

bool pin_was_refused(const char *state_dir, const struct pin *pin)
{
	char path[FILE_PATH_MAX], noted[NOTES_MAX];
	const char *at = noted;
	size_t n;
	if (!file_path(state_dir, PIN_REFUSED_FILE, path) ||
	    !file_read_text(path, noted, sizeof(noted), &n))
		return false;
	while ((at = strstr(at, pin->stamp)) && at != noted && at[-1] != '\n')
		at++;
	return at;
}

/* Beside those of other tokens, as long as there is room. */
bool pin_note_refused(const char *state_dir, const struct pin *pin)
{
	char path[FILE_PATH_MAX], noted[NOTES_MAX];
	size_t n = 0;
	if (!file_path(state_dir, PIN_REFUSED_FILE, path) ||
	    !file_read_text(path, noted, sizeof(noted) - PIN_STAMP_MAX, &n))
		n = 0;
	memcpy(noted + n, pin->stamp, strlen(pin->stamp));
	return file_replace(state_dir, PIN_REFUSED_FILE, noted, n + strlen(pin->stamp));
}

void pin_forget_refused(const char *state_dir)
{
	char path[FILE_PATH_MAX];
	if (file_path(state_dir, PIN_REFUSED_FILE, path))
		unlink(path);
}
