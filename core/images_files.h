/* Where the image store keeps its files.  For core/images.c and core/image_upload.c alone.
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
/* RC_INVALID when the path is too long. */
enum rc image_path(const char *dir, const struct digest *d,
		   char ret[IMAGE_PATH_MAX]) MUST_CHECK;
enum rc image_dir_path(const char *dir, const struct digest *d,
		       char ret[IMAGE_PATH_MAX]) MUST_CHECK;
/* A name that nobody has, under DIR/sub. */
enum rc image_fresh_path(const char *dir, const char *sub, char ret[IMAGE_PATH_MAX]) MUST_CHECK;
/* fsync of a directory. */
enum rc image_sync_dir(const char *path) MUST_CHECK;
