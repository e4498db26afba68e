/* What a scope leaves behind is tidied by itself (gcc's and clang's cleanup attribute). */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEAN(kind) __attribute__((cleanup(clean_##kind)))

static inline void clean_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void clean_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void clean_mem(char **p)
{
	free(*p);
}
