/* Folders of the state directory. */

#include "server/folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum rc folder_make(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return RC_INTERNAL;
	}
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		snprintf(part, i + 1, "%s", path);
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return RC_INTERNAL;
	}
	return RC_OK;
}
