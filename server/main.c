/* musterd: the daemon and what belongs to running it.  The table below is the command line;
 * `serve` is in server/cmd_serve.c. */

#include "base/bytes.h"
#include "base/clean.h"
#include "base/hash.h"
#include "base/suggest.h"
#include "server/command.h"
#include "server/dumpable.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	int (*run)(const struct command_line *line);
	const char *options; /* letters of the options it knows, besides c and h */
	int words;           /* at most so many behind the command */
	const char *usage, *summary;
};

static int cmd_help(const struct command_line *line);
static int cmd_version(const struct command_line *line);

static const struct command commands[] = {
	{ "serve", cmd_serve, "", 0, "", "run the server in the foreground" },
	{ "migrate", cmd_migrate, "", 0, "", "bring the database's schema up to date" },
	{ "check-config", cmd_check_config, "s", 0, "[--sample]",
	  "check the configuration, or print a sample of it" },
	{ "ca", cmd_ca, "nod", 2,
	  "init [--name TEXT] | show | issue NAME [--out DIR] [--days N]",
	  "make, show or use the certificate authority" },
	{ "bootstrap", cmd_bootstrap, "", 0, "",
	  "print a one-time secret for the first administrator" },
	{ "fence", cmd_fence, "f", 0, "[--force]",
	  "make it safe to serve from a restored backup" },
	{ "version", cmd_version, "", 0, "", "print the version" },
	{ "help", cmd_help, "", 0, "", "print this" },
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "name", required_argument, NULL, 'n' },
	{ "out", required_argument, NULL, 'o' },
	{ "days", required_argument, NULL, 'd' },
	{ "sample", no_argument, NULL, 's' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int cmd_version(const struct command_line *line)
{
	(void)line;
	puts("musterd " MUSTER_VERSION);
	return COMMAND_DONE;
}

static int cmd_help(const struct command_line *line)
{
	(void)line;
	puts("musterd [-c FILE] COMMAND: the update server for fleets of small devices\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-13s %s\n%s%s%s", commands[i].name, commands[i].summary,
		       *commands[i].usage ? "                  " : "", commands[i].usage,
		       *commands[i].usage ? "\n" : "");
	puts("\n  -c, --config FILE   instead of /etc/muster/musterd.conf");
	return COMMAND_DONE;
}

static const struct command *find_command(const char *name)
{
	const char *names[ARRAY_LEN(commands)];

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
		names[i] = commands[i].name;
	}
	const char *near = suggest_nearest(name, names, ARRAY_LEN(commands));
	fprintf(stderr, "musterd: unknown command '%s'%s%s%s\n", name,
		near ? ", did you mean '" : "", near ? near : "",
		near ? "'?" : "; try musterd help");
	return NULL;
}

/* Options as they came, for the check against what the command knows. */
struct given {
	char letters[16];
	int count;
};

static bool take_option(int letter, struct command_line *line)
{
	switch (letter) {
	case 'c':
		line->config = optarg;
		return true;
	case 'n':
		line->name = optarg;
		return true;
	case 'o':
		line->out = optarg;
		return true;
	case 'd':
		return parse_i64(bytes_of(optarg), 1, 825, &line->days) == RC_OK;
	case 's':
		line->sample = true;
		return true;
	case 'f':
		line->force = true;
		return true;
	}
	return false;
}

/* The command, or NULL when the line makes no sense (which was said). */
static const struct command *parse(int argc, char **argv, struct command_line *line)
{
	struct given given = { .count = 0 };
	const char *alone = NULL;

	for (int letter;
	     (letter = getopt_long(argc, argv, "c:n:o:d:fshV", long_options, NULL)) != -1;) {
		if (letter == 'h' || letter == 'V') {
			alone = letter == 'h' ? "help" : "version";
		} else if (letter == '?') {
			return NULL; /* getopt said why */
		} else if (!take_option(letter, line)) {
			fprintf(stderr, "musterd: --days takes a number from 1 to 825\n");
			return NULL;
		} else if (letter != 'c' && given.count < (int)sizeof(given.letters)) {
			given.letters[given.count++] = (char)letter;
		}
	}
	if (alone || optind == argc)
		return find_command(alone ? alone : "help");
	const struct command *command = find_command(argv[optind]);
	line->words = (const char *const *)argv + optind + 1;
	line->word_count = argc - optind - 1;
	for (int i = 0; command && i < given.count; i++) {
		if (!strchr(command->options, given.letters[i])) {
			fprintf(stderr, "musterd: %s has no option -%c\n", command->name,
				given.letters[i]);
			return NULL;
		}
	}
	if (command && line->word_count > command->words) {
		fprintf(stderr, "musterd: %s: what is '%s'?\n", command->name,
			line->words[command->words]);
		return NULL;
	}
	return command;
}

int main(int argc, char **argv)
{
	hash_start();
	memory_begin();
	CLEAN(arena) struct arena *mem = arena_create();
	struct command_line line = { .mem = mem };
	const struct command *command = parse(argc, argv, &line);

	dumpable_set(false);
	return command ? command->run(&line) : COMMAND_USAGE;
}
