/* The command line: what is taken, what is refused, and with which words. */

#include "cli/args.h"
#include "cli/commands.h"
#include "tests/tap.h"

static struct arena *mem;
static struct args args;
static const char *why;

static const struct command *find(const char *first, const char *second, int *ret_words)
{
	char *argv[] = { arena_text(mem, first), second ? arena_text(mem, second) : NULL };
	return command_find(second ? 2 : 1, argv, ret_words);
}

/* Parses words of one command; the list ends with NULL. */
static enum rc parse(const char *first, const char *second, ...)
{
	char *argv[64];
	int argc = 0, words;
	va_list ap;
	va_start(ap, second);
	for (const char *word; (word = va_arg(ap, const char *)) != NULL && argc < 64;)
		argv[argc++] = arena_text(mem, word);
	va_end(ap);
	why = NULL;
	struct words rest = { .count = argc, .word = argv };
	return args_parse(find(first, second, &words), &rest, mem, &args, &why);
}

static void test_commands(void)
{
	int words;
	ok(find("campaign", "create", &words) && words == 2, "two words name a command");
	ok(find("login", "https://x", &words) && words == 1, "one word names a command");
	ok(!find("campaign", NULL, &words), "half a name is none");
	ok(!find("campaigns", "create", &words), "a longer word is another");
	char *argv[] = { arena_text(mem, "campain"), arena_text(mem, "create") };
	is_str(command_suggest(2, argv, mem), "campaign create", "a near command is suggested");
	char *other[] = { arena_text(mem, "xyzzy") };
	ok(!command_suggest(1, other, mem), "nothing is suggested for nonsense");
}

static void test_options(void)
{
	const char *values[ARGS_MAX];
	is_int(parse("campaign", "create", "--release", "R", "--device", "a", "--device=b",
		     "--all", NULL),
	       RC_OK, "options with values, in both spellings");
	is_str(args_value(&args, "release"), "R", "the value after a blank");
	is_int(args_values(&args, "device", values), 2,
	       "a repeated option gives all its values");
	is_str(values[1], "b", "the value after =");
	ok(args_has(&args, "all") && !args_has(&args, "dry-run"), "flags");
	ok(args_value(&args, "name") == NULL, "an option not given has no value");

	is_int(parse("device", "ls", "--json", NULL), RC_OK, "--json without fields");
	ok(args_has(&args, "json") && !args_value(&args, "json"), "has no fields");
	is_int(parse("device", "ls", "--json=a,b", NULL), RC_OK, "--json with fields");
	is_str(args_value(&args, "json"), "a,b", "has them");
}

static void test_operands(void)
{
	is_int(parse("device", "show", "--plain", "d1", NULL), RC_OK,
	       "an operand after options");
	is_str(args_operand(&args, 0), "d1", "is read");
	ok(args_operand(&args, 1) == NULL, "there is no second");
	is_int(parse("device", "show", "d1", "--plain", NULL), RC_OK,
	       "an operand before options");
	is_str(args_operand(&args, 0), "d1", "is read as well");
	is_int(parse("device", "show", "--", "--odd", NULL), RC_OK, "after -- all is operand");
	is_str(args_operand(&args, 0), "--odd", "even what looks like an option");
}

static void test_refused(void)
{
	is_int(parse("device", "show", NULL), RC_INVALID, "a missing operand");
	is_str(why, "device show needs NAME", "says which");
	is_int(parse("device", "show", "a", "b", NULL), RC_INVALID, "one operand too many");
	is_str(why, "device show does not take \"b\"", "says which");
	is_int(parse("campaign", "create", "--relese", "R", NULL), RC_INVALID,
	       "a misspelt option");
	is_str(why, "unknown option --relese; did you mean --release?", "has a suggestion");
	is_int(parse("campaign", "create", "--rel", "R", NULL), RC_INVALID, "an abbreviation");
	is_str(why, "unknown option --rel", "is not taken");
	is_int(parse("campaign", "create", "--sta=1", NULL), RC_INVALID, "one with = neither");
	is_str(why, "unknown option --sta", "is not taken");
	is_int(parse("campaign", "create", "--release", NULL), RC_INVALID, "a missing value");
	is_str(why, "--release needs a value", "says whose");
	is_int(parse("campaign", "create", "--name", "a", "--name", "b", NULL), RC_INVALID,
	       "an option given twice");
	is_str(why, "--name is given twice", "says which");
	is_int(parse("device", "ls", "-x", NULL), RC_INVALID, "a short option");
	is_str(why, "unknown option -x", "says which");
	is_int(parse("device", "ls", "--plain=1", NULL), RC_INVALID, "a flag with a value");
}

struct seen {
	const char *names[128];
	int count;
};

static void check_one(void *ctx, const struct command *c)
{
	struct seen *seen = ctx;
	bool fresh = true, right = c->summary && c->run && c->operands_min <= c->operands_max;
	for (int i = 0; i < seen->count; i++)
		fresh = fresh && strcmp(seen->names[i], c->name) != 0;
	seen->names[seen->count++] = c->name;
	for (const struct option_def *o = c->options; o && o->name; o++)
		right = right && o->help && (o->kind == OPTION_FLAG) == (o->value == NULL);
	ok(fresh && right, "%s: is there once, and its row is complete", c->name);
}

int main(void)
{
	struct seen seen = { .count = 0 };
	mem = arena_create();
	test_commands();
	test_options();
	test_operands();
	test_refused();
	command_each(check_one, &seen);
	arena_free(mem);
	return tap_done();
}
