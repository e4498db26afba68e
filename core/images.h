/* Images: payload bytes as files under STATE/images/ab/cdef..., named by SHA-256, immutable.
 * Written to a temporary file, fsynced, verified, renamed, directory fsynced.  Verified again
 * when first opened, mapped once and shared by all readers. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define IMAGE_SIZE_MAX (INT64_C(1) << 30) /* 1 GiB */

struct images;
struct image; /* an open mapping, counted */

/* dir is made when missing; leftovers of interrupted uploads in it are removed. */
enum rc images_create(const char *dir, struct images **ret) MUST_CHECK;
void images_free(struct images *s);

/* An open image: RC_NOT_FOUND when there is none, RC_UNPROCESSABLE when its bytes no longer
 * have the digest (the file is then in quarantine, and there is none), RC_UNAVAILABLE when
 * another file came in its place while it was read, RC_INTERNAL when it cannot be read.  The
 * first open reads the file once.  Release with image_close(), any thread. */
enum rc images_open(struct images *s, const struct digest *d, struct image **ret) MUST_CHECK;
/* The same for a thread that must not wait: RC_UNAVAILABLE when the image is large and has not
 * been read since the start; the store's own thread then reads it, so ask again in a second. */
enum rc images_open_soon(struct images *s, const struct digest *d,
			 struct image **ret) MUST_CHECK;
void image_close(struct image *i);
size_t image_size(const struct image *i);
/* Copies bytes that are still what was verified, as of a few seconds ago: a file may change
 * under its mapping, be cut, or not be read any more.  False for ever once they were not; the
 * next open reads the file anew.  Offset and size lie within the image. */
bool image_read(struct image *i, size_t offset, size_t size, void *to) MUST_CHECK;
/* One more reference to the same mapping. */
struct image *image_ref(struct image *i);

/* How many were put away since the start. */
int64_t images_quarantined(struct images *s);

/* An upload in progress; one thread at a time. */
struct image_upload;
enum rc image_upload_begin(struct images *s, int64_t max_size,
			   struct image_upload **ret) MUST_CHECK;
/* RC_TOO_LARGE past max_size, RC_STORAGE when the disk is full. */
enum rc image_upload_write(struct image_upload *u, struct bytes b) MUST_CHECK;
/* Fsyncs, compares with the expected digest (RC_UNPROCESSABLE when it differs), renames.
 * Storing the same bytes twice is fine.  Does not free u: asked again, because the call around
 * it is run again, it gives the same answer. */
enum rc image_upload_commit(struct image_upload *u, const struct digest *expected,
			    int64_t *ret_size) MUST_CHECK;
/* Frees u; what was not committed leaves nothing behind. */
void image_upload_abort(struct image_upload *u);
