/* What the help for the terminal and the written pages share. */
#pragma once

#include "cli/args.h"

struct help_exit_code {
	enum exit_code code;
	const char *text;
};

extern const struct help_exit_code help_exit_code_table[];
extern const int help_exit_code_count;

/* "--name TEXT" */
const char *help_option_word(const struct option_def *o, struct arena *mem);
