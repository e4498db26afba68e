/* Versions: every pair of the frozen corpus is in its frozen order, and the keys themselves are
 * frozen, because they are in databases. */

#include "base/clean.h"
#include "core/version.h"
#include "tests/tap.h"

#include <stdlib.h>

#define CORPUS   "tests/data/versions.tsv"
#define ROWS_MAX 256

struct row {
	int rank;
	char version[80];
	char key_hex[600];
	struct bytes key;
};

static struct row rows[ROWS_MAX];
static int row_count;

static void read_corpus(struct arena *mem)
{
	char line[1024];
	FILE *f = fopen(CORPUS, "re");

	while (f && row_count < ROWS_MAX && fgets(line, sizeof(line), f)) {
		struct row *r = &rows[row_count];
		if (line[0] == '#')
			continue;
		if (sscanf(line, "%d\t%79[^\t]\t%599s", &r->rank, r->version, r->key_hex) != 3)
			break;
		row_count++;
	}
	if (f)
		fclose(f);
	for (int i = 0; i < row_count; i++) {
		bool valid = version_key(rows[i].version, mem, &rows[i].key) == RC_OK;
		if (!valid || strcmp(hex_encode(mem, rows[i].key), rows[i].key_hex) != 0)
			tap_ok(false, "%s has the key %s", rows[i].version,
			       valid ? hex_encode(mem, rows[i].key) : "(none)");
	}
}

static void test_pairs(void)
{
	int wrong = 0;

	for (int i = 0; i < row_count; i++)
		for (int j = 0; j < row_count; j++) {
			int wanted =
				(rows[i].rank > rows[j].rank) - (rows[i].rank < rows[j].rank);
			if (version_key_compare(rows[i].key, rows[j].key) == wanted)
				continue;
			printf("# %s and %s\n", rows[i].version, rows[j].version);
			wrong++;
		}
	ok(row_count >= 60 && wrong == 0, "%d versions, %d pairs, %d in the wrong order",
	   row_count, row_count * row_count, wrong);
}

static void test_refused(struct arena *mem)
{
	static const char *const bad[] = {
		"",
		"v",
		"x",
		".1",
		"1.",
		"1..2",
		"-1",
		"1-",
		"1.0.0-",
		"1~",
		"1+",
		"1.0.0+",
		"1 2",
		"1_2",
		":1",
		"1:",
		"1:2:3",
		"1.0.0-a..b",
		"1.0.0-a.",
		"1.0.0+a.",
		"1.0.0+a+b",
		"1/2",
		"\x31\x80",
		"1\n",
		"1:v2",
		"vv1",
		"11111111111111111111111111111111111111111111111111111111111111111",
	};
	struct bytes key;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		is_int(version_key(bad[i], mem, &key), RC_INVALID, bad[i]);
}

/* The longest key there can be fits: 64 bytes of the shortest tokens. */
static void test_longest(struct arena *mem)
{
	static const char *const starts[] = { "1", "1.0.0-a", "1~a", "v1:1.1" };
	static const char *const fills[] = { ".1", "a1", "-1", "~a", "+1", ".a" };
	size_t most = 0;

	for (size_t s = 0; s < ARRAY_LEN(starts); s++)
		for (size_t f = 0; f < ARRAY_LEN(fills); f++) {
			char text[VERSION_TEXT_MAX + 1];
			struct bytes key = { 0 };
			size_t n = strlen(starts[s]);
			memcpy(text, starts[s], n);
			for (; n + 2 <= VERSION_TEXT_MAX; n += 2)
				memcpy(text + n, fills[f], 2);
			text[n] = 0;
			if (version_key(text, mem, &key) == RC_OK && key.n > most)
				most = key.n;
		}
	ok(most > VERSION_TEXT_MAX && most <= VERSION_KEY_MAX,
	   "longest key found has %zu bytes", most);
}

int main(void)
{
	CLEAN(arena) struct arena *mem = arena_create();

	read_corpus(mem);
	test_pairs();
	test_refused(mem);
	test_longest(mem);
	return tap_done();
}
