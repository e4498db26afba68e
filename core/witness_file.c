/* The files of the witness. */

#include "core/witness_file.h"

#include "base/clean.h"
#include "certs/pem_file.h"
#include "core/witness_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD     "muster witness 1\n"
#define ACTS_MAX (64 << 20)
#define FIELDS   5

static const char *path_of(struct arena *mem, const char *dir, const char *name)
{
	return arena_printf(mem, "%s/%s", dir, name);
}

/* --- the mark --- */

/* The text behind "name " at the start of the line, which is cut off; NULL when another name
 * stands there. */
static const char *take_line(char **at, const char *name)
{
	size_t n = strlen(name);
	char *line = *at, *end = strchr(line, '\n');

	if (!end || strncmp(line, name, n) != 0 || line[n] != ' ')
		return NULL;
	*end = 0;
	*at = end + 1;
	return line + n + 1;
}

static bool take_uuid(char **at, const char *name, struct uuid *ret)
{
	const char *text = take_line(at, name);

	return text && uuid_parse(text, ret) == RC_OK;
}

static bool take_number(char **at, const char *name, int64_t *ret)
{
	const char *text = take_line(at, name);

	return text && parse_i64(bytes_of(text), 0, INT64_MAX, ret) == RC_OK;
}

static bool take_digest(char **at, const char *name, struct digest *ret)
{
	const char *text = take_line(at, name);

	return text && digest_parse(text, ret) == RC_OK;
}

static bool mark_parse(char *at, struct witness_mark *ret)
{
	return take_uuid(&at, "witness", &ret->witness_id) &&
	       take_uuid(&at, "instance", &ret->instance_id) &&
	       take_number(&at, "epoch", &ret->epoch) &&
	       take_number(&at, "counter", &ret->counter) &&
	       take_number(&at, "audit", &ret->audit_seq) &&
	       take_digest(&at, "hash", &ret->audit_hash) && *at == 0;
}

enum rc witness_load(const char *dir, struct arena *mem, struct witness_mark *ret)
{
	struct witness_mark mark = { 0 };
	struct bytes file;

	enum rc rc = pem_file_read(path_of(mem, dir, "witness"), mem, &file);
	if (rc != RC_OK)
		return rc == RC_TOO_LARGE ? RC_INVALID : rc;
	char *text = bytes_text(mem, file);
	if (strncmp(text, HEAD, strlen(HEAD)) != 0 || !mark_parse(text + strlen(HEAD), &mark))
		return RC_INVALID;
	*ret = mark;
	return RC_OK;
}

enum rc witness_save(const char *dir, const struct witness_mark *m)
{
	CLEAN(arena) struct arena *mem = arena_create();
	char witness[UUID_TEXT_SIZE], instance[UUID_TEXT_SIZE], hash[DIGEST_TEXT_SIZE];
	const char *text = arena_printf(
		mem,
		HEAD "witness %s\ninstance %s\nepoch %" PRId64 "\ncounter %" PRId64
		     "\naudit %" PRId64 "\nhash %s\n",
		uuid_format(&m->witness_id, witness), uuid_format(&m->instance_id, instance),
		m->epoch, m->counter, m->audit_seq, digest_format(&m->audit_hash, hash));

	return pem_file_write(path_of(mem, dir, "witness"), bytes_of(text), 0600);
}

/* --- the acts --- */

static enum rc rc_of_errno(void)
{
	return errno == ENOSPC || errno == EDQUOT ? RC_STORAGE : RC_INTERNAL;
}

/* What a crash left of a line is ended before anything follows it. */
static enum rc end_last_line(int fd)
{
	struct stat st;
	char last = '\n';

	if (fstat(fd, &st) < 0)
		return RC_INTERNAL;
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
		return RC_INTERNAL;
	return last == '\n' || write(fd, "\n", 1) == 1 ? RC_OK : rc_of_errno();
}

static enum rc append(const char *path, struct bytes b)
{
	CLEAN(fd) int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return rc_of_errno();
	enum rc rc = end_last_line(fd);
	while (rc == RC_OK && b.n) {
		ssize_t n = write(fd, b.p, b.n);
		if (n < 0 && errno != EINTR)
			return rc_of_errno();
		b.p += n > 0 ? n : 0;
		b.n -= n > 0 ? (size_t)n : 0;
	}
	if (rc == RC_OK && fsync(fd) < 0)
		rc = RC_STORAGE;
	return rc == RC_OK ? pem_file_sync_dir(path) : rc;
}

static void put_line(FILE *out, const struct witness_act *act)
{
	char hash[DIGEST_TEXT_SIZE];

	fprintf(out, "%" PRId64 "\t%s\t%s\t%s\t%s\n", act->seq, digest_format(&act->hash, hash),
		act->action, act->object_id, act->detail);
}

enum rc witness_keep(const char *dir, const struct audit_entry *entries, int count,
		     struct arena *mem)
{
	CLEAN(mem) char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return RC_INTERNAL;
	for (int i = 0; i < count; i++) {
		const struct audit_entry *e = &entries[i];
		if (witness_kind_of(e->action) != ACT_NONE)
			put_line(out, &(struct witness_act){ e->seq, e->hash, e->action,
							     e->object_id, e->detail });
	}
	fclose(out);
	return size ? append(path_of(mem, dir, "witness.acts"),
			     (struct bytes){ (const uint8_t *)text, size })
		    : RC_OK;
}

static enum rc read_acts(const char *path, struct arena *mem, char **ret)
{
	CLEAN(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t done = 0;

	if (fd < 0)
		return errno == ENOENT ? RC_NOT_FOUND : RC_INTERNAL;
	if (fstat(fd, &st) < 0)
		return RC_INTERNAL;
	if (st.st_size > ACTS_MAX)
		return RC_TOO_LARGE;
	char *text = arena_alloc(mem, (size_t)st.st_size + 1);
	while (done < (size_t)st.st_size) {
		ssize_t n = read(fd, text + done, (size_t)st.st_size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return RC_INTERNAL;
		done += (size_t)n;
	}
	text[done] = 0;
	*ret = text;
	return RC_OK;
}

static bool act_parse(char *line, struct witness_act *ret)
{
	char *fields[FIELDS] = { line };
	int n = 1;

	for (char *p = line; *p; p++) {
		if (*p != '\t')
			continue;
		if (n == FIELDS)
			return false;
		*p = 0;
		fields[n++] = p + 1;
	}
	ret->action = fields[2];
	ret->object_id = fields[3];
	ret->detail = fields[4];
	return n == FIELDS &&
	       parse_i64(bytes_of(fields[0]), 1, INT64_MAX, &ret->seq) == RC_OK &&
	       digest_parse(fields[1], &ret->hash) == RC_OK;
}

enum rc witness_acts(const char *dir, struct arena *mem, struct witness_act **ret,
		     int *ret_count)
{
	char *text = NULL;
	size_t lines = 0;
	int n = 0;

	enum rc rc = read_acts(path_of(mem, dir, "witness.acts"), mem, &text);
	if (rc != RC_OK && rc != RC_NOT_FOUND)
		return rc;
	for (const char *p = text; p && *p; p++)
		lines += *p == '\n';
	struct witness_act *acts = arena_array(mem, lines + 1, sizeof(*acts));
	for (char *end; text && (end = strchr(text, '\n')); text = end + 1) {
		*end = 0;
		n += act_parse(text, &acts[n]);
	}
	*ret = acts;
	*ret_count = n;
	return RC_OK;
}

enum rc witness_put_away(const char *dir, int64_t epoch, struct arena *mem)
{
	const char *path = path_of(mem, dir, "witness.acts");
	const char *away = arena_printf(mem, "%s.%" PRId64, path, epoch);

	if (rename(path, away) < 0)
		return errno == ENOENT ? RC_OK : RC_INTERNAL;
	return pem_file_sync_dir(path);
}
