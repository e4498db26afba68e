/* Small files that hold keys and certificates: read bounded, written whole or not at all. */
#pragma once

#include "base/bytes.h"

#include <sys/types.h>

#define PEM_FILE_MAX 65536

/* RC_NOT_FOUND, RC_TOO_LARGE, RC_INTERNAL. */
enum rc pem_file_read(const char *path, struct arena *mem, struct bytes *ret) MUST_CHECK;
/* Temporary file beside it, fsync, rename, fsync of the directory. */
enum rc pem_file_write(const char *path, struct bytes b, mode_t mode) MUST_CHECK;
/* Makes path's directory entry durable. */
enum rc pem_file_sync_dir(const char *path) MUST_CHECK;
