/* One line, which is there to its end or does not count. */
#include "agent/waited.h"

#include "agent/file.h"
#include "suit/ids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAITED_MAX 160

static size_t put(const struct update *u, size_t waited, char ret[WAITED_MAX])
{
	char manifest[SUIT_HEX_SIZE(32)];
	suit_hex((struct suit_bytes){ u->manifest.b, sizeof(u->manifest.b) }, manifest);
	return (size_t)snprintf(ret, WAITED_MAX, "%" PRIu64 "/%" PRIu64 " %s %zu\n", u->job,
				u->attempt, manifest, waited);
}

bool waited_save(const char *dir, const struct update *u)
{
	char text[WAITED_MAX];
	return file_replace(dir, WAITED_FILE, text, put(u, u->waited, text));
}

size_t waited_load(const char *dir, const struct update *u)
{
	char path[FILE_PATH_MAX], is[WAITED_MAX], text[WAITED_MAX];
	size_t n;
	if (!file_path(dir, WAITED_FILE, path) || !file_read_text(path, is, sizeof(is), &n))
		return 0;
	for (size_t waited = UPDATE_WAITS_MAX; waited > 0; waited--)
		if (put(u, waited, text) == n && strcmp(is, text) == 0)
			return waited;
	return 0;
}

bool waited_drop(const char *dir)
{
	char path[FILE_PATH_MAX];
	return file_path(dir, WAITED_FILE, path) && (unlink(path) == 0 || errno == ENOENT);
}
