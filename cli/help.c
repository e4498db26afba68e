/* Help for the terminal.  The man page and docs/cli.md are in help_page.c. */

#include "cli/help.h"

#include "base/clean.h"
#include "cli/commands.h"
#include "cli/help_text.h"

#include <string.h>

const struct help_exit_code help_exit_code_table[] = {
	{ EXIT_DONE, "done" },
	{ EXIT_FAILED, "failed: wrong usage, no server, any other error" },
	{ EXIT_CANCELLED, "cancelled: interrupted, or not confirmed" },
	{ EXIT_NOT_FOUND, "not found" },
	{ EXIT_AUTH, "not logged in, or not allowed" },
	{ EXIT_CAMPAIGN, "the watched campaign was stopped: by its gate, paused or aborted" },
	{ EXIT_CONFLICT,
	  "conflict: it changed meanwhile, exists already, or is in another state" },
	{ EXIT_NOT_WORTH, "the delta saves too little; nothing was written" },
	{ EXIT_PENDING, "the time to watch is over and the campaign still runs" },
};

const int help_exit_code_count = ARRAY_LEN(help_exit_code_table);

const char *help_option_word(const struct option_def *o, struct arena *mem)
{
	switch (o->kind) {
	case OPTION_FLAG:
		return arena_printf(mem, "--%s", o->name);
	case OPTION_VALUE:
	case OPTION_MANY:
		return arena_printf(mem, "--%s %s", o->name, o->value);
	case OPTION_OPTIONAL:
		return arena_printf(mem, "--%s[=%s]", o->name, o->value);
	}
	return o->name;
}

static void print_group(FILE *to, const struct command_group *g, struct arena *mem)
{
	fprintf(to, "\n%s\n", g->title);
	for (const struct command *c = g->commands; c->name; c++)
		fprintf(to, "  %-34s %s\n", arena_printf(mem, "%s %s", c->name, c->operands),
			c->summary);
}

void help_overview(FILE *to)
{
	CLEAN(arena) struct arena *mem = arena_create();
	fprintf(to, "muster: signed updates for fleets of small devices\n"
		    "\nFrom a file to devices that prove they run it:\n"
		    "  muster release create fw.bin --class acme.example/lock-7 --version 3.7 "
		    "--key author.pem\n"
		    "  muster campaign create --release 3.7 --all --stages 1,50%%,100%%\n"
		    "  muster campaign start lock-7-3.7\n"
		    "  muster campaign status lock-7-3.7 --watch\n");
	for (const struct command_group *g = command_groups; g->title; g++)
		print_group(to, g, mem);
	fprintf(to, "\nEvery command takes --json[=FIELDS], --plain, --no-input and --help.\n"
		    "muster help COMMAND says more; muster help exit-codes lists the exit "
		    "codes.\n");
}

bool help_group(FILE *to, const char *word)
{
	CLEAN(arena) struct arena *mem = arena_create();
	size_t n = strlen(word);
	bool found = false;
	for (const struct command_group *g = command_groups; g->title; g++) {
		for (const struct command *c = g->commands; c->name; c++) {
			if (strncmp(c->name, word, n) != 0 || c->name[n] != ' ')
				continue;
			fprintf(to, "  muster %-34s %s\n",
				arena_printf(mem, "%s %s", c->name, c->operands), c->summary);
			found = true;
		}
	}
	return found;
}

static void print_options(FILE *to, const struct option_def *o, struct arena *mem)
{
	for (; o && o->name; o++)
		fprintf(to, "  %-26s %s%s\n", help_option_word(o, mem), o->help,
			o->kind == OPTION_MANY ? " (may be repeated)" : "");
}

void help_command(FILE *to, const struct command *command)
{
	CLEAN(arena) struct arena *mem = arena_create();
	if (command->example)
		fprintf(to, "  %s\n\n", command->example);
	fprintf(to, "usage: muster %s%s%s [options]\n\n%s.\n", command->name,
		*command->operands ? " " : "", command->operands, command->summary);
	if (command->detail)
		fprintf(to, "%s\n", command->detail);
	fprintf(to, "\noptions:\n");
	print_options(to, command->options, mem);
	print_options(to, args_common, mem);
}

void help_exit_codes(FILE *to)
{
	for (int i = 0; i < help_exit_code_count; i++)
		fprintf(to, "%3d  %s\n", help_exit_code_table[i].code,
			help_exit_code_table[i].text);
}
