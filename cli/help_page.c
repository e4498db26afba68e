/* The man page and docs/cli.md, from the same table as the help: they cannot differ from it. */

#include "cli/help.h"

#include "base/clean.h"
#include "cli/commands.h"
#include "cli/help_text.h"

/* roff takes a dot or quote at the start of a line, and every backslash and minus, as its own.
 */
static void put_roff(FILE *to, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", to);
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", to);
		else if (*text == '-')
			fputs("\\-", to);
		else
			fputc(*text, to);
	}
}

static void put_line(FILE *to, const char *macro, const char *text)
{
	fprintf(to, "%s", macro);
	put_roff(to, text);
	fputc('\n', to);
}

static void man_options(FILE *to, const struct option_def *o, struct arena *mem)
{
	for (; o && o->name; o++) {
		fputs(".TP\n", to);
		put_line(to, ".B ", help_option_word(o, mem));
		put_line(to, "", o->help);
	}
}

static void man_command(FILE *to, const struct command *c, struct arena *mem)
{
	put_line(to, ".SS ",
		 arena_printf(mem, "%s%s%s", c->name, *c->operands ? " " : "", c->operands));
	put_line(to, "", arena_printf(mem, "%s.", c->summary));
	if (c->detail)
		put_line(to, "", c->detail);
	if (c->example) {
		fputs(".PP\n.nf\n", to);
		put_line(to, "", c->example);
		fputs(".fi\n", to);
	}
	man_options(to, c->options, mem);
}

void help_man(FILE *to)
{
	CLEAN(arena) struct arena *mem = arena_create();
	fputs(".TH MUSTER 1 \"\" \"muster " MUSTER_VERSION "\" \"Muster\"\n"
	      ".SH NAME\nmuster \\- signed updates for fleets of small devices\n"
	      ".SH SYNOPSIS\n.B muster\n.I command\n.RI [ options ]\n.SH COMMANDS\n",
	      to);
	for (const struct command_group *g = command_groups; g->title; g++)
		for (const struct command *c = g->commands; c->name; c++)
			man_command(to, c, mem);
	fputs(".SH OPTIONS OF EVERY COMMAND\n", to);
	man_options(to, args_common, mem);
	fputs(".SH EXIT STATUS\n", to);
	for (int i = 0; i < help_exit_code_count; i++) {
		fprintf(to, ".TP\n.B %d\n", help_exit_code_table[i].code);
		put_line(to, "", help_exit_code_table[i].text);
	}
	fputs(".SH FILES\n.TP\n.I $XDG_CONFIG_HOME/muster/login.json\n"
	      "The saved login: server, token and pinned root.  Mode 0600.\n"
	      ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nWhen set, no colours.\n",
	      to);
}

static void markdown_options(FILE *to, const struct option_def *o, struct arena *mem)
{
	for (; o && o->name; o++)
		fprintf(to, "- `%s`: %s%s\n", help_option_word(o, mem), o->help,
			o->kind == OPTION_MANY ? " (may be repeated)" : "");
}

static void markdown_command(FILE *to, const struct command *c, struct arena *mem)
{
	fprintf(to, "\n### muster %s%s%s\n\n%s.%s%s\n", c->name, *c->operands ? " " : "",
		c->operands, c->summary, c->detail ? " " : "", c->detail ? c->detail : "");
	if (c->example)
		fprintf(to, "\n    %s\n", c->example);
	if (c->options && c->options->name)
		fputc('\n', to);
	markdown_options(to, c->options, mem);
}

void help_markdown(FILE *to)
{
	CLEAN(arena) struct arena *mem = arena_create();
	fputs("# The command line: `muster`\n\n"
	      "This page is made by `muster help --markdown`; a test compares the two.\n\n"
	      "Data goes to stdout, talk to stderr. Secrets are read from files, stdin or the "
	      "terminal, "
	      "never from options or the environment (but for MUSTER_PIN, a token's PIN). The "
	      "login is one file of mode 0600, "
	      "`$XDG_CONFIG_HOME/muster/login.json`; it pins the root of the server's CA, and "
	      "nothing "
	      "else is trusted. Durations are written `90s`, `10m`, `1h30m`. Releases and "
	      "campaigns "
	      "are named by id, by name, or by an unambiguous beginning of either.\n\n"
	      "## Exit codes\n\n| code | means |\n|---|---|\n",
	      to);
	for (int i = 0; i < help_exit_code_count; i++)
		fprintf(to, "| %d | %s |\n", help_exit_code_table[i].code,
			help_exit_code_table[i].text);
	fputs("\n## Options of every command\n\n", to);
	markdown_options(to, args_common, mem);
	for (const struct command_group *g = command_groups; g->title; g++) {
		fprintf(to, "\n## %s\n", g->title);
		for (const struct command *c = g->commands; c->name; c++)
			markdown_command(to, c, mem);
	}
}
