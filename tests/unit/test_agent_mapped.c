/* Files that are cut while they are mapped, or have bad sectors, which is the same to whoever
 * reads: it fails, and nobody dies. */
#include "agent/mapped.h"
#include "agent/store.h"
#include "agent/stream.h"
#include "suit/crypto_openssl.h"
#include "tests/tap.h"
#include "tests/unit/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 3

static size_t page;
static bool cut_now;

/* The store calls it between asking for a file's size and reading the file. */
int posix_fadvise(int fd, off_t at, off_t n, int advice)
{
	char name[64], path[512];
	(void)at;
	(void)n;
	(void)advice;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(name, path, sizeof(path) - 1);
	if (!cut_now || len < 0)
		return 0;
	path[len] = '\0';
	return truncate(path, (off_t)page);
}

static int file_of(size_t pages)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)(pages * page)) != 0 ||
	    pwrite(fd, "begin", 5, 0) != 5)
		abort();
	return fd;
}

static void test_mapped(void)
{
	int fd = file_of(PAGES);
	const volatile uint8_t *p = mapped_open(fd, PAGES * page);
	ok(p && p[0] == 'b' && p[2 * page] == 0 && mapped_close(), "all of it is there");
	p = mapped_open(fd, PAGES * page);
	if (ftruncate(fd, (off_t)page) != 0)
		abort();
	ok(p && p[0] == 'b', "what is left is read");
	ok(p[page] == 0 && p[3 * page - 1] == 0, "what is not is zeros");
	errno = 0;
	ok(!mapped_close() && errno == EIO, "and is known not to be there");
	p = mapped_open(fd, page);
	ok(p && p[1] == 'e' && mapped_close(), "the next one is good again");
	ok(!mapped_open(-1, page), "no file");
	close(fd);
}

/* Any other SIGBUS ends the program, while something is mapped as well. */
static void test_others(void)
{
	int fd = file_of(PAGES), status = 0;
	pid_t child = fork();
	if (child == 0) {
		int other = file_of(0);
		const volatile uint8_t *p = mmap(NULL, page, PROT_READ, MAP_SHARED, other, 0);
		if (ftruncate(other, 0) != 0 || !mapped_open(fd, page))
			_exit(1);
		_exit(2 + p[0]);
	}
	ok(waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
		   WTERMSIG(status) == SIGBUS,
	   "a fault elsewhere is one");
	close(fd);
}

static void test_digest(void)
{
	struct temp_dir dir = temp_dir_make();
	struct suit_digest digest;
	uint64_t size = 0;
	char path[600];
	snprintf(path, sizeof(path), "%s/file", dir.path);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)(PAGES * page)) != 0)
		abort();
	ok(store_file_digest(&suit_crypto_openssl, path, &digest, &size) &&
		   size == PAGES * page,
	   "a digest");
	cut_now = true;
	ok(!store_file_digest(&suit_crypto_openssl, path, &digest, &size) && errno == EIO,
	   "none of a file that is cut meanwhile");
	cut_now = false;
	close(fd);
	clean_temp_dir(&dir);
}

/* 64 bytes from 3996 before the old image's end. */
static void test_stream(void)
{
	static const uint8_t patch[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x40, 0x3d, 0x00,
					 0x00, 0x00, 0x01, 0x00, 0xfd, 0xbc, 0x04, 0x81 };
	struct stream_job job = { .crypto = &suit_crypto_openssl,
				  .format = FORMAT_PATCH_ZSTD,
				  .in_fd = -1,
				  .content = { patch, sizeof(patch) },
				  .old_fd = file_of(PAGES),
				  .old_size = PAGES * page,
				  .out_fd = memfd_create("out", MFD_CLOEXEC),
				  .size = 64 };
	size_t heap;
	is_int(stream_run(&job, &heap), SUIT_OK, "a patch for what is there");
	if (ftruncate(job.old_fd, (off_t)page) != 0)
		abort();
	errno = 0;
	is_int(stream_run(&job, &heap), SUIT_OPERATION, "and for what is not");
	is_int(errno, EIO, "as a fault of the disk");
	job.content.n--;
	is_int(stream_run(&job, &heap), SUIT_MISSING, "nothing of it was read");
	close(job.old_fd);
	close(job.out_fd);
}

int main(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	test_mapped();
	test_others();
	test_digest();
	test_stream();
	return tap_done();
}
