/* Small files of the state directory: read bounded, replaced whole or not at all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FILE_PATH_MAX 512

/* dir/name into ret, which holds FILE_PATH_MAX; false when it is too long. */
bool file_path(const char *dir, const char *name, char *ret);
/* Reads a whole file of fewer than size bytes and ends it with a NUL.  errno is ENOENT when
 * there is none, EFBIG when it is too large. */
bool file_read(const char *path, char *buf, size_t size, size_t *ret_n);
/* Likewise of a text: EINVAL when it holds a NUL, which would hide what follows. */
bool file_read_text(const char *path, char *buf, size_t size, size_t *ret_n);
/* Writes dir/name through a temporary file: write, fsync, rename, fsync of the directory. After
 * a cut at any point the old content is there or the new one. */
bool file_replace(const char *dir, const char *name, const void *p, size_t n);
/* Makes the directory's entries durable. */
bool file_sync_dir(const char *dir);
bool file_write_all(int fd, const void *p, size_t n);
