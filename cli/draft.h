/* A file that gets its name only when it is whole.  Until then it stands beside that name, of
 * mode 0600, and goes away again unless it is kept. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "cli/exit_code.h"

#include <stdio.h>

struct draft {
	const char *path, *draft_path;
	FILE *file; /* may be read again; NULL: none */
};

/* Refused when there is a file of that name. */
enum exit_code draft_open(struct draft *d, const char *path, struct arena *mem) MUST_CHECK;
enum exit_code draft_write(struct draft *d, struct bytes b) MUST_CHECK;
/* On disk, under its name; a file of that name is never overwritten. */
enum exit_code draft_keep(struct draft *d) MUST_CHECK;
/* Removes it unless it was kept.  Of a zeroed one: nothing. */
void clean_draft(struct draft *d);
