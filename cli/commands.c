/* Every command of `muster`.  A new one is a row in its cmd_*.c; help, man page and completion
 * follow by themselves. */

#include "cli/commands.h"

#include "cli/suggest.h"

#include <string.h>

const struct command_group command_groups[] = {
	{ "Getting in", commands_login },
	{ "Author keys", commands_key },
	{ "Device classes", commands_class },
	{ "Releases", commands_release },
	{ "Manifests, offline", commands_manifest },
	{ "Devices", commands_device },
	{ "Campaigns", commands_campaign },
	{ "More", commands_other },
	{ NULL, NULL },
};

void command_each(void (*each)(void *ctx, const struct command *command), void *ctx)
{
	for (const struct command_group *g = command_groups; g->title; g++)
		for (const struct command *command = g->commands; command->name; command++)
			each(ctx, command);
}

struct finding {
	int argc;
	char **argv;
	const struct command *found;
	int words;
};

static void find_one(void *ctx, const struct command *command)
{
	struct finding *f = ctx;
	const char *space = strchr(command->name, ' ');
	int words = space ? 2 : 1;
	if (f->argc < words || words <= f->words)
		return;
	size_t n = space ? (size_t)(space - command->name) : strlen(command->name);
	if (strlen(f->argv[0]) != n || strncmp(f->argv[0], command->name, n) != 0)
		return;
	if (space && strcmp(f->argv[1], space + 1) != 0)
		return;
	f->found = command;
	f->words = words;
}

const struct command *command_find(int argc, char **argv, int *ret_words)
{
	struct finding f = { .argc = argc, .argv = argv };
	command_each(find_one, &f);
	*ret_words = f.words;
	return f.found;
}

struct guess {
	struct suggestion both, first;
	struct arena *mem;
};

static void guess_one(void *ctx, const struct command *command)
{
	struct guess *g = ctx;
	suggest_consider(&g->both, command->name);
	const char *space = strchr(command->name, ' ');
	if (space)
		suggest_consider(&g->first,
				 arena_printf(g->mem, "%.*s", (int)(space - command->name),
					      command->name));
	else
		suggest_consider(&g->first, command->name);
}

const char *command_suggest(int argc, char **argv, struct arena *mem)
{
	const char *two = argc > 1 ? arena_printf(mem, "%s %s", argv[0], argv[1]) : argv[0];
	struct guess g = { .both = SUGGEST_NONE(two),
			   .first = SUGGEST_NONE(argv[0]),
			   .mem = mem };
	command_each(guess_one, &g);
	return g.both.best ? g.both.best : g.first.best;
}
