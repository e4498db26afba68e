/* Nearest word by edit distance. */

#include "base/suggest.h"

#include <limits.h>
#include <string.h>

#define WORD_MAX 63

static int min3(int a, int b, int c)
{
	int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Changed, left out, put in, or two neighbours swapped: each counts one. */
int suggest_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	int rows[3][WORD_MAX + 1];

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return INT_MAX;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (int)j;
	for (size_t i = 1; i <= a_len; i++) {
		int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = (int)i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min3(row[j], above2[j - 2] + 1, INT_MAX);
		}
	}
	return rows[a_len % 3][b_len];
}

const char *suggest_nearest(const char *word, const char *const *candidates, size_t count)
{
	/* A third of the letters may be wrong, at least one, at most three. */
	int limit = (int)strlen(word) / 3;
	const char *nearest = NULL;

	limit = limit < 1 ? 1 : limit > 3 ? 3 : limit;
	for (size_t i = 0; i < count; i++) {
		int distance = suggest_distance(word, candidates[i]);

		if (distance <= limit) {
			nearest = candidates[i];
			limit = distance - 1;
		}
	}
	return nearest;
}
