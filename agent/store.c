/* Order is everything here: bytes, then journal; slot durable and read back, then boot state.
 */
#include "agent/store.h"

#include "agent/clean.h"
#include "agent/file.h"
#include "agent/text.h"
#include "suit/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define JOURNAL_FILE "journal"
#define JOURNAL_MAX  512

struct journal {
	char slot;
	struct suit_digest manifest, image;
	uint64_t size, have;
};

void store_slot_name(char slot, char ret[STORE_SLOT_NAME_SIZE])
{
	snprintf(ret, STORE_SLOT_NAME_SIZE, "%c.bin", slot);
}

static bool slot_path(const struct store *s, char slot, char *ret)
{
	char name[STORE_SLOT_NAME_SIZE];
	store_slot_name(slot, name);
	return file_path(s->dir, name, ret);
}

bool store_open(struct store *s, const char *dir, const struct suit_crypto *crypto,
		uint64_t journal_bytes)
{
	*s = (struct store){
		.dir = dir, .crypto = crypto, .journal_bytes = journal_bytes, .fd = -1
	};
	return boot_load(dir, &s->boot);
}

void store_close(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* --- digests
 * ----------------------------------------------------------------------------------- */

static bool map_digest(const struct suit_crypto *crypto, int fd, size_t n,
		       struct suit_digest *ret)
{
	struct suit_message m = { .count = 1 };
	if (n == 0)
		return crypto->sha256(&m, ret) == SUIT_OK;
	void *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return false;
	m.piece[0] = (struct suit_bytes){ p, n };
	bool done = crypto->sha256(&m, ret) == SUIT_OK;
	munmap(p, n);
	return done;
}

static bool fd_digest(const struct suit_crypto *crypto, int fd, struct suit_digest *ret,
		      uint64_t *ret_size)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return false;
	/* what the medium holds, as far as the system lets go of its own copy */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	*ret_size = (uint64_t)st.st_size;
	return map_digest(crypto, fd, (size_t)st.st_size, ret);
}

bool store_digest(const struct store *s, char slot, struct suit_digest *ret, uint64_t *ret_size)
{
	char path[FILE_PATH_MAX];
	if (!slot_path(s, slot, path))
		return false;
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fd_digest(s->crypto, fd, ret, ret_size);
}

/* --- journal
 * ----------------------------------------------------------------------------------- */

static bool journal_save(const struct store *s, uint64_t have)
{
	char text[JOURNAL_MAX];
	char manifest[SUIT_HEX_SIZE(32)];
	char image[SUIT_HEX_SIZE(32)];
	const struct update *u = &s->update;
	suit_hex((struct suit_bytes){ u->manifest.b, sizeof(u->manifest.b) }, manifest);
	suit_hex((struct suit_bytes){ u->image.b, sizeof(u->image.b) }, image);
	int n = snprintf(text, sizeof(text),
			 "slot=%c\nmanifest=%s\nimage=%s\nsize=%" PRIu64 "\nhave=%" PRIu64 "\n",
			 boot_other(s->boot.active), manifest, image, u->size, have);
	return file_replace(s->dir, JOURNAL_FILE, text, (size_t)n);
}

static const char *const journal_keys[] = { "slot", "manifest", "image", "size", "have" };
#define JOURNAL_KEYS (sizeof(journal_keys) / sizeof(*journal_keys))

static bool journal_field(struct journal *j, size_t key, const char *value)
{
	switch (key) {
	case 0:
		return (j->slot = value[0]) && !value[1];
	case 1:
		return text_unhex(value, j->manifest.b, sizeof(j->manifest.b));
	case 2:
		return text_unhex(value, j->image.b, sizeof(j->image.b));
	case 3:
		return text_number(value, UINT64_MAX, &j->size);
	case 4:
		return text_number(value, UINT64_MAX, &j->have);
	}
	return false;
}

/* Every field once, and a whole last line: "have=1" may be the beginning of "have=10". */
static bool journal_read(char *text, size_t n, struct journal *j)
{
	unsigned line = 0, seen = 0;
	struct text_pair pair;
	if (n == 0 || text[n - 1] != '\n')
		return false;
	for (;;) {
		enum text_line kind = text_next(&text, &line, &pair);
		if (kind == TEXT_END)
			return seen == (1u << JOURNAL_KEYS) - 1;
		size_t key = 0;
		while (kind == TEXT_PAIR && key < JOURNAL_KEYS &&
		       strcmp(pair.key, journal_keys[key]) != 0)
			key++;
		if (kind == TEXT_BAD || seen & 1u << key || !journal_field(j, key, pair.value))
			return false;
		seen |= 1u << key;
	}
}

static bool journal_load(const struct store *s, struct journal *ret)
{
	char path[FILE_PATH_MAX];
	char text[JOURNAL_MAX];
	size_t n;
	struct journal j = { 0 };
	if (!file_path(s->dir, JOURNAL_FILE, path) ||
	    !file_read_text(path, text, sizeof(text), &n) || !journal_read(text, n, &j))
		return false;
	*ret = j;
	return true;
}

static bool journal_drop(const struct store *s)
{
	char path[FILE_PATH_MAX];
	return file_path(s->dir, JOURNAL_FILE, path) && (unlink(path) == 0 || errno == ENOENT);
}

/* How much of this image the slot holds for sure. */
static uint64_t journal_have(const struct store *s, const struct update *u)
{
	struct journal j;
	struct stat st;
	if (!journal_load(s, &j) || fstat(s->fd, &st) != 0)
		return 0;
	bool same = j.slot == boot_other(s->boot.active) && j.size == u->size &&
		    memcmp(&j.manifest, &u->manifest, sizeof(j.manifest)) == 0 &&
		    memcmp(&j.image, &u->image, sizeof(j.image)) == 0;
	return same && j.have <= u->size && (uint64_t)st.st_size == u->size ? j.have : 0;
}

/* --- writing
 * ----------------------------------------------------------------------------------- */

static enum proto_cause space_or_storage(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? PROTO_CAUSE_SPACE
								    : PROTO_CAUSE_STORAGE;
}

/* The slot gets the image's exact size at once: nothing can be left over behind it, and a full
 * disk is noticed before anything is fetched. */
static enum proto_cause make_room(struct store *s, const struct update *u)
{
	if (!journal_drop(s) || ftruncate(s->fd, 0) != 0)
		return PROTO_CAUSE_STORAGE;
	errno = posix_fallocate(s->fd, 0, (off_t)u->size);
	return errno ? space_or_storage() : PROTO_CAUSE_NONE;
}

enum proto_cause store_begin(struct store *s, const struct update *u, uint64_t *ret_have)
{
	char path[FILE_PATH_MAX];
	store_close(s);
	/* a trial that is not over still owns the other slot */
	if (s->boot.trial != BOOT_NO_TRIAL || !slot_path(s, boot_other(s->boot.active), path))
		return PROTO_CAUSE_STORAGE;
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
	if (s->fd < 0)
		return space_or_storage();
	s->update = *u;
	s->unsaved = 0;
	uint64_t have = journal_have(s, u);
	if (have == 0) {
		enum proto_cause cause = make_room(s, u);
		if (cause != PROTO_CAUSE_NONE)
			return cause;
	}
	*ret_have = have;
	return PROTO_CAUSE_NONE;
}

bool store_write(struct store *s, uint64_t offset, const uint8_t *p, size_t n)
{
	if (s->fd < 0 || offset > s->update.size || n > s->update.size - offset)
		return false;
	for (size_t done = 0; done < n;) {
		ssize_t wrote = pwrite(s->fd, p + done, n - done, (off_t)(offset + done));
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			return false;
		done += (size_t)wrote;
	}
	s->unsaved += n;
	if (s->unsaved < s->journal_bytes || offset + n == s->update.size)
		return true;
	s->unsaved = 0;
	return fdatasync(s->fd) == 0 && journal_save(s, offset + n);
}

enum proto_cause store_check(struct store *s, const struct update *u)
{
	struct suit_digest digest;
	uint64_t size;
	if (s->fd < 0 || fsync(s->fd) != 0 || !fd_digest(s->crypto, s->fd, &digest, &size))
		return PROTO_CAUSE_STORAGE;
	if (size != u->size || memcmp(&digest, &u->image, sizeof(digest)) != 0)
		return PROTO_CAUSE_DIGEST;
	return PROTO_CAUSE_NONE;
}

bool store_activate(struct store *s, const struct update *u)
{
	struct boot_state next = s->boot;
	if (s->fd < 0 || fchmod(s->fd, 0700) != 0 || fsync(s->fd) != 0)
		return false;
	store_close(s); /* an open file cannot be executed */
	boot_set_trial(&next, u->sequence, u->job, u->attempt);
	/* when this fails the file may say so all the same: calling off writes it again */
	s->boot = next;
	return boot_save(s->dir, &next) && journal_drop(s);
}

bool store_call_off(struct store *s)
{
	struct boot_state next = s->boot;
	store_close(s);
	bool dropped = journal_drop(s);
	if (s->boot.trial == BOOT_NO_TRIAL)
		return dropped;
	boot_clear_trial(&next);
	if (!boot_save(s->dir, &next))
		return false;
	s->boot = next;
	return dropped;
}

bool store_confirm(struct store *s, char running)
{
	struct boot_state next = s->boot;
	if (s->boot.trial == BOOT_NO_TRIAL && s->boot.last.outcome == BOOT_NOTHING)
		return true;
	next.last = (struct boot_last){ 0 };
	if (next.trial != BOOT_NO_TRIAL && next.trial == running)
		boot_confirm(&next);
	if (!boot_save(s->dir, &next))
		return false;
	s->boot = next;
	return true;
}
