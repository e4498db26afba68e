/* Subcommands of musterd.  Each returns an exit code: 0 done, 1 failed, 2 wrong usage. */
#pragma once

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2 };

struct command_line {
	struct arena *mem;
	const char *config;       /* -c FILE, or NULL */
	const char *name;         /* --name */
	const char *out;          /* --out */
	int64_t days;             /* --days, 0 when not given */
	bool sample;              /* --sample */
	bool force;               /* --force */
	const char *const *words; /* behind the command */
	int word_count;
};

int cmd_serve(const struct command_line *line);
int cmd_migrate(const struct command_line *line);
int cmd_check_config(const struct command_line *line);
int cmd_ca(const struct command_line *line);
int cmd_bootstrap(const struct command_line *line);
int cmd_fence(const struct command_line *line);
