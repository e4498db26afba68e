/* Lists of the API, page by page to stdout. */
#pragma once

#include "cli/cli.h"

/* A GET path, perhaps with a query; EXIT_DONE also for an empty list. */
enum exit_code list_print(struct cli *c, const char *path, const struct column *columns,
			  int count) MUST_CHECK;
/* One object of the API as a card. */
enum exit_code show_print(struct cli *c, const char *path, const struct column *columns,
			  int count) MUST_CHECK;
