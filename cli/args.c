/* Options by getopt_long from the command's table.  getopt_long takes abbreviations, which
 * would freeze every option's prefix for ever, so they are refused here. */

#include "cli/args.h"

#include "base/suggest.h"

#include <assert.h>
#include <getopt.h>
#include <string.h>

#define LONG_MAX_OPTIONS 48

const struct option_def args_common[] = {
	{ "json", "FIELDS", "print JSON; FIELDS picks members, separated by commas",
	  OPTION_OPTIONAL, false },
	{ "plain", NULL, "print columns separated by tabs, without a header", OPTION_FLAG,
	  false },
	{ "no-input", NULL, "never ask a question", OPTION_FLAG, false },
	{ "help", NULL, "show this help", OPTION_FLAG, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

struct parser {
	struct arena *mem;
	struct args *args;
	const struct option_def *known[LONG_MAX_OPTIONS];
	struct option table[LONG_MAX_OPTIONS + 1];
	int count;
};

static void parser_add(struct parser *p, const struct option_def *options)
{
	for (; options && options->name; options++) {
		assert(p->count < LONG_MAX_OPTIONS);
		struct option *o = &p->table[p->count];
		o->name = options->name;
		o->has_arg = options->kind == OPTION_FLAG       ? no_argument
			     : options->kind == OPTION_OPTIONAL ? optional_argument
								: required_argument;
		p->known[p->count++] = options;
	}
}

/* The word on the command line that getopt_long just took as an option. */
static const char *option_word(int argc, char **argv)
{
	for (int i = optind - 1; i > 0 && i >= optind - 2 && i < argc; i--)
		if (strncmp(argv[i], "--", 2) == 0 &&
		    (i == optind - 1 || !strchr(argv[i], '=')))
			return argv[i];
	return "";
}

static enum rc unknown(const struct parser *p, const char *word, const char **ret_why)
{
	struct arena *mem = p->mem;
	const char *end = strchr(word, '=');
	const char *name =
		arena_printf(mem, "%.*s", (int)(end ? end - word : (long)strlen(word)), word);
	const char *names[LONG_MAX_OPTIONS];
	for (int i = 0; i < p->count; i++)
		names[i] = p->known[i]->name;
	const char *nearest = suggest_nearest(name + (strncmp(name, "--", 2) == 0 ? 2 : 0),
					      names, (size_t)p->count);
	*ret_why = nearest ? arena_printf(mem, "unknown option %s; did you mean --%s?", name,
					  nearest)
			   : arena_printf(mem, "unknown option %s", name);
	return RC_INVALID;
}

static bool is_abbreviated(const char *word, const char *name)
{
	size_t n = strlen(name);
	return strncmp(word + 2, name, n) != 0 || (word[n + 2] != '\0' && word[n + 2] != '=');
}

static enum rc take_option(struct parser *p, const struct option_def *o, const char **ret_why)
{
	struct args *a = p->args;
	if (o->kind != OPTION_MANY && args_has(a, o->name)) {
		*ret_why = arena_printf(p->mem, "--%s is given twice", o->name);
		return RC_INVALID;
	}
	if (a->option_count == ARGS_MAX) {
		*ret_why = "too many options";
		return RC_INVALID;
	}
	a->options[a->option_count].option = o;
	a->options[a->option_count].value = optarg;
	a->option_count++;
	return RC_OK;
}

static enum rc take_operands(struct parser *p, int argc, char **argv, const char **ret_why)
{
	struct args *a = p->args;
	struct arena *mem = p->mem;
	const struct command *command = a->command;
	int count = argc - optind;
	if (args_has(a, "help"))
		return RC_OK;
	if (count < command->operands_min) {
		*ret_why = arena_printf(mem, "%s needs %s", command->name, command->operands);
		return RC_INVALID;
	}
	if (count > command->operands_max) {
		*ret_why = arena_printf(mem, "%s does not take \"%s\"", command->name,
					argv[optind + command->operands_max]);
		return RC_INVALID;
	}
	for (int i = 0; i < count; i++)
		a->operands[a->operand_count++] = argv[optind + i];
	return RC_OK;
}

static enum rc parse_options(struct parser *p, int argc, char **argv, const char **ret_why)
{
	int found, index = -1;
	while ((found = getopt_long(argc, argv, ":", p->table, &index)) != -1) {
		const char *word = option_word(argc, argv);
		if (found == ':') {
			*ret_why = arena_printf(p->mem, "%s needs a value", argv[optind - 1]);
			return RC_INVALID;
		}
		if (found == '?' && optopt != 0 && strncmp(word, "--", 2) != 0)
			word = arena_printf(p->mem, "-%c", optopt);
		if (found == '?' || is_abbreviated(word, p->known[index]->name))
			return unknown(p, word, ret_why);
		enum rc rc = take_option(p, p->known[index], ret_why);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc args_parse(const struct command *command, const struct words *words, struct arena *mem,
		   struct args *ret, const char **ret_why)
{
	struct parser p = { .mem = mem, .args = ret };
	int argc = words->count + 1;
	if (argc > ARGS_MAX) {
		*ret_why = "too many words on the command line";
		return RC_INVALID;
	}
	parser_add(&p, args_common);
	parser_add(&p, command->options);
	*ret = (struct args){ .command = command };

	/* getopt_long skips argv[0] and moves words about: it works on a copy. */
	char **copy = arena_array(mem, (size_t)argc + 1, sizeof(*copy));
	copy[0] = arena_text(mem, "muster");
	for (int i = 1; i < argc; i++)
		copy[i] = words->word[i - 1];
	opterr = 0;
	optind = 0; /* 0 resets glibc's state, so that tests may parse many lines */
	enum rc rc = parse_options(&p, argc, copy, ret_why);
	return rc == RC_OK ? take_operands(&p, argc, copy, ret_why) : rc;
}

bool args_has(const struct args *a, const char *option)
{
	for (int i = 0; i < a->option_count; i++)
		if (strcmp(a->options[i].option->name, option) == 0)
			return true;
	return false;
}

const char *args_value(const struct args *a, const char *option)
{
	for (int i = a->option_count - 1; i >= 0; i--)
		if (strcmp(a->options[i].option->name, option) == 0)
			return a->options[i].value;
	return NULL;
}

int args_values(const struct args *a, const char *option, const char *ret[ARGS_MAX])
{
	int count = 0;
	for (int i = 0; i < a->option_count; i++)
		if (strcmp(a->options[i].option->name, option) == 0)
			ret[count++] = a->options[i].value;
	return count;
}

const char *args_operand(const struct args *a, int index)
{
	return index < a->operand_count ? a->operands[index] : NULL;
}
