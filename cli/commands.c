/* Every command of `muster`.  A new one is a row in its cmd_*.c; help, man page and completion
 * follow by themselves. */

#include "cli/commands.h"

#include "base/suggest.h"

#include <string.h>

const struct command_group command_groups[] = {
	{ "Getting in", commands_login },
	{ "Author keys", commands_key },
	{ "Device classes", commands_class },
	{ "Releases", commands_release },
	{ "Manifests, offline", commands_manifest },
	{ "Encrypted images, offline", commands_image },
	{ "Deltas and compressed images, offline", commands_delta },
	{ "Devices", commands_device },
	{ "Signed reports of devices", commands_report },
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

#define NAMES_MAX 128

struct names {
	const char *full[NAMES_MAX], *first[NAMES_MAX];
	size_t count;
	struct arena *mem;
};

static void collect_one(void *ctx, const struct command *command)
{
	struct names *n = ctx;
	if (n->count == NAMES_MAX)
		return;
	n->full[n->count] = command->name;
	n->first[n->count++] =
		arena_printf(n->mem, "%.*s", (int)strcspn(command->name, " "), command->name);
}

const char *command_suggest(int argc, char **argv, struct arena *mem)
{
	struct names n = { .mem = mem };
	command_each(collect_one, &n);
	const char *two = argc > 1 ? arena_printf(mem, "%s %s", argv[0], argv[1]) : argv[0];
	const char *nearest = suggest_nearest(two, n.full, n.count);
	return nearest ? nearest : suggest_nearest(argv[0], n.first, n.count);
}
