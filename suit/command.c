/* Checks command sequences against the tables of commands and parameters. */

#include "suit/command.h"

#include "suit/parameter.h"

#include <string.h>

enum arg_kind {
	ARG_POLICY,
	ARG_INDEX,
	ARG_TRY,
	ARG_PARAMETERS,
	ARG_SEQUENCE,
	ARG_MULTIPLE,
	ARG_COPY,
	ARG_CUSTOM
};

/* Custom commands are private to a vendor (-257 and below): known by form, done by nobody here,
 * so a plan refuses them. */
#define CUSTOM_LAST (-257)
#define TRIES_MIN   2 /* sequences of a try-each, before its nil */

static const struct command_row {
	uint8_t command;
	uint8_t arg;
	bool shared; /* allowed in the shared sequence */
} commands[] = {
	{ SUIT_COND_VENDOR, ARG_POLICY, true },
	{ SUIT_COND_CLASS, ARG_POLICY, true },
	{ SUIT_COND_IMAGE_MATCH, ARG_POLICY, true },
	{ SUIT_COND_USE_BEFORE, ARG_POLICY, true },
	{ SUIT_COND_SLOT, ARG_POLICY, true },
	{ SUIT_COND_CHECK_CONTENT, ARG_POLICY, true },
	{ SUIT_COND_DEPENDENCY_INTEGRITY, ARG_POLICY, true },
	{ SUIT_COND_IS_DEPENDENCY, ARG_POLICY, true },
	{ SUIT_PROCESS_DEPENDENCY, ARG_POLICY, false },
	{ SUIT_SET_COMPONENT_INDEX, ARG_INDEX, true },
	{ SUIT_COND_ABORT, ARG_POLICY, true },
	{ SUIT_TRY_EACH, ARG_TRY, true },
	{ SUIT_WRITE, ARG_POLICY, false },
	{ SUIT_SET_PARAMETERS, ARG_PARAMETERS, true },
	{ SUIT_OVERRIDE_PARAMETERS, ARG_PARAMETERS, true },
	{ SUIT_FETCH, ARG_POLICY, false },
	{ SUIT_COPY, ARG_POLICY, false },
	{ SUIT_DO_INVOKE, ARG_POLICY, false },
	{ SUIT_COND_DEVICE, ARG_POLICY, true },
	{ SUIT_COND_IMAGE_NOT_MATCH, ARG_POLICY, true },
	{ SUIT_COND_MIN_BATTERY, ARG_POLICY, true },
	{ SUIT_COND_AUTHORIZED, ARG_POLICY, true },
	{ SUIT_COND_VERSION, ARG_POLICY, true },
	{ SUIT_WAIT, ARG_POLICY, false },
	{ SUIT_SWAP, ARG_POLICY, false },
	{ SUIT_RUN_SEQUENCE, ARG_SEQUENCE, true },
	{ SUIT_UNLINK, ARG_POLICY, false },
	{ SUIT_OVERRIDE_MULTIPLE, ARG_MULTIPLE, true },
	{ SUIT_COPY_PARAMS, ARG_COPY, true },
};

static enum suit_rc check(struct suit_bytes sequence, struct suit_scope *scope, unsigned depth);

static const struct command_row *command_find(int64_t command)
{
	static const struct command_row custom = { 0, ARG_CUSTOM, false };

	if (command <= CUSTOM_LAST)
		return &custom;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].command == command)
			return &commands[i];
	return NULL;
}

enum suit_rc suit_digest_read(struct suit_bytes wrapped, struct suit_digest *ret)
{
	struct scbor c;

	scbor_init(&c, wrapped);
	size_t n = scbor_array(&c, 2);
	int64_t alg = scbor_int(&c);
	struct suit_bytes d = scbor_bytes(&c);
	if (!scbor_done(&c) || n != 2)
		return SUIT_MALFORMED;
	if (alg != SUIT_ALG_SHA256)
		return SUIT_UNSUPPORTED;
	if (d.n != sizeof(ret->b))
		return SUIT_MALFORMED;
	memcpy(ret->b, d.p, sizeof(ret->b));
	return SUIT_OK;
}

static enum suit_rc parameters_check(struct scbor *c)
{
	size_t n = scbor_map(c, SUIT_PARAMETERS_MAX);
	struct scbor_order order = { 0 };

	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c->p;
		int64_t key = scbor_int(c);
		scbor_key(c, &order, start);
		if (!scbor_ok(c))
			return SUIT_MALFORMED;
		enum suit_rc rc = suit_parameter_check(c, key);
		if (rc != SUIT_OK)
			return rc;
	}
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc index_one(struct scbor *c, const struct suit_scope *scope)
{
	uint64_t index = scbor_uint(c);

	if (!scbor_ok(c))
		return SUIT_MALFORMED;
	return index < 32 && (scope->indexes >> index & 1) != 0 ? SUIT_OK : SUIT_UNKNOWN;
}

/* One index, true for all, or a list. */
static enum suit_rc index_check(struct scbor *c, struct suit_scope *scope)
{
	scope->indexed = true;
	if (scbor_peek(c) == SCBOR_SIMPLE)
		return scbor_bool(c) && scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
	if (scbor_peek(c) != SCBOR_ARRAY)
		return index_one(c, scope);
	size_t n = scbor_array(c, 2 * SUIT_COMPONENTS_MAX);
	enum suit_rc rc = n > 0 ? SUIT_OK : SUIT_MALFORMED;
	for (size_t i = 0; i < n && rc == SUIT_OK; i++)
		rc = index_one(c, scope);
	return rc;
}

/* At least two alternatives; nil only as the last one. */
static enum suit_rc try_check(struct scbor *c, struct suit_scope *scope, unsigned depth)
{
	size_t n = scbor_array(c, SUIT_COMMANDS_MAX);
	bool before = scope->indexed, after = true;

	if (!scbor_ok(c) || n < TRIES_MIN)
		return SUIT_MALFORMED;
	for (size_t i = 0; i < n; i++) {
		if (i == n - 1 && i >= TRIES_MIN && scbor_peek(c) == SCBOR_SIMPLE) {
			scbor_null(c);
			after = after && before;
			break;
		}
		scope->indexed = before;
		struct suit_bytes sequence = scbor_bytes(c);
		if (!scbor_ok(c))
			return SUIT_MALFORMED;
		enum suit_rc rc = check(sequence, scope, depth);
		if (rc != SUIT_OK)
			return rc;
		after = after && scope->indexed;
	}
	scope->indexed = before || after;
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

/* { index: parameters }: short for set-component-index and override-parameters of each. */
static enum suit_rc multiple_check(struct scbor *c, struct suit_scope *scope)
{
	size_t n = scbor_map(c, 2 * SUIT_COMPONENTS_MAX);
	struct scbor_order order = { 0 };

	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c->p;
		enum suit_rc rc = index_one(c, scope);
		scbor_key(c, &order, start);
		if (rc == SUIT_OK)
			rc = parameters_check(c);
		if (rc != SUIT_OK)
			return rc;
	}
	scope->indexed = scope->indexed || n > 0;
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

/* { source index: [parameter keys] } */
static enum suit_rc copy_check(struct scbor *c, struct suit_scope *scope)
{
	size_t n = scbor_map(c, 2 * SUIT_COMPONENTS_MAX);
	struct scbor_order order = { 0 };

	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c->p;
		enum suit_rc rc = index_one(c, scope);
		scbor_key(c, &order, start);
		size_t keys = scbor_array(c, SUIT_PARAMETERS_MAX);
		for (size_t k = 0; k < keys && rc == SUIT_OK; k++)
			rc = suit_parameter_known(scbor_int(c)) ? SUIT_OK : SUIT_UNKNOWN;
		if (rc != SUIT_OK)
			return rc;
	}
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

/* A string, an integer or nil. */
static enum suit_rc custom_check(struct scbor *c)
{
	bool fits = scbor_peek(c) <= SCBOR_TEXT;

	if (fits)
		scbor_any(c);
	else
		scbor_null(c);
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc arg_check(struct scbor *c, enum arg_kind kind, struct suit_scope *scope,
			      unsigned depth)
{
	switch (kind) {
	case ARG_POLICY:
		return scbor_uint(c) <= 15 && scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
	case ARG_INDEX:
		return index_check(c, scope);
	case ARG_TRY:
		return try_check(c, scope, depth);
	case ARG_PARAMETERS:
		return parameters_check(c);
	case ARG_SEQUENCE: {
		struct suit_bytes sequence = scbor_bytes(c);
		return scbor_ok(c) ? check(sequence, scope, depth) : SUIT_MALFORMED;
	}
	case ARG_MULTIPLE:
		return multiple_check(c, scope);
	case ARG_COPY:
		return copy_check(c, scope);
	case ARG_CUSTOM:
		return custom_check(c);
	}
	return SUIT_MALFORMED;
}

/* Does the command act on a component, so that an index must have been set? */
static bool needs_index(const struct command_row *row)
{
	return row->arg == ARG_POLICY || row->arg == ARG_PARAMETERS || row->arg == ARG_COPY ||
	       row->arg == ARG_CUSTOM;
}

static enum suit_rc check(struct suit_bytes sequence, struct suit_scope *scope, unsigned depth)
{
	struct scbor c;

	if (depth == 0)
		return SUIT_TOO_LARGE;
	scbor_init(&c, sequence);
	size_t n = scbor_array(&c, 2 * SUIT_COMMANDS_MAX);
	if (!scbor_ok(&c) || n % 2 != 0)
		return SUIT_MALFORMED;
	for (size_t i = 0; i < n; i += 2) {
		int64_t command = scbor_int(&c);
		if (!scbor_ok(&c))
			return SUIT_MALFORMED;
		const struct command_row *row = command_find(command);
		if (!row || (scope->shared && !row->shared))
			return SUIT_UNKNOWN;
		if (needs_index(row) && !scope->indexed)
			return SUIT_MISSING;
		enum suit_rc rc = arg_check(&c, (enum arg_kind)row->arg, scope, depth - 1);
		if (rc != SUIT_OK)
			return rc;
	}
	return scbor_done(&c) ? SUIT_OK : SUIT_MALFORMED;
}

enum suit_rc suit_sequence_check(struct suit_bytes sequence, struct suit_scope *scope)
{
	return check(sequence, scope, SUIT_SEQUENCES_MAX);
}

void suit_sequence_open(struct scbor *c, struct suit_bytes sequence)
{
	scbor_init(c, sequence);
	scbor_array(c, 2 * SUIT_COMMANDS_MAX);
}

bool suit_sequence_next(struct scbor *c, int64_t *ret_command, struct suit_bytes *ret_arg)
{
	if (!scbor_ok(c) || c->p == c->end)
		return false;
	*ret_command = scbor_int(c);
	*ret_arg = scbor_skip(c);
	return scbor_ok(c);
}
