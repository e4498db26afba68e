/* Help, man page and docs/cli.md, all made from the command table. */
#pragma once

#include "cli/args.h"

#include <stdio.h>

void help_overview(FILE *to);
/* The commands that begin with a word, such as "campaign"; false when there is none. */
bool help_group(FILE *to, const char *word);
void help_command(FILE *to, const struct command *command);
void help_exit_codes(FILE *to);
void help_man(FILE *to);
void help_markdown(FILE *to);
