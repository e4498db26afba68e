/* Files that the CLI reads and writes.  Everything is bounded; a secret is never readable by
 * others, not even for a moment; nothing is overwritten that the caller did not make. */
#pragma once

#include "base/bytes.h"
#include "cli/exit_code.h"

#include <stdbool.h>
#include <sys/types.h>

/* A whole file, "-" for stdin; refused above max bytes.  ret is followed by a NUL. */
enum exit_code file_read(const char *path, size_t max, struct arena *mem,
			 struct bytes *ret) MUST_CHECK;
/* One line without its line end: a secret, token or passphrase. */
enum exit_code file_read_secret(const char *path, struct arena *mem,
				const char **ret) MUST_CHECK;
/* A new file; refused when there is one of that name. */
enum exit_code file_write_new(const char *path, struct bytes content, mode_t mode) MUST_CHECK;
/* Replaces a file of ours in one step, mode 0600. */
enum exit_code file_replace(const char *path, struct bytes content) MUST_CHECK;
/* The folder and those above it, mode 0700. */
enum exit_code file_make_folder(const char *path) MUST_CHECK;
bool file_exists(const char *path);
