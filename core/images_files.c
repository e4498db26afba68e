/* Where the image store keeps its files. */
#include "core/images.h"

#include "base/clean.h"
#include "base/hash.h"
#include "core/images_files.h"

#include <fcntl.h>
#include <stdio.h>

static enum rc fits(int n)
{
	return n > 0 && n < IMAGE_PATH_MAX ? RC_OK : RC_INVALID;
}

enum rc image_path(const char *dir, const struct digest *d, char ret[IMAGE_PATH_MAX])
{
	char hex[DIGEST_TEXT_SIZE];

	digest_format(d, hex);
	return fits(snprintf(ret, IMAGE_PATH_MAX, "%s/%.2s/%s", dir, hex, hex + 2));
}

enum rc image_dir_path(const char *dir, const struct digest *d, char ret[IMAGE_PATH_MAX])
{
	return fits(snprintf(ret, IMAGE_PATH_MAX, "%s/%02x", dir, d->b[0]));
}

enum rc image_fresh_path(const char *dir, const char *sub, char ret[IMAGE_PATH_MAX])
{
	struct uuid id;
	char text[UUID_TEXT_SIZE];

	uuid_random(&id);
	return fits(
		snprintf(ret, IMAGE_PATH_MAX, "%s/%s/%s", dir, sub, uuid_format(&id, text)));
}

enum rc image_sync_dir(const char *path)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? RC_STORAGE : RC_OK;
}
