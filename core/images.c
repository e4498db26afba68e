/* Open images.  Each is mapped once and shared; the first open reads the whole file and
 * compares its digest with its name, without holding the lock.  A mapping outlives its readers,
 * because a download opens its image again for every block; the least used ones go when there
 * are many. */
#include "core/images.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "core/image_chunks.h"
#include "core/image_fault.h"
#include "core/images_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BUCKETS    1024
#define MAPPED_MAX 4096
/* Up to this size the digest takes about a millisecond: a network thread may do it. */
#define AT_ONCE_SIZE 1048576
#define WANTED_MAX   64
#define AT_HAND      8 /* images that a thread opens again without the lock */

/* Which file it is, whatever its name: as long as it is open or mapped no other has the same.
 */
struct file_id {
	dev_t device;
	ino_t inode;
};

enum image_state { IMAGE_READING, IMAGE_READY, IMAGE_BAD };

struct image {
	struct image *next;
	struct digest digest;
	struct bytes bytes;
	struct image_chunks *chunks;
	struct file_id file;
	atomic_bool rotten;     /* its bytes have changed under the mapping */
	enum image_state state; /* under the lock */
	enum rc bad;            /* why, when IMAGE_BAD */
	atomic_int refs;        /* rises from 0 only under the lock */
	int64_t used_at;
};

struct images {
	uint64_t number; /* of this store in the process */
	char *dir;
	pthread_mutex_t names; /* held where a file gets or loses its name */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct image *buckets[BUCKETS];
	int count;
	struct image *rotten; /* not in the table, but somebody may still read them */
	atomic_llong quarantined;
	/* what the store's own thread is to read */
	pthread_t reader;
	bool reader_runs, stopping;
	struct digest wanted[WANTED_MAX];
	int wanted_count;
};

/* What this thread opened last, with a reference each, so that they stay mapped. */
static _Thread_local struct {
	uint64_t store; /* its number: the pointer means nothing once that store is gone */
	struct image *image;
} at_hand[AT_HAND];

const char *images_dir(const struct images *s)
{
	return s->dir;
}

static enum rc make_dir(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return RC_OK;
	if (errno == ENOSPC)
		return RC_STORAGE;
	return errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? RC_OK
									      : RC_INTERNAL;
}

static void clean_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Uploads that a crash interrupted: nobody was told that they arrived. */
static enum rc empty_dir(const char *path)
{
	CLEAN(dir) DIR *d = opendir(path);

	if (!d)
		return RC_INTERNAL;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0) < 0)
			return RC_INTERNAL;
	return RC_OK;
}

enum rc images_create(const char *dir, struct images **ret)
{
	CLEAN(arena) struct arena *mem = arena_create();
	char *temp = arena_printf(mem, "%s/tmp", dir);

	enum rc rc = make_dir(dir);
	if (rc == RC_OK)
		rc = make_dir(temp);
	if (rc == RC_OK)
		rc = make_dir(arena_printf(mem, "%s/quarantine", dir));
	if (rc == RC_OK)
		rc = empty_dir(temp);
	if (rc != RC_OK)
		return rc;

	image_faults_init();
	static _Atomic uint64_t stores;
	struct images *s = xcalloc(1, sizeof(*s));
	s->number = atomic_fetch_add(&stores, 1) + 1;
	s->dir = xstrdup(dir);
	pthread_mutex_init(&s->names, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	*ret = s;
	return RC_OK;
}

static void image_unmap(struct image *i)
{
	if (i->bytes.n)
		munmap((void *)(uintptr_t)i->bytes.p, i->bytes.n);
	image_chunks_free(i->chunks);
	free(i);
}

static void list_unmap(struct image *list)
{
	while (list) {
		struct image *i = list;
		list = i->next;
		image_unmap(i);
	}
}

void images_free(struct images *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (s->reader_runs)
		pthread_join(s->reader, NULL);
	for (int b = 0; b < BUCKETS; b++)
		list_unmap(s->buckets[b]);
	list_unmap(s->rotten);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->names);
	free(s->dir);
	free(s);
}

/* --- the file --- */

static struct file_id id_of(const struct stat *st)
{
	return (struct file_id){ st->st_dev, st->st_ino };
}

static bool same_file(struct file_id a, struct file_id b)
{
	return a.device == b.device && a.inode == b.inode;
}

static enum rc file_map(const char *path, struct bytes *ret, struct file_id *ret_file)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? RC_NOT_FOUND : RC_INTERNAL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > IMAGE_SIZE_MAX)
		return RC_INTERNAL;
	*ret_file = id_of(&st);
	if (st.st_size == 0) {
		*ret = (struct bytes){ (const uint8_t *)"", 0 };
		return RC_OK;
	}
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return RC_INTERNAL;
	*ret = (struct bytes){ p, (size_t)st.st_size };
	return RC_OK;
}

int images_rename(struct images *s, const char *temp, const char *path)
{
	pthread_mutex_lock(&s->names);
	int done = rename(temp, path);
	pthread_mutex_unlock(&s->names);
	return done;
}

static bool put_away(struct images *s, const char *path, struct file_id file)
{
	char away[IMAGE_PATH_MAX];
	struct stat st;

	if (lstat(path, &st) < 0 || !same_file(id_of(&st), file))
		return false;
	if (image_fresh_path(s->dir, "quarantine", away) != RC_OK || rename(path, away) < 0)
		unlink(path);
	return true;
}

/* False: another file has its name by now, and may be good: somebody uploaded it again. */
static bool file_quarantine(struct images *s, const char *path, struct file_id file)
{
	pthread_mutex_lock(&s->names);
	bool away = put_away(s, path, file);
	pthread_mutex_unlock(&s->names);
	atomic_fetch_add(&s->quarantined, away);
	return away;
}

struct whole_file {
	struct bytes bytes; /* mapped */
	struct image_chunks *chunks;
	struct file_id id;
};

static void whole_file_drop(struct whole_file *f)
{
	image_chunks_free(f->chunks);
	if (f->bytes.n)
		munmap((void *)(uintptr_t)f->bytes.p, f->bytes.n);
	*f = (struct whole_file){ 0 };
}

/* Reads the file; without the lock. */
static enum rc file_verify(struct images *s, const struct digest *d, struct whole_file *ret,
			   bool *ret_away)
{
	char path[IMAGE_PATH_MAX];
	struct digest is;

	enum rc rc = image_path(s->dir, d, path);
	if (rc == RC_OK)
		rc = file_map(path, &ret->bytes, &ret->id);
	if (rc != RC_OK)
		return rc;
	atomic_bool bad = false;
	image_watch(ret->bytes, &bad);
	ret->chunks = image_chunks_create(ret->bytes, clock_monotonic(), &is);
	image_unwatch();
	if (!atomic_load(&bad) && digest_equal(&is, d))
		return RC_OK;
	*ret_away = file_quarantine(s, path, ret->id);
	whole_file_drop(ret);
	return *ret_away ? RC_UNPROCESSABLE : RC_UNAVAILABLE;
}

/* --- the table, under the lock --- */

static struct image **bucket_of(struct images *s, const struct digest *d)
{
	return &s->buckets[((unsigned)d->b[0] << 8 | d->b[1]) % BUCKETS];
}

static struct image *table_find(struct images *s, const struct digest *d)
{
	struct image *i = *bucket_of(s, d);

	while (i && !digest_equal(&i->digest, d))
		i = i->next;
	return i;
}

static void table_remove(struct images *s, struct image *gone)
{
	struct image **at = bucket_of(s, &gone->digest);

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	s->count--;
}

static struct image *least_used(struct images *s)
{
	struct image *least = NULL;

	for (int b = 0; b < BUCKETS; b++)
		for (struct image *i = s->buckets[b]; i; i = i->next)
			if (atomic_load(&i->refs) == 0 &&
			    (!least || i->used_at < least->used_at))
				least = i;
	return least;
}

static struct image *table_add(struct images *s, const struct digest *d)
{
	struct image *least = s->count >= MAPPED_MAX ? least_used(s) : NULL;

	if (least) {
		table_remove(s, least);
		image_unmap(least);
	}
	struct image *i = xcalloc(1, sizeof(*i));
	i->digest = *d;
	i->state = IMAGE_READING;
	i->next = *bucket_of(s, d);
	*bucket_of(s, d) = i;
	s->count++;
	return i;
}

/* Gives back the opener's reference to an entry that came to nothing; the last one frees it. */
static enum rc image_drop_bad(struct image *i)
{
	enum rc rc = i->bad;

	if (atomic_fetch_sub(&i->refs, 1) == 1)
		image_unmap(i);
	return rc;
}

/* Makes the entry and reads the file; others that want it meanwhile wait for the result. */
static struct image *image_open_file(struct images *s, const struct digest *d)
{
	struct image *i = table_add(s, d);
	struct whole_file f = { 0 };
	char hex[DIGEST_TEXT_SIZE];
	bool away = false;

	atomic_fetch_add(&i->refs, 1);
	pthread_mutex_unlock(&s->lock);
	enum rc rc = file_verify(s, d, &f, &away);
	if (away)
		log_error("a stored image has changed: it is in quarantine, upload it again",
			  "image", digest_format(d, hex));
	pthread_mutex_lock(&s->lock);
	i->bytes = f.bytes;
	i->chunks = f.chunks;
	i->file = f.id;
	i->bad = rc;
	i->state = rc == RC_OK ? IMAGE_READY : IMAGE_BAD;
	if (rc != RC_OK)
		table_remove(s, i);
	pthread_cond_broadcast(&s->changed);
	return i;
}

static void drop_rotten(struct images *s, struct image *i)
{
	table_remove(s, i);
	i->next = s->rotten;
	s->rotten = i;
}

/* What was found to be rotten while it was read is read anew from its file, which may be
 * another by now, or the same with good bytes again. */
static struct image *find_sound(struct images *s, const struct digest *d)
{
	struct image *i = table_find(s, d);

	if (!i || !atomic_load(&i->rotten))
		return i;
	drop_rotten(s, i);
	return NULL;
}

static enum rc open_locked(struct images *s, const struct digest *d, struct image **ret)
{
	struct image *i = find_sound(s, d);

	if (i) {
		atomic_fetch_add(&i->refs, 1);
		while (i->state == IMAGE_READING)
			pthread_cond_wait(&s->changed, &s->lock);
	} else {
		i = image_open_file(s, d);
	}
	if (i->state == IMAGE_BAD)
		return image_drop_bad(i);
	i->used_at = clock_monotonic();
	*ret = i;
	return RC_OK;
}

enum rc images_open(struct images *s, const struct digest *d, struct image **ret)
{
	pthread_mutex_lock(&s->lock);
	enum rc rc = open_locked(s, d, ret);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* --- reading ahead for threads that must not wait --- */

static void *reader_main(void *arg)
{
	struct images *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		struct image *i = NULL;

		if (s->wanted_count == 0) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		struct digest d = s->wanted[--s->wanted_count];
		if (open_locked(s, &d, &i) == RC_OK)
			image_close(i);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* When the list is full the peer asks again, and then finds a place. */
static void want(struct images *s, const struct digest *d)
{
	if (!s->reader_runs)
		s->reader_runs = pthread_create(&s->reader, NULL, reader_main, s) == 0;
	for (int i = 0; i < s->wanted_count; i++)
		if (digest_equal(&s->wanted[i], d))
			return;
	if (s->wanted_count < WANTED_MAX)
		s->wanted[s->wanted_count++] = *d;
	pthread_cond_broadcast(&s->changed);
}

static enum rc file_size(const struct images *s, const struct digest *d, int64_t *ret)
{
	char path[IMAGE_PATH_MAX];
	struct stat st;

	enum rc rc = image_path(s->dir, d, path);
	if (rc != RC_OK)
		return rc;
	if (stat(path, &st) < 0)
		return errno == ENOENT ? RC_NOT_FOUND : RC_INTERNAL;
	*ret = st.st_size;
	return RC_OK;
}

static enum rc open_soon_locked(struct images *s, const struct digest *d, struct image **ret)
{
	struct image *i = find_sound(s, d);
	int64_t size = 0;

	if (i && i->state == IMAGE_READY)
		return open_locked(s, d, ret);
	if (!i) {
		enum rc rc = file_size(s, d, &size);
		if (rc != RC_OK)
			return rc;
		if (size <= AT_ONCE_SIZE)
			return open_locked(s, d, ret);
		want(s, d);
	}
	return RC_UNAVAILABLE;
}

static void drop_at_hand(const struct images *s, unsigned at)
{
	if (at_hand[at].store == s->number)
		image_close(at_hand[at].image);
	at_hand[at].store = 0;
}

/* A device asks for the next block of what it asked for just now.  What has rotted meanwhile is
 * let go: a good one may have come in its place. */
static struct image *find_at_hand(const struct images *s, const struct digest *d)
{
	unsigned at = d->b[0] % AT_HAND;
	struct image *i = at_hand[at].image;

	if (at_hand[at].store != s->number || !digest_equal(&i->digest, d))
		return NULL;
	if (!atomic_load_explicit(&i->rotten, memory_order_relaxed))
		return image_ref(i);
	drop_at_hand(s, at);
	return NULL;
}

static void keep_at_hand(const struct images *s, struct image *i)
{
	unsigned at = i->digest.b[0] % AT_HAND;

	drop_at_hand(s, at);
	at_hand[at].store = s->number;
	at_hand[at].image = image_ref(i);
}

enum rc images_open_soon(struct images *s, const struct digest *d, struct image **ret)
{
	struct image *i = find_at_hand(s, d);

	if (i) {
		*ret = i;
		return RC_OK;
	}
	pthread_mutex_lock(&s->lock);
	enum rc rc = open_soon_locked(s, d, ret);
	pthread_mutex_unlock(&s->lock);
	if (rc == RC_OK)
		keep_at_hand(s, *ret);
	return rc;
}

void image_close(struct image *i)
{
	if (i)
		atomic_fetch_sub(&i->refs, 1);
}

size_t image_size(const struct image *i)
{
	return i->bytes.n;
}

bool image_read(struct image *i, size_t offset, size_t size, void *to)
{
	struct image_part part = { i->bytes, offset, size };

	if (atomic_load_explicit(&i->rotten, memory_order_relaxed))
		return false;
	image_watch(i->bytes, &i->rotten);
	bool holds = image_chunks_hold(i->chunks, part, clock_monotonic());
	if (holds && size)
		memcpy(to, i->bytes.p + offset, size);
	image_unwatch();
	if (!holds)
		atomic_store(&i->rotten, true);
	return !atomic_load(&i->rotten);
}

static void condemn_mapping(struct images *s, const struct digest *d, struct file_id file)
{
	pthread_mutex_lock(&s->lock);
	struct image *i = table_find(s, d);
	if (i && i->state == IMAGE_READY && same_file(i->file, file)) {
		atomic_store(&i->rotten, true);
		drop_rotten(s, i);
	}
	pthread_mutex_unlock(&s->lock);
}

bool images_condemn(struct images *s, const struct digest *d, int fd, bool readable)
{
	struct whole_file f = { 0 };
	char path[IMAGE_PATH_MAX];
	bool away = false;
	struct stat st;

	if (fstat(fd, &st) < 0 || image_path(s->dir, d, path) != RC_OK)
		return false;
	condemn_mapping(s, d, id_of(&st));
	if (!readable)
		return file_quarantine(s, path, id_of(&st));
	if (file_verify(s, d, &f, &away) == RC_OK)
		whole_file_drop(&f);
	return away;
}

int64_t images_quarantined(struct images *s)
{
	return atomic_load(&s->quarantined);
}

struct image *image_ref(struct image *i)
{
	atomic_fetch_add(&i->refs, 1);
	return i;
}
