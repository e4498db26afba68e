/* Questions to the person at the terminal.  With --no-input, or without a terminal, nobody is
 * asked and the answer is no. */
#pragma once

#include "cli/cli.h"

/* A secret, typed without echo.  twice: asks again and compares. */
enum exit_code prompt_secret(struct cli *c, const char *question, bool twice,
			     const char **ret) MUST_CHECK;
/* Goes on only when "yes" is typed; hint says which option answers without asking. */
enum exit_code prompt_yes(struct cli *c, const char *question, const char *hint) MUST_CHECK;
/* Danger: goes on only when the name is typed, or with --yes. */
enum exit_code prompt_name(struct cli *c, const char *what, const char *name) MUST_CHECK;
