/* A small text file, like the boot state. */
#include "agent/journal.h"

#include "agent/file.h"
#include "agent/text.h"
#include "suit/ids.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define JOURNAL_MAX 512

static void name_of(size_t nth, char ret[JOURNAL_NAME_SIZE])
{
	if (nth == 0)
		snprintf(ret, JOURNAL_NAME_SIZE, "journal");
	else
		snprintf(ret, JOURNAL_NAME_SIZE, "journal-%u", (unsigned)nth & 0xff);
}

bool journal_save(const char *dir, size_t nth, const struct journal *j)
{
	char text[JOURNAL_MAX], name[JOURNAL_NAME_SIZE];
	char manifest[SUIT_HEX_SIZE(32)], image[SUIT_HEX_SIZE(32)];
	suit_hex((struct suit_bytes){ j->manifest.b, sizeof(j->manifest.b) }, manifest);
	suit_hex((struct suit_bytes){ j->image.b, sizeof(j->image.b) }, image);
	int n = snprintf(text, sizeof(text),
			 "file=%s\nmanifest=%s\nimage=%s\nsize=%" PRIu64 "\nhave=%" PRIu64 "\n",
			 j->file, manifest, image, j->size, j->have);
	name_of(nth, name);
	return file_replace(dir, name, text, (size_t)n);
}

static const char *const keys[] = { "file", "manifest", "image", "size", "have" };
#define KEYS (sizeof(keys) / sizeof(*keys))

static bool set_field(struct journal *j, size_t key, const char *value)
{
	switch (key) {
	case 0:
		return (size_t)snprintf(j->file, sizeof(j->file), "%s", value) <
		       sizeof(j->file);
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
static bool read_fields(char *text, size_t n, struct journal *j)
{
	unsigned line = 0, seen = 0;
	struct text_pair pair;
	if (n == 0 || text[n - 1] != '\n')
		return false;
	for (;;) {
		enum text_line kind = text_next(&text, &line, &pair);
		if (kind == TEXT_END)
			return seen == (1u << KEYS) - 1;
		size_t key = 0;
		while (kind == TEXT_PAIR && key < KEYS && strcmp(pair.key, keys[key]) != 0)
			key++;
		if (kind == TEXT_BAD || seen & 1u << key || !set_field(j, key, pair.value))
			return false;
		seen |= 1u << key;
	}
}

bool journal_load(const char *dir, size_t nth, struct journal *ret)
{
	char path[FILE_PATH_MAX], text[JOURNAL_MAX], name[JOURNAL_NAME_SIZE];
	size_t n;
	struct journal j = { 0 };
	name_of(nth, name);
	if (!file_path(dir, name, path) || !file_read_text(path, text, sizeof(text), &n) ||
	    !read_fields(text, n, &j))
		return false;
	*ret = j;
	return true;
}

bool journal_drop(const char *dir, size_t nth)
{
	char path[FILE_PATH_MAX], name[JOURNAL_NAME_SIZE];
	name_of(nth, name);
	return file_path(dir, name, path) && (unlink(path) == 0 || errno == ENOENT);
}
