/* A file as memory.  Where it was cut, or its disk cannot be read, reading raises SIGBUS: here
 * such a page becomes one of zeros, and the file is known to be bad.  One at a time, in a
 * program of one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The first n bytes, more than none; NULL with errno set. */
const void *mapped_open(int fd, size_t n);
/* False with errno set: not all that was read was there, so believe nothing of it. */
bool mapped_close(void);
