/* A payload on its way into an image, as the agent takes it: decrypted, unpacked or patched,
 * written.  Read in pieces of any size from a file, and encrypted, it comes to the same as bare
 * and from memory; what was changed under a tag comes to nothing; and never is more written, or
 * more memory used, than was said. */

#include "agent/stream.h"
#include "suit/crypto_openssl.h"
#include "suit/encrypt_stream.h"
#include "tests/fuzz/target.h"
#include "tests/unit/suit_data.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAYLOAD_MAX 8192
#define IMAGE_MAX   65535
#define OLD_MAX     4096

static const enum suit_alg algs[] = { SUIT_ALG_A128GCM, SUIT_ALG_A256GCM, SUIT_ALG_A128CTR,
				      SUIT_ALG_A256CTR, SUIT_ALG_CHACHA20 };
#define ALGS (sizeof(algs) / sizeof(*algs))

/* The first bytes of an input; the rest is a payload, not encrypted. */
struct head {
	uint8_t format, alg, dice, old, size[2], damage, at[2];
};

static struct suit_crypto crypto;
static struct keys keys = { .secret = { .n = 16 } };
static int old_fd, in_fd, out_fd;
/* How reading goes. */
static struct {
	uint32_t dice;
	size_t most; /* bytes at a time; 0: as it should be */
	bool fails;  /* the payload's file at some time */
	bool failed;
} disk;

static uint32_t roll(uint32_t n)
{
	disk.dice = disk.dice * 1664525 + 1013904223;
	return (disk.dice >> 8) % n;
}

/* Instead of the C library's: as much as a disk likes to give, or nothing any more. */
ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	if (disk.most > 0 && roll(8) == 0) {
		errno = EINTR;
		return -1;
	}
	if (disk.fails && fd == in_fd && roll(4) == 0) {
		disk.failed = true;
		errno = EIO;
		return -1;
	}
	size_t most = disk.most > 0 ? 1 + roll((uint32_t)disk.most) : n;
	return syscall(SYS_pread64, fd, p, n < most ? n : most, at);
}

/* A key is not used twice by anybody but a test. */
static enum suit_rc no_dice(uint8_t *p, size_t n)
{
	memset(p, 7, n);
	return SUIT_OK;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct suit_bytes old = suit_data("delta/old.bin");

	(void)argc;
	(void)argv;
	crypto = suit_crypto_openssl;
	crypto.random = no_dice;
	old_fd = memfd_create("old", MFD_CLOEXEC);
	in_fd = memfd_create("in", MFD_CLOEXEC);
	out_fd = memfd_create("out", MFD_CLOEXEC);
	check(old_fd >= 0 && in_fd >= 0 && out_fd >= 0);
	check(old.n > 0 && old.n <= OLD_MAX);
	check(write(old_fd, old.p, old.n) == (ssize_t)old.n);
	return 0;
}

/* --- one run ------------------------------------------------------------------------------ */

struct result {
	enum suit_rc rc;
	uint8_t p[IMAGE_MAX];
	size_t n;
};

/* What agent/stream.h says of memory, in bytes, but for patches by zstd. */
static size_t heap_most(const struct stream_job *j)
{
	size_t most = 14 << 10;

	if (j->info.n > 0)
		most += 2 << 10;
	if (j->format == FORMAT_HEATSHRINK || j->format == FORMAT_PATCH_HEATSHRINK)
		most += 3 << 10;
	if (j->format == FORMAT_LZMA || j->format == FORMAT_PATCH_LZMA)
		most += 95 << 10;
	if (j->format == FORMAT_ZSTD)
		most += (320 + 140) << 10;
	if (j->format == FORMAT_PATCH_ZSTD)
		most += (320 + 400) << 10;
	return most;
}

static void run(const struct stream_job *job, struct result *ret)
{
	size_t heap = SIZE_MAX;

	check(ftruncate(out_fd, 0) == 0 && lseek(out_fd, 0, SEEK_SET) == 0);
	errno = 0;
	ret->rc = stream_run(job, &heap);
	check(heap <= heap_most(job));
	off_t n = lseek(out_fd, 0, SEEK_END);
	check(n >= 0 && (uint64_t)n <= job->size);
	check(ret->rc != SUIT_OK || (uint64_t)n == job->size);
	ret->n = (size_t)n;
	check(syscall(SYS_pread64, out_fd, ret->p, ret->n, 0) == n);
}

static void fill(struct suit_bytes payload)
{
	check(ftruncate(in_fd, 0) == 0 && lseek(in_fd, 0, SEEK_SET) == 0);
	check(write(in_fd, payload.p, payload.n) == (ssize_t)payload.n);
}

static void check_same(const struct result *a, const struct result *b)
{
	check((a->rc == SUIT_OK) == (b->rc == SUIT_OK));
	check(a->rc != SUIT_OK || a->n == b->n);
	/* What fails may fail some bytes sooner or later. */
	check(memcmp(a->p, b->p, a->n < b->n ? a->n : b->n) == 0);
}

/* --- encrypted ---------------------------------------------------------------------------- */

static struct suit_bytes seal(enum suit_alg alg, struct suit_bytes in, uint8_t *out,
			      struct suit_bytes *ret_info)
{
	static uint8_t info[256];
	struct suit_party to = { .secret = { keys.secret.b, keys.secret.n } };
	struct suit_content_key key;
	struct suit_encrypt s;
	size_t tag = 0;

	check(suit_encrypt_open(&s, &crypto, alg, &key) == SUIT_OK);
	check(suit_encrypt_update(&s, in, out) == SUIT_OK);
	check(suit_encrypt_finish(&s, out + in.n, &tag) == SUIT_OK);
	ret_info->p = info;
	check(suit_encrypt_info_make(&crypto, &key, &to, 1, info, sizeof(info), &ret_info->n) ==
	      SUIT_OK);
	return (struct suit_bytes){ out, in.n + tag };
}

/* A bit, the end cut off, or a byte more.  False: it is as it was. */
static bool damage(const struct head *h, uint8_t *p, size_t *n)
{
	size_t at = (size_t)h->at[0] << 8 | h->at[1];

	if (h->damage % 4 == 3)
		p[(*n)++] = h->damage;
	else if (h->damage % 4 == 0 || *n == 0)
		return false;
	else if (h->damage % 4 == 1)
		p[at % *n] ^= (uint8_t)(1u << (h->damage >> 5));
	else
		*n = at % *n;
	return true;
}

static void run_encrypted(struct stream_job job, const struct head *h, struct suit_bytes in,
			  const struct result *bare)
{
	static uint8_t sealed[PAYLOAD_MAX + SUIT_TAG_SIZE + 1];
	static struct result result;
	enum suit_alg alg = algs[h->alg % ALGS];
	struct suit_bytes payload = seal(alg, in, sealed, &job.info);

	job.in_fd = in_fd;
	fill(payload);
	run(&job, &result);
	check_same(bare, &result);
	job.allowed &= ~FORMAT_BIT(FORMAT_AES_KW);
	run(&job, &result);
	check(result.rc != SUIT_OK && result.n == 0);
	job.allowed |= FORMAT_BIT(FORMAT_AES_KW);
	if (!damage(h, sealed, &payload.n))
		return;
	fill(payload);
	run(&job, &result);
	check(result.rc != SUIT_OK || alg == SUIT_ALG_A128CTR || alg == SUIT_ALG_A256CTR);
}

static void run_failing(struct stream_job job, struct suit_bytes in, const struct result *bare)
{
	static struct result result;

	job.in_fd = in_fd;
	fill(in);
	disk.fails = true;
	disk.failed = false;
	run(&job, &result);
	disk.fails = false;
	check(result.rc != SUIT_OK || !disk.failed);
	check(result.rc == SUIT_OPERATION || (result.rc == SUIT_OK) == (bare->rc == SUIT_OK));
	check(memcmp(bare->p, result.p, bare->n < result.n ? bare->n : result.n) == 0);
}

/* In 16ths; or more than its file holds, which fails where it is read. */
static uint64_t old_size(uint8_t h)
{
	uint64_t n = (uint64_t)lseek(old_fd, 0, SEEK_END);

	return h & 0x80 ? n + (h & 0x7f) * 128 : n * (16u - h % 17u) / 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum format formats[] = {
		FORMAT_PLAIN,     FORMAT_HEATSHRINK,       FORMAT_LZMA,
		FORMAT_ZSTD,      FORMAT_PATCH_HEATSHRINK, FORMAT_PATCH_LZMA,
		FORMAT_PATCH_ZSTD
	};
	static const size_t pieces[] = { 3, 40, 600, STREAM_PIECE };
	static struct result bare, result;
	struct head h;

	if (size < sizeof(h) || size - sizeof(h) > PAYLOAD_MAX)
		return 0;
	memcpy(&h, data, sizeof(h));
	struct suit_bytes in = { data + sizeof(h), size - sizeof(h) };
	struct stream_job job = {
		.crypto = &crypto,
		.keys = &keys,
		.allowed = FORMAT_CIPHERS | FORMAT_BIT(FORMAT_AES_KW),
		.format = formats[h.format % (sizeof(formats) / sizeof(*formats))],
		.in_fd = -1,
		.content = in,
		.old_fd = old_fd,
		.old_size = old_size(h.old),
		.out_fd = out_fd,
		.size = (uint64_t)h.size[0] << 8 | h.size[1],
	};
	disk.most = 0;
	run(&job, &bare);
	disk.dice = h.dice;
	disk.most = pieces[h.dice % 4];
	fill(in);
	job.in_fd = in_fd;
	run(&job, &result);
	check_same(&bare, &result);
	run_encrypted(job, &h, in, &bare);
	run_failing(job, in, &bare);
	return 0;
}
