/* Where the image store keeps its files.  For core/images*.c and core/image_upload.c alone.
 *
 *   DIR/ab/cdef...   image, named by its digest
 *   DIR/tmp/         uploads in progress; emptied at the start
 *   DIR/quarantine/  files whose bytes no longer had the digest of their name */
#pragma once

#include "base/bytes.h"

#define IMAGE_PATH_MAX 4096

/* Directory of the store. */
struct images;

const char *images_dir(const struct images *s);
/* An uploaded file takes its place, over the one that is there.  -1 and errno. */
int images_rename(struct images *s, const char *temp, const char *path);
/* The scrub found that the file, which is still open, is bad: those who have it open get
 * nothing more of it.  It is put away if it still has its name; a good one may have come in its
 * place. With `readable` the file of that name is read once more before.  Was it put away? */
bool images_condemn(struct images *s, const struct digest *d, int fd, bool readable);
/* RC_INVALID when the path is too long. */
enum rc image_path(const char *dir, const struct digest *d,
		   char ret[IMAGE_PATH_MAX]) MUST_CHECK;
enum rc image_dir_path(const char *dir, const struct digest *d,
		       char ret[IMAGE_PATH_MAX]) MUST_CHECK;
/* A name that nobody has, under DIR/sub. */
enum rc image_fresh_path(const char *dir, const char *sub, char ret[IMAGE_PATH_MAX]) MUST_CHECK;
/* fsync of a directory. */
enum rc image_sync_dir(const char *path) MUST_CHECK;
