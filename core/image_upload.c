/* Uploads: bytes go to a temporary file of our naming and are hashed on the way; only a whole
 * file with the right digest, on disk for good, gets a name in the store. */
#include "core/images.h"

#include "base/clean.h"
#include "base/hash.h"
#include "core/images_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct image_upload {
	struct images *images;
	const char *dir; /* the store's */
	char temp[IMAGE_PATH_MAX];
	int fd;
	int64_t size, max_size;
	struct sha256 *hash; /* NULL once it is committed */
	enum rc outcome;     /* of the commit */
};

static enum rc rc_of_errno(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO
		       ? RC_STORAGE
		       : RC_INTERNAL;
}

enum rc image_upload_begin(struct images *s, int64_t max_size, struct image_upload **ret)
{
	struct image_upload *u = xcalloc(1, sizeof(*u));

	u->images = s;
	u->dir = images_dir(s);
	u->max_size = max_size;
	enum rc rc = image_fresh_path(u->dir, "tmp", u->temp);
	if (rc == RC_OK) {
		u->fd = open(u->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (u->fd < 0)
			rc = rc_of_errno();
	}
	if (rc != RC_OK) {
		free(u);
		return rc;
	}
	u->hash = sha256_create();
	*ret = u;
	return RC_OK;
}

enum rc image_upload_write(struct image_upload *u, struct bytes b)
{
	if ((uint64_t)b.n > (uint64_t)(u->max_size - u->size))
		return RC_TOO_LARGE;
	sha256_update(u->hash, b);
	u->size += (int64_t)b.n;
	while (b.n) {
		ssize_t n = write(u->fd, b.p, b.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return rc_of_errno();
		b.p += n;
		b.n -= (size_t)n;
	}
	return RC_OK;
}

/* After a failed fsync the kernel may have dropped the bytes, so there is no second try. */
static enum rc upload_keep(struct image_upload *u, const struct digest *d)
{
	char folder[IMAGE_PATH_MAX], path[IMAGE_PATH_MAX];

	if (fsync(u->fd) < 0)
		return RC_STORAGE;
	enum rc rc = image_dir_path(u->dir, d, folder);
	if (rc == RC_OK)
		rc = image_path(u->dir, d, path);
	if (rc != RC_OK)
		return rc;
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return rc_of_errno();
	/* Also when it was there: whoever made it may have died before this. */
	rc = image_sync_dir(u->dir);
	if (rc != RC_OK)
		return rc;
	/* Over a file of the same name: the bytes are the same, and ours are known to be good.
	 */
	if (images_rename(u->images, u->temp, path) < 0)
		return rc_of_errno();
	u->temp[0] = 0;
	return image_sync_dir(folder);
}

static enum rc commit_once(struct image_upload *u, const struct digest *expected)
{
	struct digest d;

	sha256_finish(TAKE(u->hash), &d);
	return digest_equal(&d, expected) ? upload_keep(u, expected) : RC_UNPROCESSABLE;
}

enum rc image_upload_commit(struct image_upload *u, const struct digest *expected,
			    int64_t *ret_size)
{
	if (u->hash)
		u->outcome = commit_once(u, expected);
	if (u->outcome == RC_OK)
		*ret_size = u->size;
	return u->outcome;
}

void image_upload_abort(struct image_upload *u)
{
	if (!u)
		return;
	close(u->fd);
	if (u->temp[0])
		unlink(u->temp);
	sha256_free(u->hash);
	free(u);
}
