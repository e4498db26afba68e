/* Configuration files, read by inih.  The library does not tell its handler the line, so lines
 * are counted where it asks for the next one. */

#include "base/conf.h"

#include "base/bytes.h"
#include "base/clean.h"
#include "base/conf_value.h"
#include "base/suggest.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CONF_LINE_MAX 4096
#define CONF_KEYS_MAX 128

struct reading {
	const struct conf_table *table;
	struct arena *mem;
	unsigned char *out;
	struct conf_errors *errors;
	const char *path;
	FILE *file;
	int line;
	int seen_at[CONF_KEYS_MAX]; /* line of each key, 0: not yet */
};

static void complain(struct reading *r, int line, const char *section, const char *key,
		     const char *why)
{
	if (r->errors->count == CONF_ERRORS_MAX)
		return;
	const char *where = line ? arena_printf(r->mem, "%s:%d", r->path, line) : r->path;

	r->errors->texts[r->errors->count++] =
		section ? arena_printf(r->mem, "%s: [%s] %s: %s", where, section, key, why)
			: arena_printf(r->mem, "%s: %s", where, why);
}

void conf_defaults(const struct conf_table *t, struct arena *mem, void *out)
{
	assert(t->count <= CONF_KEYS_MAX);
	for (size_t i = 0; i < t->count; i++) {
		const struct conf_key *key = &t->keys[i];
		const char *why = NULL;
		enum rc rc = conf_value_parse(key, key->def, mem,
					      (unsigned char *)out + key->offset, &why);

		assert(rc == RC_OK);
		(void)rc;
	}
}

static const char *with_suggestion(struct arena *mem, const char *why, const char *near)
{
	return near ? arena_printf(mem, "%s, did you mean '%s'?", why, near) : why;
}

/* Candidates: the table's sections (section NULL), or the keys of one section. */
static const char *nearest(const struct reading *r, const char *section, const char *word)
{
	const char *names[CONF_KEYS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < r->table->count; i++) {
		const struct conf_key *key = &r->table->keys[i];

		if (!section || strcmp(key->section, section) == 0)
			names[n++] = section ? key->key : key->section;
	}
	return suggest_nearest(word, names, n);
}

static const char *why_unknown(const struct reading *r, const char *section, const char *key)
{
	if (!*section)
		return "stands before the first [section]";
	for (size_t i = 0; i < r->table->count; i++)
		if (strcmp(r->table->keys[i].section, section) == 0)
			return with_suggestion(r->mem, "unknown key", nearest(r, section, key));
	return with_suggestion(r->mem, "unknown section", nearest(r, NULL, section));
}

static const struct conf_key *find_key(const struct conf_table *t, const char *section,
				       const char *key)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->keys[i].section, section) == 0 &&
		    strcmp(t->keys[i].key, key) == 0)
			return &t->keys[i];
	return NULL;
}

/* inih's handler: 1 lets it go on. */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	const struct conf_key *key = find_key(r->table, section, name);
	const char *why = NULL;

	if (!key) {
		complain(r, r->line, section, name, why_unknown(r, section, name));
		return 1;
	}
	int *seen_at = &r->seen_at[key - r->table->keys];
	if (*seen_at) {
		complain(r, r->line, section, name,
			 arena_printf(r->mem, "given twice, first in line %d", *seen_at));
		return 1;
	}
	*seen_at = r->line;
	if (conf_value_parse(key, value, r->mem, r->out + key->offset, &why) != RC_OK)
		complain(r, r->line, section, name, why);
	return 1;
}

/* inih's reader.  Not fgets(), to which a NUL looks like the end of a line: what followed it
 * would be passed over in silence. */
static char *next_line(char *text, int size, void *stream)
{
	struct reading *r = stream;
	bool has_nul = false;
	int len = 0, c;

	while ((c = fgetc(r->file)) != EOF && c != '\n') {
		has_nul = has_nul || c == '\0';
		if (len < size - 1)
			text[len] = (char)c;
		len += len < size;
	}
	if (c == EOF && len == 0)
		return NULL;
	r->line++;
	if (has_nul || len >= size) {
		complain(r, r->line, NULL, NULL,
			 has_nul ? "not clean UTF-8 text" : "line too long");
		len = 0;
	}
	text[len] = '\0';
	return text;
}

/* The library's options are global. */
static void set_options(void)
{
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_use_stack = false;
	ini_max_line = CONF_LINE_MAX;
	ini_initial_alloc = CONF_LINE_MAX;
	ini_allow_no_value = false;
}

enum rc conf_load(const struct conf_table *t, const char *path, struct arena *mem, void *out,
		  struct conf_errors *errors)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CLEAN(file) FILE *f = fopen(path, "re");
	struct reading r = { t, mem, out, errors, path, f, 0, { 0 } };

	assert(t->count <= CONF_KEYS_MAX);
	if (!f) {
		complain(&r, 0, NULL, NULL, strerror(errno));
		return RC_NOT_FOUND;
	}
	pthread_once(&once, set_options);
	int bad_line = ini_parse_stream(next_line, &r, on_value, &r);
	if (bad_line > 0)
		complain(&r, bad_line, NULL, NULL,
			 "neither [section], nor key = value, nor a comment");
	return bad_line || ferror(f) || errors->count ? RC_INVALID : RC_OK;
}

static const char *sample_range(const struct conf_key *key, struct arena *mem)
{
	switch (key->type) {
	case CONF_INT:
	case CONF_SIZE:
	case CONF_DURATION:
		return arena_printf(mem, "  (%s to %s)",
				    conf_value_format(key->type, key->min, mem),
				    conf_value_format(key->type, key->max, mem));
	case CONF_BOOL:
		return "  (yes or no)";
	case CONF_TEXT:
	case CONF_ADDRESS:
		break;
	}
	return "";
}

const char *conf_sample(const struct conf_table *t, struct arena *mem)
{
	const char *text = "";
	const char *section = "";

	for (size_t i = 0; i < t->count; i++) {
		const struct conf_key *key = &t->keys[i];

		if (strcmp(section, key->section) != 0)
			text = arena_printf(mem, "%s%s[%s]\n", text, *text ? "\n" : "",
					    key->section);
		section = key->section;
		text = arena_printf(mem, "%s# %s%s\n%s =%s%s\n", text, key->help,
				    sample_range(key, mem), key->key, *key->def ? " " : "",
				    key->def);
	}
	return text;
}
