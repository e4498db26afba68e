/* Folders of the state directory. */

#include "server/folder.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

enum rc folder_act_as_owner(const char *path)
{
	struct stat st;

	if (geteuid() != 0 || stat(path, &st) != 0 || st.st_uid == 0)
		return RC_OK;
	const struct passwd *owner = getpwuid(st.st_uid);
	gid_t group = owner ? owner->pw_gid : st.st_gid;
	int failed = owner ? initgroups(owner->pw_name, group) : setgroups(0, NULL);
	if (failed || setgid(group) != 0 || setuid(st.st_uid) != 0)
		return RC_INTERNAL;
	/* libpq looks for certificates there, and takes what it may not look at for an error.
	 */
	return setenv("HOME", owner ? owner->pw_dir : "/", 1) == 0 ? RC_OK : RC_INTERNAL;
}
