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

int suggest_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	int row[WORD_MAX + 1];

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return INT_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (int)j;
	for (size_t i = 1; i <= a_len; i++) {
		int diagonal = row[0];

		row[0] = (int)i;
		for (size_t j = 1; j <= b_len; j++) {
			int above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				      diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
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
