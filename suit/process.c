/* The interpreter: procedures, sections, sequences and what steers them.  act.c does the
 * commands of one component. */

#include "suit/machine.h"

static const uint8_t one_byte[SUIT_INDEX_MAX] = { 0,  1,  2,  3,  4,  5,  6,  7,
						  8,  9,  10, 11, 12, 13, 14, 15,
						  16, 17, 18, 19, 20, 21, 22, 23 };

static struct suit_bytes index_of(size_t i)
{
	return (struct suit_bytes){ &one_byte[i], 1 };
}

static enum suit_rc sequence(struct suit_run *r, struct suit_bytes bytes,
			     struct suit_frame *frame);

/* --- where it failed ---------------------------------------------------------------------- */

static void record_fill(const struct suit_run *r, const uint8_t *at, size_t index,
			struct suit_record *ret)
{
	const struct suit_level *l = r->level;

	*ret = (struct suit_record){ .section = l->key,
				     .offset = (uint64_t)(at - l->begin),
				     .component = index,
				     .depth = l->depth };
	for (const struct suit_level *up = l; up->depth > 0; up = up->up)
		ret->dependency[up->depth - 1] = (uint8_t)((up->path & 31) - 1);
	ret->measured = (struct suit_bytes){ r->measured, r->measured_n };
}

static enum suit_reason reason_of(enum suit_rc rc)
{
	switch (rc) {
	case SUIT_OK:
		return SUIT_REASON_OK;
	case SUIT_MALFORMED:
		return SUIT_REASON_CBOR;
	case SUIT_UNKNOWN:
	case SUIT_UNSUPPORTED:
		return SUIT_REASON_COMMAND;
	case SUIT_DIGEST:
	case SUIT_SIGNATURE:
	case SUIT_KEY:
	case SUIT_CERTIFICATE:
		return SUIT_REASON_UNAUTHORISED;
	case SUIT_CONDITION:
		return SUIT_REASON_CONDITION;
	case SUIT_TOO_LARGE:
	case SUIT_MISSING:
	case SUIT_NO_SPACE:
	case SUIT_CRYPTO:
	case SUIT_DECRYPT:
	case SUIT_OPERATION:
		return SUIT_REASON_OPERATION;
	}
	return SUIT_REASON_OPERATION;
}

/* The innermost place of a failure is noted, and forgotten when it turns out to be soft. */
static __attribute__((noinline)) void note(struct suit_run *r, const uint8_t *at, size_t index,
					   enum suit_reason reason)
{
	if (r->noted)
		return;
	r->noted = true;
	r->reason = reason;
	record_fill(r, at, index, &r->failed);
}

/* --- commands ----------------------------------------------------------------------------- */

/* What the reporting policy asks to be told.  This and act() stay out of line: what they need
 * on the stack would otherwise be needed once for each nested sequence. */
static __attribute__((noinline)) void report(struct suit_run *r, const uint8_t *at,
					     size_t index, uint8_t policy, bool ok)
{
	enum { SUCCESS = 1, FAILURE = 2, SUCCESS_MEASURED = 4, FAILURE_MEASURED = 8 };
	uint8_t wanted = ok ? SUCCESS | SUCCESS_MEASURED : FAILURE | FAILURE_MEASURED;
	struct suit_record record;

	if (!r->platform->record || !(policy & wanted))
		return;
	record_fill(r, at, index, &record);
	if (!(policy & (SUCCESS_MEASURED | FAILURE_MEASURED) & wanted))
		record.measured = (struct suit_bytes){ 0 };
	r->platform->record(r->ctx, &record, ok);
}

/* The command at a place in a sequence.  Only its place is kept while what is nested in it
 * runs: it is read again where it is needed. */
struct command {
	int64_t code;
	struct suit_bytes arg;
};

/* Yields what is behind it; NULL when there is no command. */
static __attribute__((noinline)) const uint8_t *
command_at(const uint8_t *at, const uint8_t *end, struct command *ret)
{
	struct scbor c = { .p = at, .end = end };

	return suit_sequence_next(&c, &ret->code, &ret->arg) ? c.p : NULL;
}

enum kind { KIND_NONE, KIND_STEER, KIND_TRY, KIND_RUN, KIND_SET, KIND_ACT };

static __attribute__((noinline)) enum kind kind_at(const uint8_t *at, const uint8_t *end)
{
	struct command c;

	if (!command_at(at, end, &c))
		return KIND_NONE;
	switch (c.code) {
	case SUIT_TRY_EACH:
		return KIND_TRY;
	case SUIT_RUN_SEQUENCE:
		return KIND_RUN;
	case SUIT_SET_COMPONENT_INDEX:
	case SUIT_OVERRIDE_MULTIPLE:
		return KIND_STEER;
	case SUIT_SET_PARAMETERS:
	case SUIT_OVERRIDE_PARAMETERS:
	case SUIT_COPY_PARAMS:
		return KIND_SET;
	default:
		return KIND_ACT;
	}
}

static __attribute__((noinline)) const uint8_t *behind(const uint8_t *at, const uint8_t *end)
{
	struct command c;

	return command_at(at, end, &c);
}

/* One with a reporting policy, or a vendor's own, for one component. */
static __attribute__((noinline)) enum suit_rc act(struct suit_run *r, const uint8_t *at,
						  const uint8_t *end, size_t index)
{
	struct command c = { 0 };
	struct suit_target t;
	enum suit_rc rc = suit_target_make(r, index, &t);

	command_at(at, end, &c);
	r->measured_n = 0;
	if (rc == SUIT_OK)
		rc = suit_act(r, &t, c.code, c.arg);
	if (c.code > 0)
		report(r, at, index, c.arg.p[0], rc == SUIT_OK);
	return rc;
}

/* Those that set parameters. */
static __attribute__((noinline)) enum suit_rc set(struct suit_run *r, const uint8_t *at,
						  const uint8_t *end, size_t index)
{
	struct command c = { 0 };
	struct scbor map;

	command_at(at, end, &c);
	if (c.code == SUIT_COPY_PARAMS)
		return suit_parameters_copy(r, index, c.arg);
	scbor_init(&map, c.arg);
	return suit_parameters_set(r, index, &map, c.code == SUIT_OVERRIDE_PARAMETERS);
}

/* Set-component-index and override-parameters for each of a list, in one; the last stays. */
static enum suit_rc override_multiple(struct suit_run *r, struct suit_bytes arg)
{
	struct scbor c;
	enum suit_rc rc = SUIT_OK;

	scbor_init(&c, arg);
	size_t n = scbor_map(&c, SUIT_INDEX_MAX);
	for (size_t i = 0; i < n && rc == SUIT_OK; i++) {
		size_t index = (size_t)scbor_uint(&c);

		if (!scbor_ok(&c) || index >= SUIT_INDEX_MAX)
			return SUIT_MALFORMED;
		rc = suit_parameters_set(r, index, &c, true);
		r->index = index_of(index);
	}
	return rc;
}

/* One that is not for one component. */
static __attribute__((noinline)) enum suit_rc steer(struct suit_run *r, const uint8_t *at,
						    const uint8_t *end)
{
	enum suit_rc rc = SUIT_OK;
	struct command c = { 0 };

	command_at(at, end, &c);
	if (++r->steps > SUIT_STEPS_MAX)
		rc = SUIT_TOO_LARGE;
	else if (c.code == SUIT_OVERRIDE_MULTIPLE)
		rc = override_multiple(r, c.arg);
	else
		r->index = c.arg;
	if (rc != SUIT_OK)
		note(r, at, 0, reason_of(rc));
	return rc;
}

/* All components, or to process-dependency all dependencies: the i-th. */
static size_t index_of_all(const struct suit_run *r, bool dependencies, size_t i)
{
	struct suit_bytes prefix;

	for (size_t index = 0; index < SUIT_INDEX_MAX; index++) {
		bool meant = dependencies ? suit_dependency_find(r->level->e, index, &prefix)
					  : suit_index_used(r->level->e, index);
		if (meant && i-- == 0)
			return index;
	}
	return SUIT_INDEX_MAX;
}

/* The i-th component that a command is for; SUIT_INDEX_MAX when there are no more. */
static __attribute__((noinline)) size_t index_at(const struct suit_run *r,
						 struct suit_bytes list, const uint8_t *at,
						 const uint8_t *end, size_t i)
{
	struct command command;
	struct scbor c;

	scbor_init(&c, list);
	if (scbor_peek(&c) == SCBOR_UINT)
		return i == 0 ? (size_t)scbor_uint(&c) : SUIT_INDEX_MAX;
	if (scbor_peek(&c) == SCBOR_ARRAY) {
		size_t n = scbor_array(&c, SUIT_INDEX_MAX), index = SUIT_INDEX_MAX;
		for (size_t k = 0; k <= i && i < n; k++)
			index = (size_t)scbor_uint(&c);
		return index;
	}
	command_at(at, end, &command);
	return index_of_all(r, command.code == SUIT_PROCESS_DEPENDENCY, i);
}

/* The i-th sequence inside a command, empty for nil; false when there is none. */
static __attribute__((noinline)) bool inner_at(const uint8_t *at, const uint8_t *end, size_t i,
					       struct suit_bytes *ret)
{
	struct command command = { 0 };
	struct scbor c;

	command_at(at, end, &command);
	scbor_init(&c, command.arg);
	size_t n = command.code == SUIT_TRY_EACH ? scbor_array(&c, SUIT_COMMANDS_MAX) : 1;
	*ret = (struct suit_bytes){ 0 };
	for (size_t k = 0; k < i && i < n; k++)
		scbor_skip(&c);
	if (i < n && scbor_peek(&c) == SCBOR_BYTES)
		*ret = scbor_bytes(&c);
	return i < n;
}

/* Try-each, and run-sequence, which has but one.  Alternatives begin with the index that the
 * whole had; behind a sequence that has failed softly it is that again. */
static enum suit_rc nested(struct suit_run *r, const uint8_t *at, const uint8_t *end,
			   enum kind kind, size_t index)
{
	uint8_t not_yet = r->not_yet;
	struct suit_bytes inner;
	enum suit_rc rc = SUIT_CONDITION;

	for (size_t i = 0; rc == SUIT_CONDITION && inner_at(at, end, i, &inner); i++) {
		struct suit_frame frame = { .soft = kind == KIND_TRY,
					    .depth = (uint8_t)(r->frame->depth + 1) };

		r->index = index_of(index);
		r->noted = false; /* what failed before this was soft */
		rc = inner.p ? sequence(r, inner, &frame) : SUIT_OK;
		if (rc == SUIT_CONDITION && !frame.soft)
			return rc;
		if (rc == SUIT_CONDITION && kind == KIND_RUN) {
			r->index = index_of(index);
			r->noted = false;
			rc = SUIT_OK;
		}
	}
	if (rc == SUIT_OK) /* there was another way, and it is no matter who barred the first */
		r->not_yet = not_yet;
	return rc;
}

/* A command for every component that is meant, in the order of the list.  Sequences inside see
 * one index each time; one that was alone may be changed by them, a list comes back. */
static enum suit_rc each(struct suit_run *r, const uint8_t *at, const uint8_t *end,
			 enum kind kind)
{
	struct suit_bytes list = r->index;
	bool alone = list.p[0] < SUIT_INDEX_MAX; /* a number of one byte */
	enum suit_rc rc = SUIT_OK;
	size_t index;

	for (size_t i = 0; (index = index_at(r, list, at, end, i)) < SUIT_INDEX_MAX; i++) {
		if (!alone)
			r->index = index_of(index);
		if (!suit_index_used(r->level->e, index))
			rc = SUIT_UNKNOWN;
		else if (++r->steps > SUIT_STEPS_MAX)
			rc = SUIT_TOO_LARGE;
		else if (kind == KIND_ACT)
			rc = act(r, at, end, index);
		else if (kind == KIND_SET)
			rc = set(r, at, end, index);
		else
			rc = nested(r, at, end, kind, index);
		if (rc != SUIT_OK) {
			note(r, at, index, reason_of(rc));
			return rc;
		}
	}
	if (!alone)
		r->index = list;
	return SUIT_OK;
}

static __attribute__((noinline)) const uint8_t *first(struct suit_bytes bytes)
{
	struct scbor c;

	suit_sequence_open(&c, bytes);
	return scbor_ok(&c) ? c.p : NULL;
}

static enum suit_rc sequence(struct suit_run *r, struct suit_bytes bytes,
			     struct suit_frame *frame)
{
	const uint8_t *at = first(bytes), *end = bytes.p + bytes.n;
	struct suit_frame *before = r->frame;
	enum suit_rc rc = SUIT_OK;

	if (frame->depth == SUIT_SEQUENCES_MAX)
		return SUIT_TOO_LARGE;
	r->frame = frame;
	for (; at && at != end && rc == SUIT_OK; at = behind(at, end)) {
		enum kind kind = kind_at(at, end);

		if (kind == KIND_NONE)
			rc = SUIT_MALFORMED;
		else if (kind == KIND_STEER)
			rc = steer(r, at, end);
		else
			rc = each(r, at, end, kind);
	}
	r->frame = before;
	return rc == SUIT_OK && !at ? SUIT_MALFORMED : rc;
}

/* --- sections ----------------------------------------------------------------------------- */

/* The manifest's key of a section; the shared sequence stands in its common part. */
static const uint8_t section_key[SUIT_SECTIONS] = {
	[SUIT_SHARED] = 3,
	[SUIT_VALIDATE] = 7,
	[SUIT_LOAD] = 8,
	[SUIT_INVOKE] = 9,
	[SUIT_DEPENDENCY_RESOLUTION] = 15,
	[SUIT_PAYLOAD_FETCH] = 16,
	[SUIT_CANDIDATE_VERIFICATION] = 18,
	[SUIT_INSTALL] = 20,
	[SUIT_UNINSTALL] = 24,
};

static enum suit_rc top(struct suit_run *r, enum suit_section s)
{
	struct suit_bytes bytes = r->level->e->section[s];
	struct suit_frame frame = { 0 };

	if (!bytes.p)
		return SUIT_OK;
	r->level->begin = bytes.p;
	r->level->key = section_key[s];
	r->index = index_of(0);
	return sequence(r, bytes, &frame);
}

static void note_section(struct suit_run *r, enum suit_reason reason)
{
	static const uint8_t start;

	if (r->noted)
		return;
	r->measured_n = 0;
	r->level->key = section_key[r->section];
	r->level->begin = &start;
	note(r, &start, 0, reason);
}

/* Does the manifest have the section, and the envelope does not? */
static __attribute__((noinline)) bool severed_away(const struct suit_envelope *e,
						   enum suit_section s)
{
	struct suit_element element;

	return !e->section[s].p && e->severed_away &&
	       suit_envelope_element(e, section_key[s], &element) == SUIT_OK;
}

bool suit_section_has(const struct suit_envelope *e, enum suit_section s)
{
	return e->section[s].p || severed_away(e, s);
}

enum suit_rc suit_section_run(struct suit_run *r)
{
	struct suit_level *l = r->level;
	enum suit_section s = (enum suit_section)r->section;

	l->processed = 0;
	if (severed_away(l->e, s)) {
		note_section(r, SUIT_REASON_SEVERING);
		return SUIT_MISSING;
	}
	enum suit_rc rc = SUIT_OK;
	if (l->e->section[s].p)
		rc = top(r, SUIT_SHARED);
	if (rc == SUIT_OK)
		rc = top(r, s);
	if (rc == SUIT_OK)
		rc = suit_dependencies_done(r);
	if (rc != SUIT_OK)
		note_section(r, reason_of(rc));
	return rc;
}

/* Whether the manifest may use what it names. */
enum suit_rc suit_components_ask(struct suit_run *r)
{
	for (size_t i = 0; i < r->level->e->component_count; i++) {
		struct suit_target t;
		enum suit_rc rc = suit_target_make(r, i, &t);

		if (rc == SUIT_OK && r->platform->component)
			rc = r->platform->component(r->ctx, &t);
		if (rc == SUIT_OK)
			continue;
		note_section(r, rc == SUIT_KEY || rc == SUIT_SIGNATURE
					? SUIT_REASON_COMPONENT_UNAUTHORISED
					: SUIT_REASON_COMPONENT);
		return rc;
	}
	return SUIT_OK;
}

static const uint8_t procedures[][5] = {
	[SUIT_UPDATE_PROCEDURE] = { SUIT_DEPENDENCY_RESOLUTION, SUIT_PAYLOAD_FETCH,
				    SUIT_CANDIDATE_VERIFICATION, SUIT_INSTALL, SUIT_VALIDATE },
	[SUIT_INVOKE_PROCEDURE] = { SUIT_VALIDATE, SUIT_LOAD, SUIT_INVOKE },
	[SUIT_UNINSTALL_PROCEDURE] = { SUIT_UNINSTALL },
};

/* Out of line: suit_process() is below everything on the stack. */
static __attribute__((noinline)) enum suit_rc root_ask(struct suit_run *r)
{
	r->level->delegated = suit_delegated(r, r->level->e);
	return suit_components_ask(r);
}

bool suit_sections_gone(const struct suit_run *r, const struct suit_envelope *e)
{
	for (const uint8_t *s = procedures[r->procedure]; *s != r->section; s++)
		if (suit_section_has(e, (enum suit_section) * s))
			return true;
	return false;
}

enum suit_rc suit_process(const struct suit_envelope *e, enum suit_procedure procedure,
			  const struct suit_platform *platform, void *ctx, struct suit_run *run)
{
	struct suit_level root = { .e = e };
	const uint8_t *sections = procedures[procedure];

	/* Field by field: the pool's storage needs no clearing, only its count. */
	run->platform = platform;
	run->procedure = (uint8_t)procedure;
	run->ctx = ctx;
	/* Taken back at the end. */
	/* cppcheck-suppress autoVariables */
	run->level = &root;
	run->frame = NULL;
	run->reason = SUIT_REASON_OK;
	run->failed = (struct suit_record){ 0 };
	run->steps = 0;
	run->noted = false;
	run->not_yet = 0;
	run->place_count = 0;
	run->parameter_count = 0;
	run->measured_n = 0;
	run->section = sections[0];
	enum suit_rc rc = root_ask(run);
	for (size_t i = 0; i < sizeof(procedures[0]) && sections[i] && rc == SUIT_OK; i++) {
		run->section = sections[i];
		rc = suit_section_run(run);
	}
	if (rc == SUIT_OK) {
		run->reason = SUIT_REASON_OK;
		run->failed = (struct suit_record){ 0 };
	}
	run->level = NULL;
	return rc;
}
