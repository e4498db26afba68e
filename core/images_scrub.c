/* The scrub.  It reads files, not mappings: where a disk fails, that is an error of read() and
 * not our end. */

#include "core/images_scrub.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/images_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FOLDERS    256
#define PIECE_SIZE 65536
/* A small store need not be read all the time. */
#define REST_US (10 * USEC_PER_SEC)

struct images_scrub {
	struct images *images;
	int folder; /* the next to open, 0 to 256 */
	DIR *dir;
	char prefix[3];
	/* the file that is being read */
	int fd;
	struct digest digest;
	struct sha256 *hash;
	int64_t rest_until; /* monotonic */
	uint8_t piece[PIECE_SIZE];
};

struct images_scrub *images_scrub_create(struct images *s)
{
	struct images_scrub *scrub = xcalloc(1, sizeof(*scrub));

	scrub->images = s;
	scrub->fd = -1;
	return scrub;
}

static void close_file(struct images_scrub *scrub)
{
	if (scrub->fd >= 0)
		close(scrub->fd);
	scrub->fd = -1;
	sha256_free(TAKE(scrub->hash));
}

void images_scrub_free(struct images_scrub *scrub)
{
	if (!scrub)
		return;
	close_file(scrub);
	if (scrub->dir)
		closedir(scrub->dir);
	free(scrub);
}

/* False when all were seen. */
static bool next_folder(struct images_scrub *scrub)
{
	char path[IMAGE_PATH_MAX];
	struct digest d = { 0 };

	while (!scrub->dir && scrub->folder < FOLDERS) {
		d.b[0] = (uint8_t)scrub->folder++;
		snprintf(scrub->prefix, sizeof(scrub->prefix), "%02x", d.b[0]);
		if (image_dir_path(images_dir(scrub->images), &d, path) == RC_OK)
			scrub->dir = opendir(path);
	}
	return scrub->dir != NULL;
}

/* False when the folder has no more. */
static bool next_file(struct images_scrub *scrub)
{
	char name[DIGEST_TEXT_SIZE];

	for (struct dirent *e; (e = readdir(scrub->dir));) {
		if (strlen(e->d_name) != DIGEST_TEXT_SIZE - 3)
			continue;
		snprintf(name, sizeof(name), "%s%.62s", scrub->prefix, e->d_name);
		if (digest_parse(name, &scrub->digest) != RC_OK)
			continue;
		scrub->fd =
			openat(dirfd(scrub->dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (scrub->fd < 0)
			continue; /* gone meanwhile, or a link, which nobody follows */
		scrub->hash = sha256_create();
		return true;
	}
	closedir(TAKE(scrub->dir));
	return false;
}

/* False when there is nothing to read until later. */
static bool open_next(struct images_scrub *scrub)
{
	if (clock_monotonic() < scrub->rest_until)
		return false;
	while (next_folder(scrub))
		if (next_file(scrub))
			return true;
	scrub->folder = 0;
	scrub->rest_until = clock_monotonic() + REST_US;
	return false;
}

static bool finish_file(struct images_scrub *scrub, bool readable)
{
	struct digest is;

	sha256_finish(TAKE(scrub->hash), &is);
	bool good = readable && digest_equal(&is, &scrub->digest);
	bool away = !good && images_condemn(scrub->images, &scrub->digest, scrub->fd, readable);
	close_file(scrub);
	return away;
}

bool images_scrub_step(struct images_scrub *scrub, int64_t budget, struct digest *ret)
{
	while (budget > 0 && (scrub->fd >= 0 || open_next(scrub))) {
		ssize_t n = read(scrub->fd, scrub->piece, sizeof(scrub->piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0) {
			sha256_update(scrub->hash, (struct bytes){ scrub->piece, (size_t)n });
			budget -= n;
		} else if (finish_file(scrub, n == 0)) {
			*ret = scrub->digest;
			return true;
		}
	}
	return false;
}
