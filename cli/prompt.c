/* Questions go to /dev/tty, so that stdin and stdout stay free for data. */

#include "cli/prompt.h"

#include "base/bytes.h"
#include "base/clean.h"

#include <string.h>
#include <termios.h>

#define ANSWER_MAX 1024
#define CTRL_C     3

static enum exit_code open_terminal(struct cli *c, const char *hint, FILE **ret)
{
	FILE *terminal = c->no_input ? NULL : fopen("/dev/tty", "r+e");
	if (!terminal)
		return cli_fail(EXIT_CANCELLED,
				"this needs an answer and there is nobody to ask; %s", hint);
	*ret = terminal;
	return EXIT_DONE;
}

static enum exit_code read_answer(FILE *terminal, const char *question, struct arena *mem,
				  const char **ret)
{
	char line[ANSWER_MAX];
	fprintf(terminal, "%s", question);
	fflush(terminal);
	if (!fgets(line, sizeof(line), terminal))
		return cli_fail(EXIT_CANCELLED, "cancelled");
	line[strcspn(line, "\n")] = '\0';
	*ret = arena_text(mem, line);
	explicit_bzero(line, sizeof(line));
	return EXIT_DONE;
}

static enum exit_code read_hidden(FILE *terminal, const char *question, struct arena *mem,
				  const char **ret)
{
	struct termios saved, silent;
	if (tcgetattr(fileno(terminal), &saved) != 0)
		return cli_fail(EXIT_FAILED, "cannot turn off the terminal's echo");
	/* Ctrl-C ends the line here, so that the echo comes back before the process ends. */
	silent = saved;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	silent.c_lflag |= ECHONL;
	silent.c_cc[VEOL] = CTRL_C;
	tcsetattr(fileno(terminal), TCSAFLUSH, &silent);
	enum exit_code code = read_answer(terminal, question, mem, ret);
	tcsetattr(fileno(terminal), TCSAFLUSH, &saved);
	if (code == EXIT_DONE && strchr(*ret, CTRL_C))
		return cli_fail(EXIT_CANCELLED, "cancelled");
	return code;
}

enum exit_code prompt_secret(struct cli *c, const char *question, bool twice, const char **ret)
{
	CLEAN(file) FILE *terminal = NULL;
	const char *first = NULL, *second = NULL;
	enum exit_code code = open_terminal(c, "give the secret in a file", &terminal);
	if (code == EXIT_DONE)
		code = read_hidden(terminal, question, c->mem, &first);
	if (code != EXIT_DONE)
		return code;
	if (twice) {
		code = read_hidden(terminal, "Once more: ", c->mem, &second);
		if (code != EXIT_DONE)
			return code;
		if (strcmp(first, second) != 0)
			return cli_fail(EXIT_CANCELLED, "the two differ");
	}
	*ret = first;
	return EXIT_DONE;
}

enum exit_code prompt_yes(struct cli *c, const char *question, const char *hint)
{
	CLEAN(file) FILE *terminal = NULL;
	const char *answer = NULL;
	enum exit_code code = open_terminal(c, hint, &terminal);
	if (code == EXIT_DONE)
		code = read_answer(terminal, question, c->mem, &answer);
	if (code != EXIT_DONE)
		return code;
	return strcmp(answer, "yes") == 0 ? EXIT_DONE : cli_fail(EXIT_CANCELLED, "cancelled");
}

enum exit_code prompt_name(struct cli *c, const char *what, const char *name)
{
	CLEAN(file) FILE *terminal = NULL;
	const char *answer;
	if (args_has(&c->args, "yes"))
		return EXIT_DONE;
	enum exit_code code = open_terminal(c, "--yes answers it", &terminal);
	if (code != EXIT_DONE)
		return code;
	const char *question = arena_printf(c->mem, "This will %s.  Type %s to go on: ", what,
					    output_clean(c->mem, name));
	code = read_answer(terminal, question, c->mem, &answer);
	if (code != EXIT_DONE)
		return code;
	return strcmp(answer, name) == 0 ? EXIT_DONE : cli_fail(EXIT_CANCELLED, "cancelled");
}
