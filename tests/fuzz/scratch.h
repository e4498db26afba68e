/* A folder of this process for what is read from files. */
#pragma once

#include "tests/unit/temp_dir.h"

#include <stdint.h>

static struct temp_dir scratch;

static inline void scratch_remove(void)
{
	clean_temp_dir(&scratch);
}

static inline void scratch_make(void)
{
	scratch = temp_dir_make();
	atexit(scratch_remove);
}

static inline const char *scratch_path(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", scratch.path, name);
	return path;
}

static inline void scratch_write(const char *name, const uint8_t *p, size_t n)
{
	FILE *f = fopen(scratch_path(name), "we");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		abort();
}
