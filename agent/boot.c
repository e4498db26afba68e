/* The boot state as a small text file: a person with a serial console can read it. */
#include "agent/boot.h"

#include "agent/file.h"
#include "agent/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define BOOT_FILE_MAX 2048
#define PAIR_PREFIX   "pair."

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

bool boot_same_trial(const struct boot_state *now, const struct boot_state *then)
{
	return now->trial != BOOT_NO_TRIAL && now->trial == then->trial &&
	       now->trial_sequence == then->trial_sequence && now->job == then->job &&
	       now->attempt == then->attempt && now->tries == then->tries;
}

static struct boot_pair *find_pair(const struct boot_state *s, const char *name)
{
	for (size_t i = 0; i < s->pair_count; i++)
		if (strcmp(s->pair[i].name, name) == 0)
			return (struct boot_pair *)(uintptr_t)&s->pair[i];
	return NULL;
}

char boot_pair_active(const struct boot_state *s, const char *name)
{
	const struct boot_pair *p = find_pair(s, name);
	return p ? p->active : 'a';
}

char boot_pair_slot(const struct boot_state *s, const char *name)
{
	const struct boot_pair *p = find_pair(s, name);
	if (!p)
		return 'a';
	return p->trial == BOOT_NO_TRIAL ? p->active : p->trial;
}

bool boot_name_is_good(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789_-");
	return n > 0 && n < BOOT_NAME_SIZE && !name[n];
}

static struct boot_pair *add_pair(struct boot_state *s, const char *name)
{
	if (s->pair_count == BOOT_PAIRS_MAX || !boot_name_is_good(name))
		return NULL;
	struct boot_pair *p = &s->pair[s->pair_count++];
	*p = (struct boot_pair){ .active = 'a', .trial = BOOT_NO_TRIAL };
	memcpy(p->name, name, strlen(name));
	return p;
}

/* pair.NAME=ab: confirmed, on trial. */
static bool set_pair(struct boot_state *s, const char *name, const char *value)
{
	struct boot_pair *p = find_pair(s, name) ? NULL : add_pair(s, name);
	if (!p || strlen(value) != 2)
		return false;
	p->active = value[0];
	p->trial = value[1];
	return (p->active == 'a' || p->active == 'b') &&
	       (p->trial == BOOT_NO_TRIAL || p->trial == boot_other(p->active));
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
		if (strncmp(pair.key, PAIR_PREFIX, sizeof(PAIR_PREFIX) - 1) == 0) {
			if (!set_pair(s, pair.key + sizeof(PAIR_PREFIX) - 1, pair.value))
				return false;
			continue;
		}
		size_t field = find_field(pair.key);
		if (seen & 1u << field || !set_field(s, field, pair.value))
			return false;
		seen |= 1u << field;
	}
}

/* Something is on trial when the state says so, and nothing else is. */
static bool makes_sense(const struct boot_state *s)
{
	bool pairs = false;
	for (size_t i = 0; i < s->pair_count; i++)
		pairs = pairs || s->pair[i].trial != BOOT_NO_TRIAL;
	if (s->active != 'a' && s->active != 'b')
		return false;
	return s->trial == BOOT_NO_TRIAL
		       ? !pairs
		       : s->trial == boot_other(s->active) || (s->trial == s->active && pairs);
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
	/* not at the end, where a file that was cut short would not miss them */
	for (size_t i = 0; i < s->pair_count; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, PAIR_PREFIX "%s=%c%c\n",
			      s->pair[i].name, s->pair[i].active, s->pair[i].trial);
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

void boot_keep_slot(struct boot_state *s)
{
	s->trial = s->active;
}

void boot_drop_pair(struct boot_state *s, size_t nth)
{
	s->pair_count--;
	memmove(&s->pair[nth], &s->pair[nth + 1], (s->pair_count - nth) * sizeof(*s->pair));
}

bool boot_try_pair(struct boot_state *s, const char *name)
{
	struct boot_pair *p = find_pair(s, name);
	if (!p)
		p = add_pair(s, name);
	if (!p)
		return false;
	p->trial = boot_other(p->active);
	return true;
}

void boot_clear_trial(struct boot_state *s)
{
	s->trial = BOOT_NO_TRIAL;
	for (size_t i = 0; i < s->pair_count; i++)
		s->pair[i].trial = BOOT_NO_TRIAL;
	s->tries = 0;
	s->trial_sequence = 0;
	s->job = 0;
	s->attempt = 0;
}

void boot_confirm(struct boot_state *s)
{
	s->active = s->trial;
	for (size_t i = 0; i < s->pair_count; i++)
		s->pair[i].active = boot_pair_slot(s, s->pair[i].name);
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
