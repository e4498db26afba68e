/* `muster`, the operator's and author's command line.  Reading path: main.c, commands.c, the
 * cmd_*.c of a command, client.c. */

#include "base/clean.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/help.h"

#include <curl/curl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

static enum exit_code no_such_command(int argc, char **argv, struct arena *mem)
{
	if (argc == 1 && help_group(stderr, argv[0]))
		return EXIT_FAILED;
	const char *nearest = command_suggest(argc, argv, mem);
	if (nearest)
		return cli_fail(EXIT_FAILED,
				"there is no command \"%s%s%s\"; did you mean \"%s\"?", argv[0],
				argc > 1 ? " " : "", argc > 1 ? argv[1] : "", nearest);
	return cli_fail(EXIT_FAILED, "there is no command \"%s\"; see: muster help", argv[0]);
}

static void set_output(struct cli *c)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool terminal = isatty(STDOUT_FILENO) && (!term || strcmp(term, "dumb") != 0);
	c->out = (struct output){ .to = stdout,
				  .json = args_has(&c->args, "json"),
				  .fields = args_value(&c->args, "json"),
				  .plain = args_has(&c->args, "plain"),
				  .terminal = terminal,
				  .colour = terminal && (!no_color || *no_color == '\0') };
	c->no_input = args_has(&c->args, "no-input");
}

static enum exit_code run(struct cli *c, int argc, char **argv)
{
	int words;
	const char *why;
	c->command = command_find(argc, argv, &words);
	if (!c->command)
		return no_such_command(argc, argv, c->mem);
	struct words rest = { .count = argc - words, .word = argv + words };
	if (args_parse(c->command, &rest, c->mem, &c->args, &why) != RC_OK)
		return cli_fail(EXIT_FAILED, "%s; see: muster help %s", why, c->command->name);
	if (args_has(&c->args, "help")) {
		help_command(stdout, c->command);
		return EXIT_DONE;
	}
	set_output(c);
	return c->command->run(c);
}

/* The two options that need no command are commands. */
static char *first_word(char *word)
{
	static char help[] = "help", version[] = "version";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return help;
	return strcmp(word, "--version") == 0 ? version : word;
}

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	_exit(EXIT_CANCELLED);
}

/* A buffer that could not be written is dropped and the next flush finds nothing to do: only
 * the stream itself still knows that something was lost. */
static enum exit_code finish_output(enum exit_code code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	cli_complain("standard output cannot be written; what was to be shown is lost");
	return code == EXIT_DONE ? EXIT_FAILED : code;
}

int main(int argc, char **argv)
{
	static struct cli cli; /* argument tables are large */
	setlocale(LC_CTYPE, "");
	signal(SIGINT, on_interrupt);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		help_overview(stderr);
		return EXIT_FAILED;
	}
	argv[1] = first_word(argv[1]);

	CLEAN(arena) struct arena *mem = arena_create();
	cli.mem = mem;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	enum exit_code code = run(&cli, argc - 1, argv + 1);
	client_free(cli.client);
	curl_global_cleanup();
	return (int)finish_output(code);
}
