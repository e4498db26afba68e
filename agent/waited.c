/* One line, which is there to its end or does not count. */
#include "agent/waited.h"

#include "agent/file.h"
#include "agent/text.h"
#include "suit/ids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAITED_MAX 320

/* Whose they are; the marks come behind it. */
static size_t put_name(const struct update *u, char ret[WAITED_MAX])
{
	char manifest[SUIT_HEX_SIZE(32)];
	suit_hex((struct suit_bytes){ u->manifest.b, sizeof(u->manifest.b) }, manifest);
	return (size_t)snprintf(ret, WAITED_MAX, "%" PRIu64 "/%" PRIu64 " %s ", u->job,
				u->attempt, manifest);
}

bool waited_save(const char *dir, const struct update *u)
{
	char text[WAITED_MAX], marks[SUIT_HEX_SIZE(sizeof(u->over))];
	size_t n = put_name(u, text);
	suit_hex((struct suit_bytes){ u->over[0], u->waited * WAIT_MARK_SIZE }, marks);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", marks);
	return file_replace(dir, WAITED_FILE, text, n);
}

void waited_load(const char *dir, struct update *u)
{
	char path[FILE_PATH_MAX], is[WAITED_MAX], name[WAITED_MAX];
	size_t n, at = put_name(u, name);
	u->waited = 0;
	if (!file_path(dir, WAITED_FILE, path) || !file_read_text(path, is, sizeof(is), &n) ||
	    n <= at || memcmp(is, name, at) != 0 || is[n - 1] != '\n')
		return;
	is[n - 1] = '\0';
	size_t waited = (n - 1 - at) / (2 * WAIT_MARK_SIZE);
	if (waited <= UPDATE_WAITS_MAX &&
	    text_unhex(is + at, u->over[0], waited * WAIT_MARK_SIZE))
		u->waited = waited;
}

bool waited_drop(const char *dir)
{
	char path[FILE_PATH_MAX];
	if (!file_path(dir, WAITED_FILE, path))
		return false;
	return unlink(path) == 0 ? file_sync_dir(dir) : errno == ENOENT;
}
