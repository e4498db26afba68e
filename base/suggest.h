/* "Did you mean ...?": the nearest of a few known words. */
#pragma once

#include <stddef.h>

/* Changes of one letter that turn a into b; words over 63 bytes count as far away. */
int suggest_distance(const char *a, const char *b);
/* The candidate nearest to word, NULL when none is near. */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t count);
