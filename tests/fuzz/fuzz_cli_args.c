/* The command line: words by newlines.  What is taken is counted within bounds and of the
 * command's own table. */

#include "base/bytes.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/parse.h"
#include "tests/fuzz/target.h"

#include <string.h>

#define WORDS_MAX 64

static void check_args(const struct command *command, const struct args *a)
{
	check(a->operand_count >= command->operands_min);
	check(a->operand_count <= command->operands_max);
	check(a->option_count >= 0 && a->option_count <= ARGS_MAX);
	for (int i = 0; i < a->option_count; i++)
		check(a->options[i].option &&
		      (a->options[i].value || a->options[i].option->kind != OPTION_VALUE));
}

static void check_languages(const char *word, struct arena *mem)
{
	struct stage_step steps[STAGE_STEPS_MAX];
	const char *name = NULL, *value = NULL, *why = NULL;
	int64_t n = -1;
	int count = 0;

	if (parse_duration(word, &n) == RC_OK)
		check(n >= 0 && n <= INT64_C(3660) * 86400);
	if (parse_percent(word, &n) == RC_OK)
		check(n > 0 && n <= 100 * PERCENT);
	if (parse_label(word, mem, &name, &value) == RC_OK)
		check(strcmp(arena_printf(mem, "%s=%s", name, value), word) == 0);
	if (parse_class(word, mem, &name, &value) == RC_OK)
		check(*name && *value);
	if (parse_stages(word, mem, steps, &count, &why) != RC_OK) {
		check(why && *why);
		return;
	}
	check(count >= 1 && count <= STAGE_STEPS_MAX);
	check(steps[count - 1].percent == 100 * PERCENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *mem = arena_create();
	char *rest = bytes_text(mem, (struct bytes){ data, size });
	char *words[WORDS_MAX + 1] = { NULL };
	struct args args;
	const char *why = NULL;
	int n = 0, own = 0;

	for (char *one = strsep(&rest, "\n"); one && n < WORDS_MAX; one = strsep(&rest, "\n"))
		check_languages(words[n++] = one, mem);
	const struct command *command = command_find(n, words, &own);
	if (command) {
		struct words behind = { n - own, words + own };
		if (args_parse(command, &behind, mem, &args, &why) != RC_OK)
			check(why && *why);
		else if (!args_has(&args, "help"))
			check_args(command, &args);
	}
	arena_free(mem);
	return 0;
}
