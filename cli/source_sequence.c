/* Sequences that a source spells out, command by command. */

#include "base/bytes.h"
#include "base/suggest.h"
#include "cli/source.h"
#include "cli/words.h"
#include "suit/nest.h"

#include <string.h>

#define BYTES_MAX  16384
#define NESTED_MAX 6

/* A section that is being written.  That its commands stand in order the library looks at too;
 * here the place is known. */
struct section {
	struct suit_sequence_out *out; /* its own, or that of a sequence in it */
	unsigned depth;                /* how many may still nest */
	int64_t last_index;            /* of components, and dependencies behind them */
	bool shared;
	bool indexed; /* an index was set, or there is one component alone */
};

/* --- parameters ----------------------------------------------------------------------------
 */

static void read_string(struct node n, unsigned key, struct suit_parameters *p)
{
	struct suit_bytes *to[PARAMETER_WORDS] = {
		[SUIT_FIELD_CONTENT] = &p->content,
		[SUIT_FIELD_ENCRYPTION_INFO] = &p->encryption_info,
		[SUIT_FIELD_INVOKE_ARGS] = &p->invoke_args,
		[SUIT_FIELD_FETCH_ARGS] = &p->fetch_args,
	};
	if (key == SUIT_PARAM_URI)
		p->uri = node_text(n, SUIT_URI_MAX);
	else if (key == SUIT_PARAM_VENDOR && json_is_object(n.json))
		p->vendor.pen = node_bytes(n, 32);
	else if (to[key])
		*to[key] = node_bytes(n, SUIT_SOURCE_STRING_MAX);
}

static void read_number(struct node n, unsigned key, struct suit_parameters *p)
{
	uint64_t *to[PARAMETER_WORDS] = {
		[SUIT_PARAM_SLOT] = &p->slot,
		[SUIT_PARAM_SIZE] = &p->size,
		[SUIT_FIELD_SOURCE] = &p->source,
		[SUIT_FIELD_BATTERY] = &p->battery,
	};
	if (key == SUIT_FIELD_USE_BEFORE)
		p->use_before = (uint64_t)node_time(n);
	else if (key == SUIT_FIELD_PRIORITY)
		p->priority = node_int(n, INT32_MIN, INT32_MAX);
	else if (key == SUIT_FIELD_STRICT_ORDER)
		p->strict_order = node_bool(n);
	else if (key == SUIT_FIELD_SOFT_FAILURE)
		p->soft_failure = node_bool(n);
	else if (to[key])
		*to[key] = (uint64_t)node_int(n, 0, INT64_MAX);
}

static void read_structure(struct node n, unsigned key, struct suit_parameters *p)
{
	if (key == SUIT_FIELD_VERSION) {
		source_bound(n, node_string(n, 128), &p->version);
	} else if (key == SUIT_FIELD_WAIT) {
		source_wait(n, &p->wait);
	} else if (key == SUIT_FIELD_METADATA) {
		struct suit_metadata *m = arena_alloc(n.r->cli->mem, sizeof(*m));
		source_metadata(n, m);
		p->metadata = m;
	}
}

static void read_id(struct node n, unsigned key, struct suit_parameters *p)
{
	if (key == SUIT_PARAM_VENDOR && !json_is_object(n.json))
		node_uuid(n, &p->vendor.uuid);
	else if (key == SUIT_PARAM_CLASS)
		node_uuid(n, &p->class_id);
	else if (key == SUIT_FIELD_DEVICE)
		node_uuid(n, &p->device_id);
}

/* "file" stands for digest and size together. */
static void read_parameters(struct node n, struct suit_parameters *p)
{
	const char *names[PARAMETER_WORDS + 2];
	size_t count = 0;
	struct suit_image_ref ref;
	for (unsigned key = 0; key < PARAMETER_WORDS; key++)
		if (parameter_words[key])
			names[count++] = parameter_words[key];
	names[count++] = "file";
	names[count] = NULL;
	node_only(n, names);
	for (unsigned key = 0; key < PARAMETER_WORDS && node_is_good(n); key++) {
		if (!parameter_words[key] || !node_has(n, parameter_words[key]))
			continue;
		struct node m = node_member(n, parameter_words[key]);
		p->has |= SUIT_BIT(key);
		read_id(m, key, p);
		read_string(m, key, p);
		read_number(m, key, p);
		read_structure(m, key, p);
	}
	source_image_ref(n, &ref);
	if (ref.has_digest)
		p->has |= SUIT_BIT(SUIT_PARAM_DIGEST);
	if (ref.has_size)
		p->has |= SUIT_BIT(SUIT_PARAM_SIZE);
	p->digest = ref.digest;
	p->size = ref.size;
	if (node_is_good(n) && p->has == 0)
		node_fail(n, "sets nothing");
}

static void put_parameters(struct suit_sequence_out *s, struct node n,
			   enum suit_command command)
{
	struct suit_parameters p = { 0 };
	read_parameters(n, &p);
	if (node_is_good(n))
		suit_put_parameters(s, command, &p);
}

/* --- commands whose argument is made in a buffer of its own ------------------------------- */

struct argument {
	uint8_t bytes[BYTES_MAX];
	struct scbor_out o;
};

static struct argument *argument_begin(struct node n)
{
	struct argument *a = arena_alloc(n.r->cli->mem, sizeof(*a));
	scbor_out_init(&a->o, a->bytes, sizeof(a->bytes));
	return a;
}

static void argument_end(struct suit_sequence_out *s, struct node n, int64_t command,
			 const struct argument *a)
{
	if (!scbor_out_fits(&a->o))
		node_fail(n, "is too long");
	if (node_is_good(n))
		suit_put_raw_command(s, command, scbor_out_bytes(&a->o));
}

static void put_index(struct section *to, struct node n)
{
	struct argument *a = argument_begin(n);
	to->indexed = true;
	if (json_is_true(n.json)) {
		scbor_put_raw(&a->o, (struct suit_bytes){ (const uint8_t *)"\xf5", 1 });
	} else if (json_is_array(n.json)) {
		size_t count = node_items(n, 2 * SUIT_COMPONENTS_MAX);
		scbor_put_array(&a->o, count);
		for (size_t i = 0; i < count; i++)
			scbor_put_int(&a->o, node_int(node_item(n, i), 0, to->last_index));
	} else {
		scbor_put_int(&a->o, node_int(n, 0, to->last_index));
	}
	argument_end(to->out, n, SUIT_SET_COMPONENT_INDEX, a);
}

static void put_custom(struct suit_sequence_out *s, struct node n)
{
	struct argument *a = argument_begin(n);
	struct node value = node_item(n, 1);
	if (node_items(n, 2) != 2)
		node_fail(n, "must be a number from -257 down, and its argument");
	int64_t command = node_int(node_item(n, 0), INT64_MIN, -257);
	if (json_is_null(value.json))
		scbor_put_null(&a->o);
	else if (json_is_integer(value.json))
		scbor_put_int(&a->o, node_int(value, INT64_MIN, INT64_MAX));
	else if (json_is_string(value.json))
		scbor_put_text(&a->o, node_text(value, SUIT_SOURCE_TEXT_MAX));
	else
		scbor_put_bytes(&a->o, node_bytes(value, SUIT_SOURCE_TEXT_MAX));
	argument_end(s, n, command, a);
}

static uint64_t index_of_name(const struct section *to, struct node n, const char *name)
{
	uint64_t index = 0;
	if (parse_u64(bytes_of(name), (uint64_t)to->last_index, &index) != RC_OK)
		node_fail(n, "must be called by an index from 0 to %d", (int)to->last_index);
	return index;
}

/* {"0": {parameters}, "1": ...}: ascending, so that the map is sorted.  The index is then the
 * last of them. */
static void put_multiple(struct section *to, struct node n)
{
	struct node members[2 * SUIT_COMPONENTS_MAX];
	const char *names[2 * SUIT_COMPONENTS_MAX];
	struct argument *a = argument_begin(n);
	size_t count = node_members(n, ARRAY_LEN(members), members, names);
	to->indexed = true;
	scbor_put_map(&a->o, count);
	for (size_t i = 0; i < count && node_is_good(n); i++) {
		struct suit_parameters p = { 0 };
		scbor_put_uint(&a->o, index_of_name(to, members[i], names[i]));
		read_parameters(members[i], &p);
		suit_put_parameter_map(&a->o, SUIT_ALG_SHA256, &p);
	}
	argument_end(to->out, n, SUIT_OVERRIDE_MULTIPLE, a);
}

static int64_t parameter_named(struct node n)
{
	const char *name = node_string(n, 64);
	for (unsigned key = 0; key < PARAMETER_WORDS; key++)
		if (parameter_words[key] && strcmp(parameter_words[key], name) == 0)
			return key;
	node_fail(n, "is no parameter");
	return 0;
}

/* {"0": ["uri"]} */
static void put_copy_params(const struct section *to, struct node n)
{
	struct node members[2 * SUIT_COMPONENTS_MAX];
	const char *names[2 * SUIT_COMPONENTS_MAX];
	struct argument *a = argument_begin(n);
	size_t count = node_members(n, ARRAY_LEN(members), members, names);
	scbor_put_map(&a->o, count);
	for (size_t i = 0; i < count && node_is_good(n); i++) {
		size_t keys = node_items(members[i], PARAMETER_WORDS);
		scbor_put_uint(&a->o, index_of_name(to, members[i], names[i]));
		scbor_put_array(&a->o, keys);
		for (size_t k = 0; k < keys; k++)
			scbor_put_int(&a->o, parameter_named(node_item(members[i], k)));
	}
	argument_end(to->out, n, SUIT_COPY_PARAMS, a);
}

/* --- nesting -------------------------------------------------------------------------------
 */

static void put_commands(struct section *to, struct node n);

static void put_nested(struct section *to, struct node n)
{
	struct suit_sequence_out inner, *outer = to->out;
	suit_alternative_begin(&inner, outer);
	to->out = &inner;
	put_commands(to, n);
	to->out = outer;
	suit_sequence_end(&inner);
}

/* [2* bstr, ?nil].  Behind it an index is set that was before, or that every way sets. */
static void put_try(struct section *to, struct node n)
{
	size_t count = node_items(n, SUIT_COMMANDS_MAX), at = suit_try_begin(to->out);
	bool before = to->indexed, after = true;
	if (count < 2)
		node_fail(n, "needs two lists at least");
	for (size_t i = 0; i < count; i++) {
		struct node item = node_item(n, i);
		to->indexed = before;
		if (json_is_null(item.json) && i == count - 1 && i >= 2)
			scbor_put_null(to->out->o);
		else
			put_nested(to, item);
		after = after && to->indexed;
	}
	to->indexed = before || after;
	suit_try_end(to->out, at, count);
}

static void put_run(struct section *to, struct node n)
{
	to->out->commands++;
	scbor_put_int(to->out->o, SUIT_RUN_SEQUENCE);
	put_nested(to, n);
}

/* --- commands ------------------------------------------------------------------------------
 */

/* What changes a device, or waits. */
static bool acts(const struct command_word *w)
{
	return w->takes_policy && strncmp(w->name, "condition-", 10) != 0 &&
	       w->command != SUIT_COND_ABORT;
}

/* What names its components itself, or holds commands, needs no index. */
static bool needs_index(const struct command_word *w)
{
	return w->command != SUIT_SET_COMPONENT_INDEX && w->command != SUIT_TRY_EACH &&
	       w->command != SUIT_RUN_SEQUENCE && w->command != SUIT_OVERRIDE_MULTIPLE;
}

/* w is NULL for a custom command. */
static void check_place(const struct section *to, const struct command_word *w, struct node n)
{
	if (to->shared && (!w || acts(w)))
		node_fail(n, "cannot stand in the shared sequence, which only checks and sets");
	else if (!to->indexed && (!w || needs_index(w)))
		node_fail(n, "comes before an \"index\", and there are several components");
}

static void put_worded(struct section *to, const struct command_word *w, struct node n)
{
	if (w->takes_policy)
		suit_put_command(to->out, w->command, (uint64_t)node_int(n, 0, 15));
	else if (w->command == SUIT_SET_COMPONENT_INDEX)
		put_index(to, n);
	else if (w->command == SUIT_TRY_EACH)
		put_try(to, n);
	else if (w->command == SUIT_RUN_SEQUENCE)
		put_run(to, n);
	else if (w->command == SUIT_OVERRIDE_MULTIPLE)
		put_multiple(to, n);
	else if (w->command == SUIT_COPY_PARAMS)
		put_copy_params(to, n);
	else
		put_parameters(to->out, n, (enum suit_command)w->command);
}

static const struct command_word *find_word(struct node n, const char *name)
{
	const char *names[64];
	size_t count = 0;
	const struct command_word *found = command_word_find(name);
	if (found)
		return found;
	for (const struct command_word *w = command_words; w->name; w++)
		names[count++] = w->name;
	const char *nearest = suggest_nearest(name, names, count);
	node_fail(n, "is no command%s%s%s", nearest ? "; did you mean \"" : "",
		  nearest ? nearest : "", nearest ? "\"?" : "");
	return NULL;
}

/* "fetch", or {"fetch": policy}, {"override": {...}}, {"custom": [-257, null]}. */
static void put_command(struct section *to, struct node n)
{
	const char *name;
	struct node m;
	if (json_is_string(n.json)) {
		const struct command_word *w = find_word(n, node_string(n, 64));
		if (w && !w->takes_policy)
			node_fail(n, "needs an argument");
		if (w)
			check_place(to, w, n);
		if (w && node_is_good(n))
			suit_put_command(to->out, w->command, w->policy);
		return;
	}
	if (node_members(n, 1, &m, &name) != 1)
		return;
	if (strcmp(name, "custom") == 0) {
		check_place(to, NULL, n);
		put_custom(to->out, m);
		return;
	}
	const struct command_word *w = find_word(m, name);
	if (!w)
		return;
	check_place(to, w, n);
	put_worded(to, w, m);
}

static void put_commands(struct section *to, struct node n)
{
	size_t count = node_items(n, SUIT_COMMANDS_MAX);
	if (to->depth == 0) {
		node_fail(n, "is nested too deep");
		return;
	}
	to->depth--;
	for (size_t i = 0; i < count && node_is_good(n); i++)
		put_command(to, node_item(n, i));
	to->depth++;
}

static struct suit_bytes read_sequence(struct node n, struct section to)
{
	uint8_t *bytes = arena_alloc(n.r->cli->mem, SUIT_ENVELOPE_MAX);
	struct suit_sequence_out s;
	struct scbor_out o;
	struct scbor c;
	scbor_out_init(&o, bytes, SUIT_ENVELOPE_MAX);
	suit_sequence_begin(&s, &o);
	to.out = &s;
	put_commands(&to, n);
	suit_sequence_end(&s);
	if (!scbor_out_fits(&o))
		node_fail(n, "is too long");
	if (!node_is_good(n))
		return (struct suit_bytes){ 0 };
	/* Without its own head: the encoder wraps it again. */
	scbor_init(&c, scbor_out_bytes(&o));
	return scbor_bytes(&c);
}

/* An empty list leaves a section out. */
void source_sequences(struct node n, struct suit_source *ret)
{
	size_t indexes = ret->component_count + ret->dependency_count;
	struct section to = { .depth = NESTED_MAX,
			      .last_index = indexes ? (int64_t)indexes - 1 : 0,
			      .indexed = indexes <= 1 };
	node_only(n, section_words);
	for (unsigned s = 0; s < SUIT_SECTIONS; s++) {
		struct node m = node_member(n, section_words[s]);
		to.shared = s == SUIT_SHARED;
		if (!node_has(n, section_words[s]))
			continue;
		if (json_is_array(m.json) && json_array_size(m.json) == 0)
			ret->leave_out |= SUIT_BIT(s);
		else
			ret->given[s] = read_sequence(m, to);
	}
}
