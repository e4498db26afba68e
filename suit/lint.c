/* Follows the sequences of a manifest and notes what its author should hear. */

#include "suit/lint.h"

#include "suit/cbor.h"
#include "suit/command.h"

#include <string.h>

#define INDEXES      (2 * SUIT_COMPONENTS_MAX)
#define PARAM_SOURCE 22
#define CUSTOM_LAST  (-257)

/* What is known at a point of a sequence.  Sets of indexes are bits. */
struct state {
	uint32_t current;
	bool vendor, class_; /* were checked */
	uint32_t digest, size;
	uint32_t written; /* by anything */
	uint32_t pending; /* written and not matched since */
	uint32_t matched;
	struct suit_bytes uri[INDEXES], expected[INDEXES]; /* encoded digest */
};

struct walk {
	const struct suit_crypto *crypto;
	const struct suit_envelope *e;
	struct suit_lint *ret;
	enum suit_section section;
	uint32_t sources;  /* what others are copied from */
	uint32_t payloads; /* integrated ones that were fetched */
	enum suit_rc rc;   /* of the cryptography */
};

static void sequence_walk(struct walk *w, struct state *s, struct suit_bytes sequence,
			  unsigned depth);

/* --- findings ------------------------------------------------------------------------------
 */

static void add(struct suit_lint *lint, struct suit_finding f)
{
	for (size_t i = 0; i < lint->count; i++) {
		const struct suit_finding *g = &lint->finding[i];
		if (g->rule == f.rule && g->has_place == f.has_place &&
		    (!f.has_place || (g->section == f.section && g->index == f.index)))
			return;
	}
	if (lint->count == SUIT_FINDINGS_MAX)
		lint->more = true;
	else
		lint->finding[lint->count++] = f;
}

static void find(struct walk *w, enum suit_rule rule)
{
	add(w->ret, (struct suit_finding){ .rule = rule });
}

static void find_at(struct walk *w, enum suit_rule rule, uint32_t indexes)
{
	for (size_t i = 0; i < INDEXES; i++)
		if (indexes & 1u << i)
			add(w->ret, (struct suit_finding){ rule, true, w->section, i });
}

/* --- parameters ----------------------------------------------------------------------------
 */

static void parameter_walk(struct walk *w, struct state *s, struct scbor *c, int64_t key,
			   bool replaceable)
{
	struct suit_bytes value = { 0 };

	switch (key) {
	case SUIT_PARAM_DIGEST:
		value = scbor_bytes(c);
		s->digest |= s->current;
		if (replaceable)
			find_at(w, SUIT_RULE_REPLACEABLE_DIGEST, s->current);
		break;
	case SUIT_PARAM_SIZE:
		scbor_uint(c);
		s->size |= s->current;
		return;
	case SUIT_PARAM_URI:
		value = scbor_text(c);
		for (size_t i = 0; i + 2 < value.n; i++)
			if (memcmp(value.p + i, "://", 3) == 0)
				find_at(w, SUIT_RULE_NAMES_HOST, s->current);
		break;
	case PARAM_SOURCE: {
		uint64_t source = scbor_uint(c);
		if (source < INDEXES)
			w->sources |= 1u << source;
		return;
	}
	default:
		scbor_any(c);
		return;
	}
	for (size_t i = 0; i < INDEXES; i++)
		if (s->current & 1u << i)
			*(key == SUIT_PARAM_URI ? &s->uri[i] : &s->expected[i]) = value;
}

static void parameters_walk(struct walk *w, struct state *s, struct scbor *c, bool replaceable)
{
	size_t n = scbor_map(c, 32);

	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		int64_t key = scbor_int(c);
		parameter_walk(w, s, c, key, replaceable);
	}
}

/* { index: parameters }; the last index stays. */
static void multiple_walk(struct walk *w, struct state *s, struct scbor *c)
{
	size_t n = scbor_map(c, INDEXES);

	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		uint64_t index = scbor_uint(c);
		s->current = index < INDEXES ? 1u << index : 0;
		parameters_walk(w, s, c, false);
	}
}

static void copied(struct state *s, uint64_t from, int64_t key)
{
	for (size_t i = 0; i < INDEXES; i++) {
		if (!(s->current & 1u << i))
			continue;
		if (key == SUIT_PARAM_DIGEST) {
			s->expected[i] = s->expected[from];
			s->digest |= s->digest & 1u << from ? 1u << i : 0;
		} else if (key == SUIT_PARAM_SIZE) {
			s->size |= s->size & 1u << from ? 1u << i : 0;
		} else if (key == SUIT_PARAM_URI) {
			s->uri[i] = s->uri[from];
		}
	}
}

/* { source index: [parameter keys] } */
static void copy_params_walk(struct state *s, struct scbor *c)
{
	size_t n = scbor_map(c, INDEXES);

	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		uint64_t from = scbor_uint(c);
		size_t keys = scbor_array(c, 32);
		for (size_t k = 0; k < keys && scbor_ok(c) && from < INDEXES; k++)
			copied(s, from, scbor_int(c));
	}
}

/* --- commands ------------------------------------------------------------------------------
 */

/* The digest of a payload: its own, or, of a dependency, its manifest's. */
static void payload_check(struct walk *w, const struct state *s, size_t index,
			  struct suit_bytes content)
{
	struct suit_message m = { .piece = { content }, .count = 1 };
	struct suit_digest want, got;
	struct suit_envelope inner;

	if (suit_digest_read(s->expected[index], &want) != SUIT_OK)
		return;
	enum suit_rc rc = w->crypto->sha256(&m, &got);
	if (rc != SUIT_OK)
		w->rc = rc;
	else if (!suit_digest_equal(&want, &got) &&
		 (suit_envelope_decode(w->crypto, content, &inner) != SUIT_OK ||
		  !suit_digest_equal(&want, &inner.digest)))
		find_at(w, SUIT_RULE_PAYLOAD_DIGEST, 1u << index);
}

static void integrated_walk(struct walk *w, const struct state *s, size_t index)
{
	struct suit_bytes uri = s->uri[index];

	for (size_t i = 0; i < w->e->payload_count; i++) {
		if (!suit_bytes_equal(w->e->payload[i].name, uri))
			continue;
		w->payloads |= 1u << i;
		payload_check(w, s, index, w->e->payload[i].content);
		return;
	}
	if (uri.n > 0 && uri.p[0] == '#')
		find_at(w, SUIT_RULE_PAYLOAD_MISSING, 1u << index);
}

static void write_walk(struct walk *w, struct state *s, int64_t command)
{
	if (!s->vendor)
		find_at(w, SUIT_RULE_NO_VENDOR, s->current);
	if (!s->class_)
		find_at(w, SUIT_RULE_NO_CLASS, s->current);
	s->written |= s->current;
	/* What a write brings is signed itself, as a part of the manifest. */
	if (command == SUIT_WRITE)
		return;
	s->pending |= s->current;
	s->matched &= ~s->current;
	if (command != SUIT_FETCH)
		return;
	/* A copy's digest may be given as late as its match; a fetch is bounded by its size. */
	find_at(w, SUIT_RULE_NO_DIGEST, s->current & ~s->digest);
	find_at(w, SUIT_RULE_NO_SIZE, s->current & ~s->size);
	for (size_t i = 0; i < INDEXES; i++)
		if (s->current & 1u << i)
			integrated_walk(w, s, i);
}

static uint32_t indexes_of(struct scbor *c, const struct suit_envelope *e)
{
	uint32_t ret = 0;

	if (scbor_peek(c) == SCBOR_SIMPLE) {
		scbor_bool(c);
		return (1u << e->component_count) - 1;
	}
	size_t n = scbor_peek(c) == SCBOR_ARRAY ? scbor_array(c, INDEXES) : 1;
	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		uint64_t index = scbor_uint(c);
		ret |= index < INDEXES ? 1u << index : 0;
	}
	return ret;
}

/* What holds whichever alternative was taken. */
static void state_merge(struct state *all, const struct state *one)
{
	all->current |= one->current;
	all->vendor = all->vendor && one->vendor;
	all->class_ = all->class_ && one->class_;
	all->digest &= one->digest;
	all->size &= one->size;
	all->written |= one->written;
	all->pending |= one->pending;
	all->matched &= one->matched;
}

static void try_walk(struct walk *w, struct state *s, struct scbor *c, unsigned depth)
{
	const struct state before = *s;
	size_t n = scbor_array(c, SUIT_COMMANDS_MAX);

	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		struct state one = before;
		if (scbor_peek(c) == SCBOR_SIMPLE)
			scbor_null(c);
		else
			sequence_walk(w, &one, scbor_bytes(c), depth);
		if (i == 0)
			*s = one;
		else
			state_merge(s, &one);
	}
}

static void nested_walk(struct walk *w, struct state *s, int64_t command, struct scbor *c,
			unsigned depth)
{
	switch (command) {
	case SUIT_SET_COMPONENT_INDEX:
		s->current = indexes_of(c, w->e);
		return;
	case SUIT_OVERRIDE_PARAMETERS:
	case SUIT_SET_PARAMETERS:
		parameters_walk(w, s, c, command == SUIT_SET_PARAMETERS);
		return;
	case SUIT_OVERRIDE_MULTIPLE:
		multiple_walk(w, s, c);
		return;
	case SUIT_COPY_PARAMS:
		copy_params_walk(s, c);
		return;
	case SUIT_TRY_EACH:
		try_walk(w, s, c, depth);
		return;
	case SUIT_RUN_SEQUENCE:
		sequence_walk(w, s, scbor_bytes(c), depth);
		return;
	default:
		if (command <= CUSTOM_LAST)
			find_at(w, SUIT_RULE_CUSTOM_COMMAND, s->current);
		return;
	}
}

static void command_walk(struct walk *w, struct state *s, int64_t command,
			 struct suit_bytes arg, unsigned depth)
{
	struct scbor c;

	switch (command) {
	case SUIT_COND_VENDOR:
		s->vendor = true;
		return;
	case SUIT_COND_CLASS:
		s->class_ = true;
		return;
	case SUIT_COND_IMAGE_MATCH:
	case SUIT_COND_DEPENDENCY_INTEGRITY:
		find_at(w, SUIT_RULE_NO_DIGEST, s->current & ~s->digest);
		s->pending &= ~s->current;
		s->matched |= s->current;
		return;
	case SUIT_FETCH:
	case SUIT_COPY:
	case SUIT_WRITE:
	case SUIT_SWAP:
		write_walk(w, s, command);
		return;
	default:
		scbor_init(&c, arg);
		nested_walk(w, s, command, &c, depth);
		return;
	}
}

static void sequence_walk(struct walk *w, struct state *s, struct suit_bytes sequence,
			  unsigned depth)
{
	struct suit_bytes arg;
	struct scbor c;
	int64_t command;

	if (depth == 0)
		return;
	suit_sequence_open(&c, sequence);
	while (suit_sequence_next(&c, &command, &arg))
		command_walk(w, s, command, arg, depth - 1);
}

static void section_walk(struct walk *w, struct state *s, enum suit_section section)
{
	if (!w->e->section[section].p)
		return;
	w->section = section;
	s->current = 1; /* the only one, unless the sequence says which */
	if (w->e->section[SUIT_SHARED].p)
		sequence_walk(w, s, w->e->section[SUIT_SHARED], SUIT_DEPTH_MAX);
	sequence_walk(w, s, w->e->section[section], SUIT_DEPTH_MAX);
}

/* --- rules ---------------------------------------------------------------------------------
 */

static void update_walk(struct walk *w)
{
	static const enum suit_section update[] = { SUIT_DEPENDENCY_RESOLUTION,
						    SUIT_PAYLOAD_FETCH,
						    SUIT_CANDIDATE_VERIFICATION, SUIT_INSTALL };
	struct state s = { 0 };

	for (size_t i = 0; i < sizeof(update) / sizeof(update[0]); i++)
		section_walk(w, &s, update[i]);
	uint32_t components = (1u << w->e->component_count) - 1;
	uint32_t installed = s.written & ~w->sources & components;
	s.matched = 0;
	section_walk(w, &s, SUIT_VALIDATE);
	w->section = SUIT_VALIDATE;
	find_at(w, SUIT_RULE_NO_MATCH, s.pending);
	find_at(w, SUIT_RULE_NOT_VALIDATED, installed & s.digest & ~s.matched);
}

static void invocation_walk(struct walk *w)
{
	static const enum suit_section invocation[] = { SUIT_VALIDATE, SUIT_LOAD, SUIT_INVOKE,
							SUIT_UNINSTALL };
	struct state s = { 0 };

	for (size_t i = 0; i < sizeof(invocation) / sizeof(invocation[0]); i++)
		section_walk(w, &s, invocation[i]);
}

static void signatures_check(struct walk *w)
{
	bool is_signed = false;

	for (size_t i = 0; i < w->e->block_count; i++) {
		const struct suit_block *b = &w->e->block[i];
		is_signed = is_signed || !suit_block_is_mac(b);
		if (b->alg == SUIT_ALG_ES256 || b->alg == SUIT_ALG_EDDSA ||
		    b->alg == SUIT_ALG_ES384)
			find(w, SUIT_RULE_OLD_ALGORITHM);
	}
	if (!is_signed)
		find(w, SUIT_RULE_UNSIGNED);
}

static void whole_check(struct walk *w, const struct suit_lint_limits *limits)
{
	const struct suit_envelope *e = w->e;

	if (e->text.p >= e->manifest.p && e->text.p < e->manifest.p + e->manifest.n)
		find(w, SUIT_RULE_TEXT_INSIDE);
	if (e->severed_away)
		find(w, SUIT_RULE_SEVERED_AWAY);
	for (size_t i = 0; i < e->payload_count; i++)
		if (!(w->payloads & 1u << i))
			find(w, SUIT_RULE_PAYLOAD_UNUSED);
	if (limits->envelope_max > 0 && e->whole.n > limits->envelope_max)
		find(w, SUIT_RULE_TOO_LARGE);
	if (limits->has_last && e->sequence <= limits->last_sequence)
		find(w, SUIT_RULE_SEQUENCE);
}

enum suit_rc suit_lint(const struct suit_crypto *crypto, const struct suit_envelope *e,
		       const struct suit_lint_limits *limits, struct suit_lint *ret)
{
	struct walk w = { .crypto = crypto, .e = e, .ret = ret };

	*ret = (struct suit_lint){ 0 };
	signatures_check(&w);
	update_walk(&w);
	invocation_walk(&w);
	whole_check(&w, limits);
	return w.rc;
}

static const struct rule_row {
	const char *name, *text;
	bool error;
} rules[SUIT_RULES] = {
	[SUIT_RULE_UNSIGNED] = { "unsigned", "nobody has signed it", true },
	[SUIT_RULE_OLD_ALGORITHM] = { "old-algorithm",
				      "a signature names ES256, ES384 or EdDSA, which leave "
				      "the curve open; ESP256 and Ed25519 do not",
				      false },
	[SUIT_RULE_NO_VENDOR] = { "no-vendor",
				  "something is written before the vendor was checked", true },
	[SUIT_RULE_NO_CLASS] = { "no-class",
				 "something is written before the class was checked", true },
	[SUIT_RULE_NO_DIGEST] = { "no-digest",
				  "something is fetched or compared whose digest is not given",
				  true },
	[SUIT_RULE_NO_SIZE] = { "no-size", "something is fetched whose size is not given",
				false },
	[SUIT_RULE_NO_MATCH] = { "no-match",
				 "something is written and never compared with its "
				 "digest",
				 true },
	[SUIT_RULE_NOT_VALIDATED] = { "not-validated",
				      "something is installed and not compared again before it "
				      "runs",
				      true },
	[SUIT_RULE_REPLACEABLE_DIGEST] = { "replaceable-digest",
					   "a digest stands in set-parameters, where a "
					   "dependent manifest can put another",
					   true },
	[SUIT_RULE_CUSTOM_COMMAND] = { "custom-command",
				       "a private command is used, which other devices refuse",
				       false },
	[SUIT_RULE_NAMES_HOST] = { "names-host",
				   "a URI names a host; a relative one would outlive it",
				   false },
	[SUIT_RULE_TEXT_INSIDE] = { "text-inside",
				    "the text is not severed, so every device stores it",
				    false },
	[SUIT_RULE_SEVERED_AWAY] = { "severed-away",
				     "a section was removed: this is not the whole envelope",
				     true },
	[SUIT_RULE_PAYLOAD_MISSING] = { "payload-missing",
					"an integrated payload is named and not there", true },
	[SUIT_RULE_PAYLOAD_DIGEST] = { "payload-digest",
				       "an integrated payload is not what its digest says",
				       true },
	[SUIT_RULE_PAYLOAD_UNUSED] = { "payload-unused",
				       "an integrated payload is there and never fetched",
				       false },
	[SUIT_RULE_TOO_LARGE] = { "too-large", "it is over the device's limit", true },
	[SUIT_RULE_SEQUENCE] = { "sequence-not-higher",
				 "its sequence number is not higher than the last one", true },
};

const char *suit_rule_name(enum suit_rule rule)
{
	return rules[rule].name;
}

const char *suit_rule_text(enum suit_rule rule)
{
	return rules[rule].text;
}

bool suit_rule_is_error(enum suit_rule rule)
{
	return rules[rule].error;
}
