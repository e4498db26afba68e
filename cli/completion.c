/* Shell completion.  All three shells get the same words: first words, second words, options of
 * the command; after an option that takes a file, file names. */

#include "cli/completion.h"

#include "base/clean.h"
#include "cli/commands.h"

#include <string.h>

struct writer {
	FILE *to;
	struct arena *mem;
	const char *first; /* for second words: only commands that begin so */
	const char *last;  /* first word printed last: a group's commands follow each other */
};

static const char *first_of(struct arena *mem, const struct command *c)
{
	return arena_printf(mem, "%.*s", (int)strcspn(c->name, " "), c->name);
}

static void put_first(void *ctx, const struct command *c)
{
	struct writer *w = ctx;
	const char *first = first_of(w->mem, c);
	if (w->last && strcmp(w->last, first) == 0)
		return;
	fprintf(w->to, "%s%s", w->last ? " " : "", first);
	w->last = first;
}

static void put_second(void *ctx, const struct command *c)
{
	struct writer *w = ctx;
	size_t n = strlen(w->first);
	if (strncmp(c->name, w->first, n) == 0 && c->name[n] == ' ')
		fprintf(w->to, "%s ", c->name + n + 1);
}

static void put_options(FILE *to, const struct option_def *o, bool only_files)
{
	for (; o && o->name; o++)
		if (!only_files || o->is_file)
			fprintf(to, " --%s", o->name);
}

static void put_seconds(void *ctx, const struct command *c)
{
	struct writer *w = ctx;
	const char *first = first_of(w->mem, c);
	if (!strchr(c->name, ' ') || (w->last && strcmp(w->last, first) == 0))
		return;
	struct writer inner = { .to = w->to, .mem = w->mem, .first = first };
	fprintf(w->to, "\t%s) words=\"", first);
	command_each(put_second, &inner);
	fprintf(w->to, "\" ;;\n");
	w->last = first;
}

static void put_command_options(void *ctx, const struct command *c)
{
	struct writer *w = ctx;
	fprintf(w->to, "\t\"%s\") options=\"", c->name);
	put_options(w->to, args_common, false);
	put_options(w->to, c->options, false);
	fprintf(w->to, "\" files=\"");
	put_options(w->to, c->options, true);
	fprintf(w->to, "\" ;;\n");
}

static void print_bash(FILE *to)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct writer w = { .to = to, .mem = mem };
	fputs("_muster()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal words= options= files= command=\"${COMP_WORDS[1]} ${COMP_WORDS[2]}\"\n"
	      "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\tCOMPREPLY=($(compgen -W \"",
	      to);
	command_each(put_first, &w);
	fputs("\" -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n", to);
	w.last = NULL;
	command_each(put_seconds, &w);
	fputs("\t*) command=${COMP_WORDS[1]} ;;\n\tesac\n"
	      "\tif [ \"$COMP_CWORD\" = 2 ] && [ -n \"$words\" ]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n\t\treturn\n\tfi\n"
	      "\tcase $command in\n",
	      to);
	command_each(put_command_options, &w);
	fputs("\tesac\n\tcase \" $files \" in\n\t*\" $prev \"*) COMPREPLY=() ;;\n"
	      "\t*) case $cur in\n"
	      "\t   -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
	      "\t   esac ;;\n\tesac\n}\n"
	      "complete -o default -F _muster muster\n",
	      to);
}

static void print_zsh(FILE *to)
{
	fputs("#compdef muster\nautoload -U +X bashcompinit && bashcompinit\n", to);
	print_bash(to);
}

/* Fish takes its texts in single quotes. */
static void put_quoted(FILE *to, const char *text)
{
	fputc('\'', to);
	for (; *text != '\0'; text++)
		fprintf(to, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
	fputc('\'', to);
}

static void fish_option(FILE *to, const struct option_def *o, const char *condition)
{
	fprintf(to, "complete -c muster %s -l %s%s -d ", condition, o->name,
		o->kind == OPTION_FLAG || o->kind == OPTION_OPTIONAL ? ""
		: o->is_file                                         ? " -r -F"
								     : " -x");
	put_quoted(to, o->help);
	fputc('\n', to);
}

static void fish_command(void *ctx, const struct command *c)
{
	struct writer *w = ctx;
	const char *first = first_of(w->mem, c);
	const char *second = strchr(c->name, ' ');
	if (!w->last || strcmp(w->last, first) != 0)
		fprintf(w->to, "complete -c muster -n __fish_use_subcommand -f -a %s\n", first);
	w->last = first;
	const char *condition =
		arena_printf(w->mem, "-n '__fish_seen_subcommand_from %s'", first);
	if (second) {
		fprintf(w->to, "complete -c muster %s -f -a %s -d ", condition, second + 1);
		put_quoted(w->to, c->summary);
		fputc('\n', w->to);
		condition = arena_printf(w->mem,
					 "-n '__fish_seen_subcommand_from %s; and "
					 "__fish_seen_subcommand_from %s'",
					 first, second + 1);
	}
	for (const struct option_def *o = c->options; o && o->name; o++)
		fish_option(w->to, o, condition);
}

static void print_fish(FILE *to)
{
	CLEAN(arena) struct arena *mem = arena_create();
	struct writer w = { .to = to, .mem = mem };
	command_each(fish_command, &w);
	for (const struct option_def *o = args_common; o->name; o++)
		fish_option(to, o, "");
}

bool completion_print(FILE *to, const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(FILE *to);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (strcmp(shells[i].name, shell) == 0) {
			shells[i].print(to);
			return true;
		}
	}
	return false;
}
