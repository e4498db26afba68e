/* The boot state as a small text file: a person with a serial console can read it. */
#include "agent/boot.h"

#include "agent/file.h"
#include "agent/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define BOOT_FILE_MAX 1024

static const struct {
	const char *key;
	size_t offset;
} number_field[] = {
	{ "tries", offsetof(struct boot_state, tries) },
	{ "sequence", offsetof(struct boot_state, sequence) },
	{ "trial_sequence", offsetof(struct boot_state, trial_sequence) },
	{ "job", offsetof(struct boot_state, job) },
	{ "attempt", offsetof(struct boot_state, attempt) },
	{ "last_job", offsetof(struct boot_state, last.job) },
	{ "last_attempt", offsetof(struct boot_state, last.attempt) },
};
#define NUMBERS (sizeof(number_field) / sizeof(*number_field))

enum { FIELD_ACTIVE = NUMBERS, FIELD_TRIAL, FIELD_LAST_OUTCOME, FIELD_LAST_REASON, FIELDS };
static const char *const text_field[] = { "active", "trial", "last_outcome", "last_reason" };

char boot_other(char slot)
{
	return slot == 'a' ? 'b' : 'a';
}

char boot_slot(const struct boot_state *s)
{
	return s->trial == BOOT_NO_TRIAL ? s->active : s->trial;
}

static bool set_outcome(struct boot_state *s, const char *value)
{
	uint64_t v;
	if (!text_number(value, BOOT_ROLLED_BACK, &v) ||
	    (v != BOOT_NOTHING && v != BOOT_FAILED && v != BOOT_ROLLED_BACK))
		return false;
	s->last.outcome = (enum boot_outcome)v;
	return true;
}

/* Which field a key names; the numbers first.  FIELDS for none. */
static size_t find_field(const char *key)
{
	for (size_t i = 0; i < NUMBERS; i++)
		if (strcmp(key, number_field[i].key) == 0)
			return i;
	for (size_t i = NUMBERS; i < FIELDS; i++)
		if (strcmp(key, text_field[i - NUMBERS]) == 0)
			return i;
	return FIELDS;
}

static bool set_slot(const char *value, char *ret)
{
	*ret = value[0];
	return value[0] && !value[1];
}

static bool set_field(struct boot_state *s, size_t field, const char *value)
{
	if (field < NUMBERS)
		return text_number(value, UINT64_MAX,
				   (uint64_t *)((char *)s + number_field[field].offset));
	switch (field) {
	case FIELD_ACTIVE:
		return set_slot(value, &s->active);
	case FIELD_TRIAL:
		return set_slot(value, &s->trial);
	case FIELD_LAST_OUTCOME:
		return set_outcome(s, value);
	case FIELD_LAST_REASON:
		snprintf(s->last.reason, sizeof(s->last.reason), "%s", value);
		return true;
	}
	return false;
}

/* Every field once, and a whole last line: a file that was cut short would forget which
 * sequence numbers were seen, and let an old image in. */
static bool read_fields(char *text, size_t n, struct boot_state *s)
{
	unsigned line = 0, seen = 0;
	struct text_pair pair;
	if (n == 0 || text[n - 1] != '\n')
		return false;
	for (;;) {
		enum text_line kind = text_next(&text, &line, &pair);
		if (kind == TEXT_END)
			return seen == (1u << FIELDS) - 1;
		if (kind == TEXT_BAD)
			return false;
		size_t field = find_field(pair.key);
		if (seen & 1u << field || !set_field(s, field, pair.value))
			return false;
		seen |= 1u << field;
	}
}

static bool makes_sense(const struct boot_state *s)
{
	return (s->active == 'a' || s->active == 'b') &&
	       (s->trial == BOOT_NO_TRIAL || s->trial == boot_other(s->active));
}

bool boot_load(const char *dir, struct boot_state *ret)
{
	char path[FILE_PATH_MAX];
	char text[BOOT_FILE_MAX];
	struct boot_state s = { .active = 'a', .trial = BOOT_NO_TRIAL };
	size_t n;
	if (!file_path(dir, BOOT_FILE, path))
		return false;
	if (!file_read_text(path, text, sizeof(text), &n)) {
		if (errno != ENOENT)
			return false;
		*ret = s;
		return true;
	}
	errno = EINVAL;
	if (!read_fields(text, n, &s) || !makes_sense(&s))
		return false;
	*ret = s;
	return true;
}

bool boot_save(const char *dir, const struct boot_state *s)
{
	char text[BOOT_FILE_MAX];
	int n = snprintf(text, sizeof(text), "active=%c\ntrial=%c\n", s->active, s->trial);
	for (size_t i = 0; i < NUMBERS; i++) {
		const uint64_t *v =
			(const uint64_t *)((const char *)s + number_field[i].offset);
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s=%" PRIu64 "\n",
			      number_field[i].key, *v);
	}
	n += snprintf(text + n, sizeof(text) - (size_t)n, "last_outcome=%d\nlast_reason=%s\n",
		      (int)s->last.outcome, s->last.reason);
	return file_replace(dir, BOOT_FILE, text, (size_t)n);
}

void boot_set_trial(struct boot_state *s, uint64_t sequence, uint64_t job, uint64_t attempt)
{
	s->trial = boot_other(s->active);
	s->tries = 0;
	s->trial_sequence = sequence;
	s->job = job;
	s->attempt = attempt;
}

void boot_clear_trial(struct boot_state *s)
{
	s->trial = BOOT_NO_TRIAL;
	s->tries = 0;
	s->trial_sequence = 0;
	s->job = 0;
	s->attempt = 0;
}

void boot_confirm(struct boot_state *s)
{
	s->active = s->trial;
	s->sequence = s->trial_sequence;
	s->last = (struct boot_last){ 0 };
	boot_clear_trial(s);
}

void boot_fall_back(struct boot_state *s, enum boot_outcome outcome, const char *reason)
{
	s->last =
		(struct boot_last){ .outcome = outcome, .job = s->job, .attempt = s->attempt };
	snprintf(s->last.reason, sizeof(s->last.reason), "%s", reason);
	boot_clear_trial(s);
}
