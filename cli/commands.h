/* Every command of `muster`, in the order of the help. */
#pragma once

#include "cli/args.h"

/* Ended by one without name. */
extern const struct command commands_login[];
extern const struct command commands_key[];
extern const struct command commands_class[];
extern const struct command commands_release[];
extern const struct command commands_manifest[];
extern const struct command commands_image[];
extern const struct command commands_delta[];
extern const struct command commands_device[];
extern const struct command commands_report[];
extern const struct command commands_campaign[];
extern const struct command commands_other[];

struct command_group {
	const char *title;
	const struct command *commands;
};

/* Ended by one without title. */
extern const struct command_group command_groups[];

/* The command that argv begins with, and how many words its name has; NULL: none. */
const struct command *command_find(int argc, char **argv, int *ret_words);
/* The nearest name to what argv begins with, or NULL. */
const char *command_suggest(int argc, char **argv, struct arena *mem);
/* Calls each for every command, in order. */
void command_each(void (*each)(void *ctx, const struct command *command), void *ctx);
