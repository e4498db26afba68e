/* "Did you mean": the nearest of some words to one that is not among them. */
#pragma once

/* Keeps the nearest candidate seen so far; start with SUGGEST_NONE. */
struct suggestion {
	const char *word; /* what was typed */
	const char *best; /* NULL when nothing is near */
	int distance;
};

#define SUGGEST_NONE(w) ((struct suggestion){ .word = (w), .best = NULL, .distance = 4 })

void suggest_consider(struct suggestion *s, const char *candidate);
/* Edits (insert, delete, replace, swap of neighbours) between two words of at most 63 bytes;
 * longer ones are 64 apart. */
int suggest_distance(const char *a, const char *b);
