/* A folder for one test, removed with everything in it. */
#pragma once

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct temp_dir {
	char path[256];
};

static inline struct temp_dir temp_dir_make(void)
{
	struct temp_dir d;
	const char *base = getenv("TMPDIR");

	snprintf(d.path, sizeof(d.path), "%s/muster-test-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(d.path)) {
		perror(d.path);
		exit(99);
	}
	return d;
}

static inline int temp_dir_remove(const char *path, const struct stat *st, int kind,
				  struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void clean_temp_dir(struct temp_dir *d)
{
	nftw(d->path, temp_dir_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Entries of a folder, without . and .. */
static inline int temp_dir_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static inline int temp_dir_count(const struct temp_dir *d)
{
	return temp_dir_entries(d->path);
}
