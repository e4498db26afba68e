/* Order is everything here: bytes, then journal; files durable and read back, then boot state.
 */
#include "agent/store.h"

#include "agent/clean.h"
#include "agent/file.h"
#include "agent/journal.h"
#include "agent/mapped.h"
#include "agent/waited.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

void store_file_name(const char *name, char slot, char ret[STORE_NAME_SIZE])
{
	if (name)
		snprintf(ret, STORE_NAME_SIZE, "%s-%c.bin", name, slot);
	else
		snprintf(ret, STORE_NAME_SIZE, "%c.bin", slot);
}

static void part_file(const struct store *s, size_t part, char slot, char ret[STORE_NAME_SIZE])
{
	store_file_name(part ? s->part[part] : NULL, slot, ret);
}

static void payload_file(const struct store *s, const struct update *u, size_t nth,
			 char ret[STORE_NAME_SIZE])
{
	int part = u->payload[nth].part;
	if (part == UPDATE_NO_PART)
		snprintf(ret, STORE_NAME_SIZE, "dl-%u.bin", (unsigned)nth & 0xff);
	else
		part_file(s, (size_t)part, boot_other(store_active(s, (size_t)part)), ret);
}

/* Opened to read, as a file that is there already then opens on a full disk too. */
int store_lock(const char *dir)
{
	char path[FILE_PATH_MAX];
	if (!file_path(dir, STORE_LOCK_FILE, path))
		return -1;
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	int number = errno;
	close(fd);
	errno = number;
	return -1;
}

bool store_open(struct store *s, const char *dir, const struct suit_crypto *crypto,
		uint64_t journal_bytes)
{
	*s = (struct store){ .dir = dir,
			     .crypto = crypto,
			     .journal_bytes = journal_bytes,
			     .part_count = 1,
			     .fd = -1 };
	return boot_load(dir, &s->boot);
}

void store_add_part(struct store *s, const char *name)
{
	s->part[s->part_count++] = name;
}

void store_close(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

char store_active(const struct store *s, size_t part)
{
	return part ? boot_pair_active(&s->boot, s->part[part]) : s->boot.active;
}

char store_current(const struct store *s, size_t part)
{
	return part ? boot_pair_slot(&s->boot, s->part[part]) : boot_slot(&s->boot);
}

/* --- digests
 * ----------------------------------------------------------------------------------- */

static bool map_digest(const struct suit_crypto *crypto, int fd, size_t n,
		       struct suit_digest *ret)
{
	struct suit_message m = { .count = 1 };
	if (n == 0)
		return crypto->sha256(&m, ret) == SUIT_OK;
	m.piece[0] = (struct suit_bytes){ mapped_open(fd, n), n };
	if (!m.piece[0].p)
		return false;
	bool done = crypto->sha256(&m, ret) == SUIT_OK;
	return mapped_close() && done;
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

bool store_file_digest(const struct suit_crypto *crypto, const char *path,
		       struct suit_digest *ret, uint64_t *ret_size)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && fd_digest(crypto, fd, ret, ret_size);
}

static bool file_digest(const struct store *s, const char *name, struct suit_digest *ret,
			uint64_t *ret_size)
{
	char path[FILE_PATH_MAX];
	return file_path(s->dir, name, path) &&
	       store_file_digest(s->crypto, path, ret, ret_size);
}

bool store_digest(const struct store *s, size_t part, char slot, struct suit_digest *ret,
		  uint64_t *ret_size)
{
	char name[STORE_NAME_SIZE];
	part_file(s, part, slot, name);
	return file_digest(s, name, ret, ret_size);
}

bool store_payload_digest(const struct store *s, const struct update *u, size_t nth,
			  struct suit_digest *ret, uint64_t *ret_size)
{
	char name[STORE_NAME_SIZE];
	payload_file(s, u, nth, name);
	return file_digest(s, name, ret, ret_size);
}

/* --- journals
 * ---------------------------------------------------------------------------------- */

static bool save_journal(const struct store *s, uint64_t have)
{
	const struct payload *p = &s->update.payload[s->nth];
	struct journal j = { .manifest = s->update.manifest,
			     .image = p->digest,
			     .size = p->size,
			     .have = have };
	payload_file(s, &s->update, s->nth, j.file);
	return journal_save(s->dir, s->nth, &j);
}

/* How much of this payload its file holds for sure. */
static uint64_t journal_have(const struct store *s)
{
	const struct payload *p = &s->update.payload[s->nth];
	char name[STORE_NAME_SIZE];
	struct journal j;
	struct stat st;
	if (!journal_load(s->dir, s->nth, &j) || fstat(s->fd, &st) != 0)
		return 0;
	payload_file(s, &s->update, s->nth, name);
	bool same = strcmp(j.file, name) == 0 && j.size == p->size &&
		    suit_digest_equal(&j.manifest, &s->update.manifest) &&
		    suit_digest_equal(&j.image, &p->digest);
	return same && j.have <= p->size && (uint64_t)st.st_size == p->size ? j.have : 0;
}

/* What an earlier update has left: its files may be written by this one. */
static bool drop_others(const struct store *s, const struct update *u)
{
	struct journal j;
	bool done = true;
	for (size_t i = 0; i < UPDATE_PAYLOADS_MAX; i++)
		if (journal_load(s->dir, i, &j) &&
		    !suit_digest_equal(&j.manifest, &u->manifest))
			done = journal_drop(s->dir, i) && done;
	return done;
}

static bool drop_payload(const struct store *s, size_t nth)
{
	char name[STORE_NAME_SIZE], path[FILE_PATH_MAX];
	snprintf(name, sizeof(name), "dl-%u.bin", (unsigned)nth & 0xff);
	return journal_drop(s->dir, nth) && file_path(s->dir, name, path) &&
	       (unlink(path) == 0 || errno == ENOENT);
}

/* The attempt is over, or its trial begins: what it has waited for does not count any more. */
static bool drop_payloads(const struct store *s, size_t count)
{
	bool done = waited_drop(s->dir);
	for (size_t i = 0; i < count; i++)
		done = drop_payload(s, i) && done;
	return done;
}

/* --- writing
 * ----------------------------------------------------------------------------------- */

static enum proto_cause space_or_storage(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? PROTO_CAUSE_SPACE
								    : PROTO_CAUSE_STORAGE;
}

/* A file gets its exact size at once: nothing can be left over behind it, and a full disk is
 * noticed before anything is fetched.  What some file systems have found by then is given back:
 * others need it, such as the journal and the boot state. */
static bool make_room(int fd, uint64_t size)
{
	if (ftruncate(fd, 0) != 0)
		return false;
	int number = posix_fallocate(fd, 0, (off_t)size);
	if (number == 0)
		return true;
	bool given_back = ftruncate(fd, 0) == 0;
	(void)given_back;
	errno = number;
	return false;
}

static int open_to_write(const struct store *s, const char *name, bool program)
{
	char path[FILE_PATH_MAX];
	if (!file_path(s->dir, name, path))
		return -1;
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, program ? 0700 : 0600);
}

enum proto_cause store_begin(struct store *s, const struct update *u, size_t nth,
			     uint64_t *ret_have)
{
	char name[STORE_NAME_SIZE];
	store_close(s);
	/* a trial that is not over still owns the other files */
	if (s->boot.trial != BOOT_NO_TRIAL || nth >= u->payload_count || !drop_others(s, u))
		return PROTO_CAUSE_STORAGE;
	payload_file(s, u, nth, name);
	s->fd = open_to_write(s, name, u->payload[nth].part == 0);
	if (s->fd < 0)
		return space_or_storage();
	s->update = *u;
	s->nth = nth;
	s->unsaved = 0;
	uint64_t have = journal_have(s);
	if (have == 0) {
		if (!journal_drop(s->dir, nth))
			return PROTO_CAUSE_STORAGE;
		if (!make_room(s->fd, u->payload[nth].size))
			return space_or_storage();
	}
	*ret_have = have;
	return PROTO_CAUSE_NONE;
}

bool store_write(struct store *s, uint64_t offset, const uint8_t *p, size_t n)
{
	uint64_t size = s->update.payload[s->nth].size;
	if (s->fd < 0 || offset > size || n > size - offset)
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
	if (s->unsaved < s->journal_bytes || offset + n == size)
		return true;
	s->unsaved = 0;
	return fdatasync(s->fd) == 0 && save_journal(s, offset + n);
}

/* Once it is there and right it need not be fetched again, whatever is cut from here on. */
enum proto_cause store_check(struct store *s, const struct update *u, size_t nth)
{
	struct suit_digest digest;
	uint64_t size;
	if (s->fd < 0 || s->nth != nth || fsync(s->fd) != 0 ||
	    !fd_digest(s->crypto, s->fd, &digest, &size))
		return PROTO_CAUSE_STORAGE;
	if (size != u->payload[nth].size ||
	    !suit_digest_equal(&digest, &u->payload[nth].digest))
		return PROTO_CAUSE_DIGEST;
	if (!save_journal(s, size))
		return PROTO_CAUSE_STORAGE;
	store_close(s);
	return PROTO_CAUSE_NONE;
}

static int open_to_read(const struct store *s, const char *name)
{
	char path[FILE_PATH_MAX];
	return file_path(s->dir, name, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

int store_payload_open(const struct store *s, const struct update *u, size_t nth)
{
	char name[STORE_NAME_SIZE];
	payload_file(s, u, nth, name);
	return open_to_read(s, name);
}

int store_part_open(const struct store *s, size_t part)
{
	char name[STORE_NAME_SIZE];
	part_file(s, part, store_active(s, part), name);
	return open_to_read(s, name);
}

int store_stage(struct store *s, const struct update *u, size_t part, uint64_t size)
{
	char name[STORE_NAME_SIZE];
	store_close(s);
	if (s->boot.trial != BOOT_NO_TRIAL) {
		errno = EBUSY;
		return -1;
	}
	if (!drop_others(s, u))
		return -1;
	part_file(s, part, boot_other(store_active(s, part)), name);
	int fd = open_to_write(s, name, part == 0);
	if (fd < 0 || make_room(fd, size))
		return fd;
	int number = errno;
	close(fd);
	errno = number;
	return -1;
}

/* Durable, and what is a program can be started. */
static bool make_ready(const struct store *s, size_t part)
{
	char name[STORE_NAME_SIZE];
	part_file(s, part, boot_other(store_active(s, part)), name);
	CLEAN(fd) int fd = open_to_read(s, name);
	return fd >= 0 && (part != 0 || fchmod(fd, 0700) == 0) && fsync(fd) == 0;
}

static bool has_part(const struct store *s, const char *name)
{
	for (size_t i = 1; i < s->part_count; i++)
		if (strcmp(s->part[i], name) == 0)
			return true;
	return false;
}

/* Of components that the device no longer has; there is room for as many as it may have. */
static void drop_old_pairs(const struct store *s, struct boot_state *next)
{
	for (size_t i = next->pair_count; i-- > 0;)
		if (!has_part(s, next->pair[i].name))
			boot_drop_pair(next, i);
}

static bool set_trial(const struct store *s, const struct update *u, struct boot_state *next)
{
	boot_set_trial(next, u->sequence, u->job, u->attempt);
	if (!(u->touched & 1))
		boot_keep_slot(next);
	drop_old_pairs(s, next);
	for (size_t i = 1; i < s->part_count; i++)
		if (u->touched & 1u << i && !boot_try_pair(next, s->part[i]))
			return false;
	return true;
}

bool store_activate(struct store *s, const struct update *u)
{
	struct boot_state next = s->boot;
	store_close(s); /* an open file cannot be executed */
	for (size_t i = 0; i < s->part_count; i++)
		if (u->touched & 1u << i && !make_ready(s, i))
			return false;
	if (u->touched == 0 || !set_trial(s, u, &next))
		return false;
	/* when this fails the file may say so all the same: calling off writes it again */
	s->boot = next;
	return boot_save(s->dir, &next) && drop_payloads(s, UPDATE_PAYLOADS_MAX);
}

bool store_call_off(struct store *s)
{
	struct boot_state next = s->boot;
	store_close(s);
	bool dropped = drop_payloads(s, UPDATE_PAYLOADS_MAX);
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
	bool confirms = next.trial != BOOT_NO_TRIAL && next.trial == running;
	if (confirms)
		boot_confirm(&next);
	if (!boot_save(s->dir, &next))
		return false;
	s->boot = next;
	if (confirms) /* when its activation was cut short they are there still; it is only room
		       */
		drop_payloads(s, UPDATE_PAYLOADS_MAX);
	return true;
}
