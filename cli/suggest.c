/* "Did you mean": optimal string alignment distance, and never a suggestion that changes more
 * than a third of the word. */

#include "cli/suggest.h"

#include <string.h>

#define WORD_MAX 63

static int min_of(int a, int b)
{
	return a < b ? a : b;
}

int suggest_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX + 1;

	int d[WORD_MAX + 1][WORD_MAX + 1];
	for (size_t i = 0; i <= n; i++)
		d[i][0] = (int)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (int)j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			int cost = a[i - 1] != b[j - 1];
			int best = min_of(d[i - 1][j] + 1, d[i][j - 1] + 1);
			best = min_of(best, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = min_of(best, d[i - 2][j - 2] + 1);
			d[i][j] = best;
		}
	}
	return d[n][m];
}

void suggest_consider(struct suggestion *s, const char *candidate)
{
	int limit = (int)strlen(s->word) / 3;
	int distance = suggest_distance(s->word, candidate);
	if (distance > (limit > 1 ? limit : 1) || distance >= s->distance)
		return;
	s->best = candidate;
	s->distance = distance;
}
