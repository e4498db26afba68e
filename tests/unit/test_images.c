/* The image store: what is in it is whole and is what its name says, whatever was uploaded, cut
 * off, raced or changed on disk. */

#include "base/clean.h"
#include "base/clock.h"
#include "base/hash.h"
#include "core/image_chunks.h"
#include "core/image_fault.h"
#include "core/images.h"
#include "core/images_files.h"
#include "core/images_scrub.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct temp_dir dir;
static struct images *store;
static struct arena *mem;

static const char *path_of(const char *sub)
{
	return arena_printf(mem, "%s/%s", dir.path, sub);
}

static const char *file_of(const struct digest *d)
{
	char hex[DIGEST_TEXT_SIZE];

	digest_format(d, hex);
	return arena_printf(mem, "%s/images/%.2s/%s", dir.path, hex, hex + 2);
}

static struct bytes make_bytes(size_t n, uint8_t seed)
{
	uint8_t *p = arena_alloc(mem, n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 8) + seed);
	return (struct bytes){ p, n };
}

static enum rc put(struct bytes b, const struct digest *name, int64_t *ret_size)
{
	struct image_upload *u = NULL;

	enum rc rc = image_upload_begin(store, IMAGE_SIZE_MAX, &u);
	if (rc != RC_OK)
		return rc;
	while (rc == RC_OK && b.n) {
		struct bytes part = { b.p, b.n < 5000 ? b.n : 5000 };
		rc = image_upload_write(u, part);
		b.p += part.n;
		b.n -= part.n;
	}
	if (rc == RC_OK)
		rc = image_upload_commit(u, name, ret_size);
	image_upload_abort(u);
	return rc;
}

static bool reads(struct image *i, struct bytes wanted)
{
	uint8_t *p = xmalloc(wanted.n + 1);

	bool same = image_size(i) == wanted.n && image_read(i, 0, wanted.n, p) &&
		    bytes_equal((struct bytes){ p, wanted.n }, wanted);
	free(p);
	return same;
}

static enum rc get(const struct digest *d, struct bytes wanted)
{
	struct image *i = NULL;

	enum rc rc = images_open(store, d, &i);
	if (rc != RC_OK)
		return rc;
	rc = reads(i, wanted) ? RC_OK : RC_INVALID;
	image_close(i);
	return rc;
}

static void restart(void)
{
	images_free(store);
	store = NULL;
	is_int(images_create(path_of("images"), &store), RC_OK, "opened again");
}

static void test_round(void)
{
	struct bytes b = make_bytes(70001, 1);
	struct digest d, none = { { 9 } };
	struct image *i = NULL;
	int64_t size = 0;

	sha256_of(b, &d);
	is_int(get(&d, b), RC_NOT_FOUND, "not there yet");
	is_int(put(b, &d, &size), RC_OK, "stored");
	is_int(size, 70001, "with its size");
	is_int(get(&d, b), RC_OK, "the same bytes come back");
	is_int(put(b, &d, &size), RC_OK, "stored again");
	is_int(images_open(store, &none, &i), RC_NOT_FOUND, "another is not there");
	is_int(images_open(store, &d, &i), RC_OK, "opened");
	struct image *more = image_ref(i);
	ok(more == i, "one mapping");
	image_close(i);
	ok(reads(more, b), "as long as one has it open");
	image_close(more);
	is_int(temp_dir_entries(path_of("images/tmp")), 0, "nothing is left in tmp");
	b = make_bytes(0, 0);
	sha256_of(b, &d);
	is_int(put(b, &d, &size), RC_OK, "nothing can be stored");
	is_int(get(&d, b), RC_OK, "and read");
}

/* A14: exactly these bytes. */
static void test_A14_exact(void)
{
	struct bytes b = make_bytes(4096, 2), cut = { b.p, b.n - 1 };
	struct digest d;
	int64_t size = 0;

	sha256_of(b, &d);
	is_int(put((struct bytes){ b.p, b.n + 1 }, &d, &size), RC_UNPROCESSABLE,
	       "one byte more");
	is_int(put(cut, &d, &size), RC_UNPROCESSABLE, "one byte less");
	is_int(get(&d, b), RC_NOT_FOUND, "neither is there");
	is_int(temp_dir_entries(path_of("images/tmp")), 0, "nothing is left in tmp");

	struct image_upload *u = NULL;
	is_int(image_upload_begin(store, 4095, &u), RC_OK, "at most 4095 bytes");
	is_int(image_upload_write(u, cut), RC_OK, "4095 fit");
	is_int(image_upload_write(u, (struct bytes){ b.p, 1 }), RC_TOO_LARGE,
	       "one more does not");
	image_upload_abort(u);
	is_int(temp_dir_entries(path_of("images/tmp")), 0, "nothing is left in tmp");
}

static void test_commit_again(void)
{
	struct bytes b = make_bytes(100, 3);
	struct image_upload *u = NULL;
	struct digest d;
	int64_t size = 0;

	sha256_of(b, &d);
	is_int(image_upload_begin(store, 1000, &u), RC_OK, "begun");
	is_int(image_upload_write(u, b), RC_OK, "written");
	is_int(image_upload_commit(u, &d, &size), RC_OK, "committed");
	size = 0;
	is_int(image_upload_commit(u, &d, &size), RC_OK, "committed again: the same answer");
	is_int(size, 100, "the same size");
	image_upload_abort(u);
	is_int(get(&d, b), RC_OK, "it is there");
}

static void flip(const char *path, off_t at)
{
	uint8_t byte = 0;
	int fd = open(path, O_RDWR);

	if (fd < 0 || pread(fd, &byte, 1, at) != 1)
		tap_ok(false, "%s can be changed", path);
	byte ^= 0x10;
	if (fd < 0 || pwrite(fd, &byte, 1, at) != 1)
		tap_ok(false, "%s was changed", path);
	close(fd);
}

/* A15: a file that changed on disk is never served; an upload heals it. */
static void test_A15_changed(void)
{
	struct bytes b = make_bytes(20000, 4);
	struct digest d;
	int64_t size = 0;

	sha256_of(b, &d);
	is_int(put(b, &d, &size), RC_OK, "stored");
	restart();
	flip(file_of(&d), 19999);
	is_int(get(&d, b), RC_UNPROCESSABLE, "one flipped bit: not served");
	is_int(temp_dir_entries(path_of("images/quarantine")), 1, "but kept aside");
	is_int(get(&d, b), RC_NOT_FOUND, "now there is none");
	is_int(put(b, &d, &size), RC_OK, "uploaded again");
	is_int(get(&d, b), RC_OK, "it is served");
	restart();
	ok(truncate(file_of(&d), 19998) == 0, "cut on disk");
	is_int(get(&d, b), RC_UNPROCESSABLE, "not served");
	is_int(put(b, &d, &size), RC_OK, "uploaded again");
	restart();
	ok(unlink(file_of(&d)) == 0 && symlink("/etc/passwd", file_of(&d)) == 0,
	   "a link in its place");
	ok(get(&d, b) != RC_OK, "not followed");
	ok(unlink(file_of(&d)) == 0, "link removed");
}

/* The scrub finds a file that changed, also while it is open. */
static bool scrub_finds(struct images_scrub *scrub, const struct digest *d)
{
	struct digest found;

	for (int n = 0; n < 1000; n++)
		if (images_scrub_step(scrub, 65536, &found))
			return digest_equal(&found, d);
	return false;
}

static void test_A15_scrub(void)
{
	struct bytes b = make_bytes(200000, 14);
	struct images_scrub *scrub = images_scrub_create(store);
	struct image *i = NULL;
	struct digest d, found;
	uint8_t piece[1024];
	int64_t size = 0, before = images_quarantined(store);

	sha256_of(b, &d);
	is_int(put(b, &d, &size), RC_OK, "stored");
	is_int(images_open(store, &d, &i), RC_OK, "opened");
	ok(!scrub_finds(scrub, &d), "nothing is wrong with what is stored");
	images_scrub_free(scrub);
	scrub = images_scrub_create(store);
	flip(file_of(&d), 150000);
	ok(scrub_finds(scrub, &d), "a flipped byte is found, and where");
	is_int(images_quarantined(store), before + 1, "it is put away");
	ok(!image_read(i, 0, 1024, piece), "nothing of it is served to those who have it open");
	is_int(get(&d, b), RC_NOT_FOUND, "and nobody opens it");
	image_close(i);
	is_int(put(b, &d, &size), RC_OK, "uploaded again");
	is_int(get(&d, b), RC_OK, "it is served");
	is_int(images_open(store, &d, &i), RC_OK, "opened");
	int fd = open(file_of(&d), O_RDONLY);
	is_int(put(b, &d, &size), RC_OK, "uploaded while the scrub reads it");
	ok(!images_condemn(store, &d, fd, false), "a good file in its place is not put away");
	ok(!images_condemn(store, &d, fd, true), "nor with another look");
	close(fd);
	is_int(get(&d, b), RC_OK, "and stays");
	image_close(i);
	ok(!images_scrub_step(scrub, 1 << 20, &found), "the scrub finds nothing more");
	images_scrub_free(scrub);
}

/* A15: what was verified is verified again before it is read, once it is ten seconds old: begun
 * before the other tests, and ended after them, in a store of its own. */
static struct {
	struct images *store;
	struct image *image;
	int64_t since;
} aged;

static void test_A15_aged_begins(void)
{
	struct images *others = store;
	struct bytes b = make_bytes(200000, 61);
	char hex[DIGEST_TEXT_SIZE];
	struct digest d;
	int64_t size = 0;

	sha256_of(b, &d);
	digest_format(&d, hex);
	is_int(images_create(path_of("aged"), &store), RC_OK, "another store");
	is_int(put(b, &d, &size), RC_OK, "stored");
	is_int(images_open(store, &d, &aged.image), RC_OK, "opened");
	aged.since = clock_monotonic();
	flip(arena_printf(mem, "%s/aged/%.2s/%s", dir.path, hex, hex + 2), 150000);
	aged.store = store;
	store = others;
}

static void test_A15_aged_ends(void)
{
	uint8_t piece[2048];

	while (clock_monotonic() <= aged.since + IMAGE_CHUNK_AGAIN_US)
		usleep(50000);
	ok(image_read(aged.image, 1000, sizeof(piece), piece), "a part that is as it was");
	ok(!image_read(aged.image, 149000, sizeof(piece), piece), "the one that has changed");
	ok(!image_read(aged.image, 1000, sizeof(piece), piece), "and then nothing of it");
	image_close(aged.image);
	images_free(aged.store);
}

/* A15: a file that is cut under its mapping, or can no longer be read, is no longer served; the
 * daemon lives. */
static void test_A15_cut(void)
{
	struct bytes b = make_bytes(300000, 41);
	struct image *i = NULL;
	uint8_t piece[1024];
	struct digest d;
	int64_t size = 0;

	sha256_of(b, &d);
	is_int(put(b, &d, &size), RC_OK, "stored");
	is_int(images_open(store, &d, &i), RC_OK, "opened");
	ok(image_read(i, 250000, sizeof(piece), piece) &&
		   memcmp(piece, b.p + 250000, 1024) == 0,
	   "read");
	is_int(chmod(file_of(&d), 0600) || truncate(file_of(&d), 10000), 0, "cut");
	ok(!image_read(i, 250000, sizeof(piece), piece), "what is not there is not served");
	ok(!image_read(i, 0, sizeof(piece), piece), "nor anything else of it");
	image_close(i);
	is_int(images_open(store, &d, &i), RC_UNPROCESSABLE, "the next open puts it away");
	is_int(put(b, &d, &size), RC_OK, "stored again");
	is_int(get(&d, b), RC_OK, "it is there");
	is_int(images_open(store, &d, &i), RC_OK, "opened");
	is_int(truncate(file_of(&d), 10000), 0, "cut");
	ok(!image_read(i, 250000, sizeof(piece), piece), "what is not there is not served");
	image_close(i);
	is_int(put(b, &d, &size), RC_OK, "stored before anybody opens it again");
	is_int(get(&d, b), RC_OK, "the good one is not put away in the place of the bad");
}

/* The same while it is hashed, and then for the thread that does not watch. */
static void test_A15_cut_while_hashed(void)
{
	atomic_bool bad = false;
	struct digest whole;
	FILE *f = tmpfile();

	if (!f || ftruncate(fileno(f), 300000) != 0)
		abort();
	uint8_t *p = mmap(NULL, 300000, PROT_READ, MAP_SHARED, fileno(f), 0);
	struct bytes b = { p, 300000 };
	struct image_chunks *c = image_chunks_create(b, 0, &whole);
	if (ftruncate(fileno(f), 0) != 0)
		abort();
	image_watch(b, &bad);
	ok(image_chunks_hold(c, (struct image_part){ b, 200000, 10 }, IMAGE_CHUNK_AGAIN_US),
	   "zeros in the place of zeros");
	ok(atomic_load(&bad), "but it is known that they are not the file's");
	image_unwatch();
	image_chunks_free(c);
	pid_t child = fork();
	if (child == 0)
		_exit(*(volatile uint8_t *)p); /* page 0 was not read */
	int status = 0;
	waitpid(child, &status, 0);
	ok(!WIFEXITED(status), "whoever does not watch ends, as ever");
	munmap(p, 300000);
	fclose(f);
}

/* A part is read again after a while, and no part is served that has changed. */
static void test_A15_chunks(void)
{
	static uint8_t bytes[3 * IMAGE_CHUNK_SIZE + 7];
	struct image_part first = { { bytes, sizeof(bytes) }, 0, 1024 };
	struct image_part across = { { bytes, sizeof(bytes) }, IMAGE_CHUNK_SIZE - 1, 2 };
	struct image_part last = { { bytes, sizeof(bytes) }, 3 * IMAGE_CHUNK_SIZE, 7 };
	struct digest whole, is;

	memset(bytes, 'x', sizeof(bytes));
	struct image_chunks *c = image_chunks_create(first.whole, 0, &whole);
	sha256_of(first.whole, &is);
	ok(digest_equal(&whole, &is), "the whole's digest is made on the way");
	bytes[IMAGE_CHUNK_SIZE] ^= 1;
	ok(image_chunks_hold(c, across, IMAGE_CHUNK_AGAIN_US - 1),
	   "a change is not seen before the time");
	ok(image_chunks_hold(c, first, IMAGE_CHUNK_AGAIN_US), "nor in another part");
	ok(!image_chunks_hold(c, across, IMAGE_CHUNK_AGAIN_US), "but then where it is");
	ok(!image_chunks_hold(c, across, IMAGE_CHUNK_AGAIN_US), "and again");
	ok(image_chunks_hold(c, last, 9 * IMAGE_CHUNK_AGAIN_US), "the last part is good");
	bytes[sizeof(bytes) - 1] ^= 1;
	ok(image_chunks_hold(c, last, 9 * IMAGE_CHUNK_AGAIN_US + 1), "good for a while");
	ok(!image_chunks_hold(c, last, 10 * IMAGE_CHUNK_AGAIN_US), "and bad after it");
	image_chunks_free(c);
}

static void test_leftovers(void)
{
	struct image_upload *u = NULL;
	struct bytes b = make_bytes(100, 5);

	is_int(image_upload_begin(store, 1000, &u), RC_OK, "an upload begins");
	is_int(image_upload_write(u, b), RC_OK, "and gets some bytes");
	is_int(temp_dir_entries(path_of("images/tmp")), 1, "which lie in tmp");
	struct images *other = NULL;
	is_int(images_create(path_of("images"), &other), RC_OK, "the daemon starts anew");
	is_int(temp_dir_entries(path_of("images/tmp")), 0, "and finds tmp empty");
	images_free(other);
	image_upload_abort(u);
}

static void test_no_space(void)
{
	struct bytes b = make_bytes(300000, 6);
	struct rlimit old, small = { 65536, RLIM_INFINITY };
	struct digest d;
	int64_t size = 0;

	sha256_of(b, &d);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	ok(setrlimit(RLIMIT_FSIZE, &small) == 0, "files may not grow");
	is_int(put(b, &d, &size), RC_STORAGE, "no space left");
	ok(setrlimit(RLIMIT_FSIZE, &old) == 0, "files may grow again");
	is_int(get(&d, b), RC_NOT_FOUND, "no partial image");
	is_int(temp_dir_entries(path_of("images/tmp")), 0, "nothing is left in tmp");
	is_int(put(b, &d, &size), RC_OK, "stored without a restart");
}

/* C11: a hundred at once, one object. */
#define RACERS 100
static struct bytes race_bytes;
static struct digest race_digest;

static void *race_put(void *arg)
{
	struct image_upload *u = NULL;
	struct image *i = NULL;
	int64_t size = 0;
	bool *won = arg;

	if (image_upload_begin(store, IMAGE_SIZE_MAX, &u) == RC_OK &&
	    image_upload_write(u, race_bytes) == RC_OK &&
	    image_upload_commit(u, &race_digest, &size) == RC_OK &&
	    images_open(store, &race_digest, &i) == RC_OK) {
		*won = reads(i, race_bytes);
		image_close(i);
	}
	image_upload_abort(u);
	return NULL;
}

static void test_C11_race(void)
{
	pthread_t threads[RACERS];
	bool won[RACERS] = { false };
	int wins = 0;

	race_bytes = make_bytes(30000, 7);
	sha256_of(race_bytes, &race_digest);
	for (int i = 0; i < RACERS; i++)
		pthread_create(&threads[i], NULL, race_put, &won[i]);
	for (int i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		wins += won[i];
	}
	is_int(wins, RACERS, "all 100 are answered, and read what they wrote");
	char *folder = arena_text(mem, file_of(&race_digest));
	*strrchr(folder, '/') = 0;
	is_int(temp_dir_entries(folder), 1, "there is one object");
	is_int(temp_dir_entries(path_of("images/tmp")), 0, "nothing is left in tmp");
}

static void *race_open(void *arg)
{
	struct image *i = NULL;
	int *opened = arg;

	for (int n = 0; n < 200; n++)
		if (images_open(store, &race_digest, &i) == RC_OK) {
			*opened += image_size(i) == race_bytes.n;
			image_close(i);
		}
	return NULL;
}

static void test_open_race(void)
{
	pthread_t threads[8];
	int opened[8] = { 0 }, sum = 0;

	restart();
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, race_open, &opened[i]);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		sum += opened[i];
	}
	is_int(sum, 1600, "8 threads open it 200 times each, and the first open is shared");
}

static void test_soon(void)
{
	struct bytes b = make_bytes(3000000, 8);
	struct image *i = NULL;
	struct digest d, none = { { 7 } };
	int64_t size = 0;
	enum rc rc = RC_OK;

	sha256_of(b, &d);
	is_int(put(b, &d, &size), RC_OK, "a large one is stored");
	restart();
	is_int(images_open_soon(store, &none, &i), RC_NOT_FOUND,
	       "what is not there is not there");
	is_int(images_open_soon(store, &race_digest, &i), RC_OK, "a small one comes at once");
	image_close(i);
	rc = images_open_soon(store, &d, &i);
	is_int(rc, RC_UNAVAILABLE, "a large one is read by the store's own thread");
	for (int n = 0; n < 1000 && rc == RC_UNAVAILABLE; n++) {
		usleep(10000);
		rc = images_open_soon(store, &d, &i);
	}
	is_int(rc, RC_OK, "and soon is there");
	ok(rc == RC_OK && reads(i, b), "whole");
	image_close(i);
	restart();
	flip(file_of(&d), 1000000);
	rc = images_open_soon(store, &d, &i);
	for (int n = 0; n < 1000 && rc == RC_UNAVAILABLE; n++) {
		usleep(10000);
		rc = images_open_soon(store, &d, &i);
	}
	is_int(rc, RC_NOT_FOUND, "one that changed on disk is put aside");
}

int main(void)
{
	mem = arena_create();

	dir = temp_dir_make();
	is_int(images_create(path_of("images"), &store), RC_OK, "made");
	test_A15_aged_begins();
	test_round();
	test_A14_exact();
	test_commit_again();
	test_A15_changed();
	test_A15_scrub();
	test_A15_chunks();
	test_A15_cut();
	test_A15_cut_while_hashed();
	test_leftovers();
	test_no_space();
	test_C11_race();
	test_open_race();
	test_soon();
	test_A15_aged_ends();
	images_free(store);
	clean_temp_dir(&dir);
	arena_free(mem);
	return tap_done();
}
