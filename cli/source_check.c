/* Sequences that were spelled out: does each command know which component it is for, and may it
 * stand there?  The library would refuse them as well; here the place is known. */

#include "base/bytes.h"
#include "cli/source.h"
#include "cli/words.h"

#include <string.h>

struct walk {
	size_t indexes; /* components and dependencies */
	bool shared;
	bool indexed; /* an index was set, or there is one component alone */
};

static void check_commands(struct node n, struct walk *w);

static void check_number(struct node n, uint64_t index, const struct walk *w)
{
	if (index >= w->indexes)
		node_fail(n,
			  "is no index: components, and dependencies behind them, go from 0 "
			  "to %zu",
			  w->indexes - 1);
}

static void check_index(struct node n, struct walk *w)
{
	w->indexed = true;
	for (size_t i = 0; i < json_array_size(n.json) && node_is_good(n); i++)
		check_number(node_item(n, i),
			     (uint64_t)json_integer_value(json_array_get(n.json, i)), w);
	if (json_is_integer(n.json))
		check_number(n, (uint64_t)json_integer_value(n.json), w);
}

/* {"0": ...}: the index stands in the name. */
static void check_names(struct node n, const struct walk *w)
{
	struct node members[2 * SUIT_COMPONENTS_MAX];
	const char *names[2 * SUIT_COMPONENTS_MAX];
	size_t count = node_members(n, ARRAY_LEN(members), members, names);
	for (size_t i = 0; i < count && node_is_good(n); i++) {
		uint64_t index = 0;
		if (parse_u64(bytes_of(names[i]), UINT64_MAX, &index) == RC_OK)
			check_number(members[i], index, w);
	}
}

/* Behind it an index is set that was before, or that every alternative sets. */
static void check_try(struct node n, struct walk *w)
{
	bool before = w->indexed, after = true;
	for (size_t i = 0; i < json_array_size(n.json) && node_is_good(n); i++) {
		w->indexed = before;
		if (json_is_array(json_array_get(n.json, i)))
			check_commands(node_item(n, i), w);
		after = after && w->indexed;
	}
	w->indexed = before || after;
}

/* What changes a device, or waits: not for the sequence that all sections share. */
static bool acts(const struct command_word *word)
{
	return word->takes_policy && strncmp(word->name, "condition-", 10) != 0 &&
	       word->command != SUIT_COND_ABORT;
}

/* What has the components it is for in its argument, or in its nested lists, needs no index. */
static bool needs_index(const struct command_word *word)
{
	return word->command != SUIT_SET_COMPONENT_INDEX && word->command != SUIT_TRY_EACH &&
	       word->command != SUIT_RUN_SEQUENCE && word->command != SUIT_OVERRIDE_MULTIPLE;
}

static void check_argument(struct node n, const struct command_word *word, struct walk *w)
{
	if (word->command == SUIT_SET_COMPONENT_INDEX)
		check_index(n, w);
	else if (word->command == SUIT_TRY_EACH)
		check_try(n, w);
	else if (word->command == SUIT_RUN_SEQUENCE)
		check_commands(n, w);
	else if (word->command == SUIT_OVERRIDE_MULTIPLE || word->command == SUIT_COPY_PARAMS)
		check_names(n, w);
}

/* "fetch", {"fetch": 15} or {"custom": [...]}; a custom one is no word, and acts. */
static void check_command(struct node n, struct walk *w)
{
	struct node argument = n;
	const char *name = json_string_value(n.json);
	if (!name && node_members(n, 1, &argument, &name) != 1)
		return;
	const struct command_word *word = command_word_find(name);
	if (w->shared && (!word || acts(word)))
		node_fail(n, "cannot stand in the shared sequence, which only checks and sets");
	else if (!w->indexed && (!word || needs_index(word)))
		node_fail(n, "comes before an \"index\", and there are several components");
	else if (word)
		check_argument(argument, word, w);
}

static void check_commands(struct node n, struct walk *w)
{
	for (size_t i = 0; i < json_array_size(n.json) && node_is_good(n); i++)
		check_command(node_item(n, i), w);
}

void source_sequence_check(struct node n, bool shared, size_t indexes)
{
	struct walk w = { .indexes = indexes, .shared = shared, .indexed = indexes == 1 };
	if (indexes > 0)
		check_commands(n, &w);
}
