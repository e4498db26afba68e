/* Sequences in words. */

#include "cli/explain.h"

#include "base/bytes.h"
#include "cli/explain_values.h"

#include <string.h>

#define CUSTOM_LAST (-257)

/* At a point of a sequence. */
struct teller {
	struct arena *mem;
	const struct suit_envelope *e;
	json_t *lines;
	struct explain_values values;
	uint32_t current;
	/* Indexes whose digest or URI was set and not used yet. */
	uint32_t expects, comes_from;
	unsigned indent;
};

static void tell_sequence(struct teller *t, struct suit_bytes sequence, unsigned depth);

static void say(struct teller *t, const char *fmt, ...) PRINTF(2, 3);

static void say(struct teller *t, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	const char *text = arena_vprintf(t->mem, fmt, ap);
	va_end(ap);
	json_array_append_new(t->lines, json_sprintf("%*s%s", (int)t->indent, "", text));
}

/* --- names ---------------------------------------------------------------------------------
 */

static bool component_read(struct scbor *c, struct suit_component_id *ret)
{
	ret->count = scbor_array(c, SUIT_SEGMENTS_MAX);
	for (size_t i = 0; i < ret->count; i++)
		ret->segment[i] = scbor_bytes(c);
	return scbor_ok(c);
}

/* The member of a map with unsigned keys; NULL content when it is not there. */
static struct suit_bytes map_member(struct suit_bytes map, uint64_t key)
{
	struct scbor c;
	scbor_init(&c, map);
	size_t n = scbor_map(&c, 32);
	for (size_t i = 0; i < n && scbor_ok(&c); i++) {
		bool found = scbor_uint(&c) == key;
		struct suit_bytes value = scbor_any(&c);
		if (found && scbor_ok(&c))
			return value;
	}
	return (struct suit_bytes){ 0 };
}

/* The prefix of the dependency with that index. */
static bool dependency_prefix(const struct suit_envelope *e, size_t index,
			      struct suit_component_id *ret)
{
	struct scbor c;
	scbor_init(&c, map_member(e->manifest, 3));
	struct suit_bytes dependencies = map_member(scbor_bytes(&c), 1);
	struct suit_bytes dependency = map_member(dependencies, index);
	struct suit_bytes prefix = map_member(dependency, 1);
	scbor_init(&c, prefix);
	return prefix.p && component_read(&c, ret);
}

const char *explain_index(struct arena *mem, const struct suit_envelope *e, size_t index)
{
	struct suit_component_id prefix = { 0 };
	if (index < e->component_count)
		return component_text(mem, &e->component[index]);
	if (dependency_prefix(e, index, &prefix))
		return component_text(mem, &prefix);
	return arena_printf(mem, "dependency %zu", index);
}

/* "main", or "main and modem". */
static const char *subject(struct teller *t)
{
	const char *ret = "";
	for (size_t i = 0; i < EXPLAIN_INDEXES; i++)
		if (t->current & 1u << i)
			ret = arena_printf(t->mem, "%s%s%s", ret, *ret ? " and " : "",
					   explain_index(t->mem, t->e, i));
	return ret;
}

static const char *value(struct teller *t, unsigned key)
{
	for (size_t i = 0; i < EXPLAIN_INDEXES; i++)
		if (t->current & 1u << i)
			return t->values.text[i][key];
	return NULL;
}

static const char *value_or(struct teller *t, unsigned key, const char *otherwise)
{
	const char *text = value(t, key);
	return text ? text : otherwise;
}

/* "image 1591... (1.3 KiB)" */
static const char *image(struct teller *t)
{
	const char *digest = value_or(t, SUIT_PARAM_DIGEST, "of no given digest");
	const char *size = value(t, SUIT_PARAM_SIZE);
	return size ? arena_printf(t->mem, "image %s (%s)", digest, size)
		    : arena_printf(t->mem, "image %s", digest);
}

/* Where a copy comes from; an index as text. */
static const char *source(struct teller *t)
{
	const char *text = value(t, SUIT_FIELD_SOURCE);
	uint64_t index;
	if (!text || parse_u64(bytes_of(text), EXPLAIN_INDEXES - 1, &index) != RC_OK)
		return text ? text : "nowhere";
	return explain_index(t->mem, t->e, (size_t)index);
}

/* --- commands ------------------------------------------------------------------------------
 */

static void tell_identity(struct teller *t, int64_t command)
{
	unsigned key = command == SUIT_COND_VENDOR  ? SUIT_PARAM_VENDOR
		       : command == SUIT_COND_CLASS ? SUIT_PARAM_CLASS
						    : SUIT_FIELD_DEVICE;
	say(t, "checks that it is %s", value_or(t, key, "(nothing is given)"));
}

static void tell_fetch(struct teller *t)
{
	const char *size = value(t, SUIT_PARAM_SIZE), *slot = value(t, SUIT_PARAM_SLOT);
	const char *uri = value_or(t, SUIT_PARAM_URI, "(no URI is given)");
	const char *into = slot ? arena_printf(t->mem, ", slot %s", slot) : "";
	const char *much = size ? arena_printf(t->mem, " (%s)", size) : "";
	t->comes_from &= ~t->current;
	say(t, "fetches %s%s into %s%s%s", uri, much, subject(t), into,
	    uri[0] == '#' ? "; it is in this envelope" : "");
}

static void tell_move(struct teller *t, int64_t command)
{
	const char *secret = value(t, SUIT_FIELD_ENCRYPTION_INFO);
	const char *decrypting = secret ? ", decrypting it" : "";
	if (command == SUIT_COPY)
		say(t, "copies %s to %s%s", source(t), subject(t), decrypting);
	else if (command == SUIT_SWAP)
		say(t, "swaps %s and %s", source(t), subject(t));
	else
		say(t, "writes %s of the manifest to %s%s",
		    value_or(t, SUIT_FIELD_CONTENT, "nothing"), subject(t), decrypting);
	if (value(t, SUIT_FIELD_METADATA))
		say(t, "gives %s its permissions and times", subject(t));
}

static void tell_guard(struct teller *t, int64_t command)
{
	switch (command) {
	case SUIT_COND_USE_BEFORE:
		say(t, "stops after %s", value_or(t, SUIT_FIELD_USE_BEFORE, "?"));
		return;
	case SUIT_COND_MIN_BATTERY:
		say(t, "stops if its battery holds less than %s mWh",
		    value_or(t, SUIT_FIELD_BATTERY, "?"));
		return;
	case SUIT_COND_AUTHORIZED:
		say(t, "stops unless it is authorized at priority %s",
		    value_or(t, SUIT_FIELD_PRIORITY, "?"));
		return;
	case SUIT_COND_VERSION:
		say(t, "stops unless the version of %s is %s", subject(t),
		    value_or(t, SUIT_FIELD_VERSION, "?"));
		return;
	case SUIT_WAIT:
		say(t, "waits until %s", value_or(t, SUIT_FIELD_WAIT, "?"));
		return;
	}
}

static void tell_condition(struct teller *t, int64_t command)
{
	switch (command) {
	case SUIT_COND_IMAGE_MATCH:
		t->expects &= ~t->current;
		say(t, "checks that %s holds %s", subject(t), image(t));
		return;
	case SUIT_COND_IMAGE_NOT_MATCH:
		say(t, "stops if %s holds %s already", subject(t), image(t));
		return;
	case SUIT_COND_SLOT:
		say(t, "only if slot %s of %s is the one to be written",
		    value_or(t, SUIT_PARAM_SLOT, "?"), subject(t));
		return;
	case SUIT_COND_CHECK_CONTENT:
		say(t, "checks that %s holds %s of the manifest", subject(t),
		    value_or(t, SUIT_FIELD_CONTENT, "nothing"));
		return;
	case SUIT_COND_DEPENDENCY_INTEGRITY:
		say(t, "checks that %s is the manifest %s", subject(t),
		    value_or(t, SUIT_PARAM_DIGEST, "of no given digest"));
		return;
	case SUIT_COND_IS_DEPENDENCY:
		say(t, "checks that %s is a manifest it depends on", subject(t));
		return;
	case SUIT_COND_ABORT:
		say(t, "gives up");
		return;
	}
}

static void tell_action(struct teller *t, int64_t command)
{
	const char *args = value(t, SUIT_FIELD_INVOKE_ARGS);
	switch (command) {
	case SUIT_FETCH:
		tell_fetch(t);
		return;
	case SUIT_COPY:
	case SUIT_SWAP:
	case SUIT_WRITE:
		tell_move(t, command);
		return;
	case SUIT_DO_INVOKE:
		say(t, "runs %s%s%s", subject(t), args ? " with arguments of " : "",
		    args ? args : "");
		return;
	case SUIT_PROCESS_DEPENDENCY:
		say(t, "carries out the same part of the manifest %s", subject(t));
		return;
	case SUIT_UNLINK:
		say(t, "removes %s", subject(t));
		return;
	}
}

/* --- structure -----------------------------------------------------------------------------
 */

static uint32_t indexes_of(struct teller *t, struct scbor *c)
{
	uint32_t ret = 0;
	if (scbor_peek(c) == SCBOR_SIMPLE)
		return (1u << t->e->component_count) - 1;
	size_t n = scbor_peek(c) == SCBOR_ARRAY ? scbor_array(c, EXPLAIN_INDEXES) : 1;
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		uint64_t index = scbor_uint(c);
		ret |= index < EXPLAIN_INDEXES ? 1u << index : 0;
	}
	return ret;
}

/* What a sequence has set for those that come after it. */
static void tell_left(struct teller *t)
{
	uint32_t before = t->current;
	for (size_t i = 0; i < EXPLAIN_INDEXES; i++) {
		t->current = 1u << i;
		if (t->expects & t->current)
			say(t, "%s is to hold %s", subject(t), image(t));
		if (t->comes_from & t->current)
			say(t, "%s is to come from %s", subject(t),
			    value_or(t, SUIT_PARAM_URI, "?"));
	}
	t->current = before;
}

static void take_values(struct teller *t, uint32_t indexes, struct scbor *c)
{
	struct scbor map = *c;
	size_t n = scbor_map(&map, PARAMETER_WORDS);
	for (size_t i = 0; i < n && scbor_ok(&map); i++) {
		int64_t key = scbor_int(&map);
		t->expects |= key == SUIT_PARAM_DIGEST ? indexes : 0;
		t->comes_from |= key == SUIT_PARAM_URI ? indexes : 0;
		scbor_any(&map);
	}
	explain_values_take(t->mem, t->e, &t->values, indexes, c);
}

static void tell_try(struct teller *t, struct scbor *c, unsigned depth)
{
	const struct teller before = *t;
	size_t n = scbor_array(c, SUIT_COMMANDS_MAX);
	say(t, "tries in turn, until one goes through:");
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		struct teller one = before;
		one.indent += 2;
		if (scbor_peek(c) == SCBOR_SIMPLE) {
			scbor_null(c);
			say(&one, "%zu. or goes on", i + 1);
		} else {
			struct suit_bytes sequence = scbor_bytes(c);
			say(&one, "%zu.", i + 1);
			one.indent += 2;
			one.expects = one.comes_from = 0;
			tell_sequence(&one, sequence, depth);
			tell_left(&one);
		}
		if (i == 0)
			t->values = one.values;
		else
			explain_values_merge(&t->values, &one.values);
		t->current = i == 0 ? one.current : t->current | one.current;
	}
}

/* The last index stays. */
static void tell_multiple(struct teller *t, struct scbor *c)
{
	size_t n = scbor_map(c, EXPLAIN_INDEXES);
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		uint64_t index = scbor_uint(c);
		t->current = index < EXPLAIN_INDEXES ? 1u << index : 0;
		take_values(t, t->current, c);
	}
}

static void tell_copy_params(struct teller *t, struct scbor *c)
{
	size_t n = scbor_map(c, EXPLAIN_INDEXES);
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		uint64_t from = scbor_uint(c);
		size_t keys = scbor_array(c, PARAMETER_WORDS);
		for (size_t k = 0; k < keys && scbor_ok(c); k++) {
			int64_t key = scbor_int(c);
			if (from >= EXPLAIN_INDEXES || key < 0 || key >= PARAMETER_WORDS)
				continue;
			for (size_t to = 0; to < EXPLAIN_INDEXES; to++)
				if (t->current & 1u << to)
					t->values.text[to][key] = t->values.text[from][key];
		}
	}
}

static void tell_structure(struct teller *t, int64_t command, struct suit_bytes arg,
			   unsigned depth)
{
	struct scbor c;
	scbor_init(&c, arg);
	switch (command) {
	case SUIT_SET_COMPONENT_INDEX:
		t->current = indexes_of(t, &c);
		return;
	case SUIT_OVERRIDE_PARAMETERS:
	case SUIT_SET_PARAMETERS:
		take_values(t, t->current, &c);
		return;
	case SUIT_OVERRIDE_MULTIPLE:
		tell_multiple(t, &c);
		return;
	case SUIT_COPY_PARAMS:
		tell_copy_params(t, &c);
		return;
	case SUIT_TRY_EACH:
		tell_try(t, &c, depth);
		return;
	case SUIT_RUN_SEQUENCE:
		tell_sequence(t, scbor_bytes(&c), depth);
		return;
	}
	if (command <= CUSTOM_LAST)
		say(t, "does the vendor's own command %lld with %s", (long long)command,
		    subject(t));
}

static void tell_command(struct teller *t, int64_t command, struct suit_bytes arg,
			 unsigned depth)
{
	switch (command) {
	case SUIT_COND_VENDOR:
	case SUIT_COND_CLASS:
	case SUIT_COND_DEVICE:
		tell_identity(t, command);
		return;
	case SUIT_COND_USE_BEFORE:
	case SUIT_COND_MIN_BATTERY:
	case SUIT_COND_AUTHORIZED:
	case SUIT_COND_VERSION:
	case SUIT_WAIT:
		tell_guard(t, command);
		return;
	case SUIT_COND_IMAGE_MATCH:
	case SUIT_COND_IMAGE_NOT_MATCH:
	case SUIT_COND_SLOT:
	case SUIT_COND_CHECK_CONTENT:
	case SUIT_COND_DEPENDENCY_INTEGRITY:
	case SUIT_COND_IS_DEPENDENCY:
	case SUIT_COND_ABORT:
		tell_condition(t, command);
		return;
	case SUIT_FETCH:
	case SUIT_COPY:
	case SUIT_SWAP:
	case SUIT_WRITE:
	case SUIT_DO_INVOKE:
	case SUIT_PROCESS_DEPENDENCY:
	case SUIT_UNLINK:
		tell_action(t, command);
		return;
	default:
		tell_structure(t, command, arg, depth);
		return;
	}
}

static void tell_sequence(struct teller *t, struct suit_bytes sequence, unsigned depth)
{
	struct suit_bytes arg;
	struct scbor c;
	int64_t command;
	if (depth == 0)
		return;
	suit_sequence_open(&c, sequence);
	while (suit_sequence_next(&c, &command, &arg))
		tell_command(t, command, arg, depth - 1);
}

/* --- sections ------------------------------------------------------------------------------
 */

/* In the order in which a device comes to them. */
static const struct {
	enum suit_section section;
	const char *title;
} parts[] = {
	{ SUIT_SHARED, "Before each of these:" },
	{ SUIT_DEPENDENCY_RESOLUTION, "To get the manifests it depends on:" },
	{ SUIT_PAYLOAD_FETCH, "To fetch:" },
	{ SUIT_CANDIDATE_VERIFICATION, "To check what was fetched:" },
	{ SUIT_INSTALL, "To install:" },
	{ SUIT_VALIDATE, "To check what is installed:" },
	{ SUIT_LOAD, "To load:" },
	{ SUIT_INVOKE, "To run:" },
	{ SUIT_UNINSTALL, "To uninstall:" },
};

json_t *explain_json(struct arena *mem, const struct suit_envelope *e)
{
	json_t *ret = json_array();
	struct teller *t = arena_alloc(mem, sizeof(*t)); /* tables are large */
	*t = (struct teller){ .mem = mem, .e = e };
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct suit_bytes sequence = e->section[parts[i].section];
		if (!sequence.p)
			continue;
		/* Shared runs again before each section, and its words are told once. */
		t->lines = json_array();
		t->current = 1;
		if (parts[i].section != SUIT_SHARED && e->section[SUIT_SHARED].p)
			tell_sequence(t, e->section[SUIT_SHARED], SUIT_DEPTH_MAX);
		json_array_clear(t->lines);
		t->expects = t->comes_from = 0;
		tell_sequence(t, sequence, SUIT_DEPTH_MAX);
		if (parts[i].section == SUIT_SHARED)
			tell_left(t);
		json_array_append_new(ret, json_pack("{s:s, s:s, s:o}", "section",
						     section_words[parts[i].section], "title",
						     parts[i].title, "does", t->lines));
	}
	return ret;
}

void explain_print(FILE *to, const json_t *sections)
{
	size_t i, k;
	json_t *section, *line;
	json_array_foreach(sections, i, section)
	{
		fprintf(to, "\n%s\n", json_string_value(json_object_get(section, "title")));
		json_array_foreach(json_object_get(section, "does"), k, line)
			fprintf(to, "  %s\n", json_string_value(line));
	}
}
