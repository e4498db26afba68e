/* The command line: a command is two words at most, then options and operands in any order.
 * Options are long, come from the command's table, and are never abbreviated.  The same table
 * makes the help, the man page and the shell completion. */
#pragma once

#include "base/arena.h"
#include "cli/exit_code.h"

#include <stdbool.h>

struct cli;

enum option_kind {
	OPTION_FLAG,     /* --yes */
	OPTION_VALUE,    /* --name TEXT */
	OPTION_MANY,     /* --device NAME, any number of times */
	OPTION_OPTIONAL, /* --json or --json=FIELDS */
};

struct option_def {
	const char *name;
	const char *value; /* what the help calls the value; NULL for a flag */
	const char *help;
	enum option_kind kind;
	bool is_file; /* completion offers file names */
};

struct command {
	const char *name;     /* "campaign create" */
	const char *operands; /* "RELEASE", "NAME..." or "" */
	int operands_min, operands_max;
	const char *summary;
	const char *detail;               /* sentences, or NULL */
	const char *example;              /* a command line, or NULL */
	const struct option_def *options; /* ended by one without name; NULL: none */
	enum exit_code (*run)(struct cli *c);
};

#define ARGS_MAX 1024 /* option values and operands of one command line */

struct args {
	const struct command *command;
	int option_count, operand_count;
	struct {
		const struct option_def *option;
		const char *value; /* NULL for a flag */
	} options[ARGS_MAX];
	const char *operands[ARGS_MAX];
};

/* Options that every command takes. */
extern const struct option_def args_common[];

/* What was typed behind the command's own words. */
struct words {
	int count;
	char **word;
};

/* RC_INVALID: *ret_why says what is wrong. */
enum rc args_parse(const struct command *command, const struct words *words, struct arena *mem,
		   struct args *ret, const char **ret_why) MUST_CHECK;

bool args_has(const struct args *a, const char *option);
/* The last value given, or NULL. */
const char *args_value(const struct args *a, const char *option);
/* Every value of an OPTION_MANY, in order; returns their number. */
int args_values(const struct args *a, const char *option, const char *ret[ARGS_MAX]);
/* The operand, or NULL. */
const char *args_operand(const struct args *a, int index);
