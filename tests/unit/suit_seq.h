/* Manifests put together command by command: sequences are written as pairs of command and
 * argument, and an envelope with the right digest is made around them. */
#pragma once

#include "suit/command.h"
#include "suit/manifest.h"
#include "tests/unit/suit_wrap.h"

#include <string.h>

/* A sequence that is being written. */
struct seq {
	uint8_t body[4096];
	struct scbor_out o;
	size_t items;
};

static inline void seq_init(struct seq *s)
{
	s->items = 0;
	scbor_out_init(&s->o, s->body, sizeof(s->body));
}

/* A command whose argument the caller writes into s->o. */
static inline void seq_open(struct seq *s, int64_t command)
{
	scbor_put_int(&s->o, command);
	s->items += 2;
}

static inline void seq_command(struct seq *s, int64_t command)
{
	seq_open(s, command);
	scbor_put_uint(&s->o, 15);
}

static inline void seq_index(struct seq *s, uint64_t index)
{
	seq_open(s, SUIT_SET_COMPONENT_INDEX);
	scbor_put_uint(&s->o, index);
}

static inline void seq_all(struct seq *s)
{
	static const uint8_t yes[] = { 0xf5 };

	seq_open(s, SUIT_SET_COMPONENT_INDEX);
	scbor_put_raw(&s->o, (struct suit_bytes){ yes, 1 });
}

static inline void seq_list(struct seq *s, uint64_t a, uint64_t b)
{
	seq_open(s, SUIT_SET_COMPONENT_INDEX);
	scbor_put_array(&s->o, 2);
	scbor_put_uint(&s->o, a);
	scbor_put_uint(&s->o, b);
}

static inline void seq_parameter_by(struct seq *s, enum suit_command by,
				    enum suit_parameter key)
{
	seq_open(s, by);
	scbor_put_map(&s->o, 1);
	scbor_put_int(&s->o, key);
}

static inline void seq_parameter(struct seq *s, enum suit_parameter key)
{
	seq_parameter_by(s, SUIT_OVERRIDE_PARAMETERS, key);
}

/* An id, all of whose bytes are v. */
static inline void seq_id(struct seq *s, enum suit_parameter key, uint8_t v)
{
	uint8_t id[16];

	memset(id, v, sizeof(id));
	seq_parameter(s, key);
	scbor_put_bytes(&s->o, (struct suit_bytes){ id, sizeof(id) });
}

static inline void seq_uint(struct seq *s, enum suit_parameter key, uint64_t v)
{
	seq_parameter(s, key);
	scbor_put_uint(&s->o, v);
}

static inline void seq_bool(struct seq *s, enum suit_parameter key, bool v)
{
	const uint8_t byte = v ? 0xf5 : 0xf4;

	seq_parameter(s, key);
	scbor_put_raw(&s->o, (struct suit_bytes){ &byte, 1 });
}

static inline void put_digest(struct scbor_out *o, const struct suit_digest *digest)
{
	uint8_t bytes[40];
	struct scbor_out inner;

	scbor_out_init(&inner, bytes, sizeof(bytes));
	scbor_put_array(&inner, 2);
	scbor_put_int(&inner, SUIT_ALG_SHA256);
	scbor_put_bytes(&inner, (struct suit_bytes){ digest->b, sizeof(digest->b) });
	scbor_put_bytes(o, scbor_out_bytes(&inner));
}

/* A digest, all of whose bytes are v. */
static inline struct suit_digest digest_of(uint8_t v)
{
	struct suit_digest digest;

	memset(digest.b, v, sizeof(digest.b));
	return digest;
}

static inline void seq_digest(struct seq *s, uint8_t v)
{
	struct suit_digest digest = digest_of(v);

	seq_parameter(s, SUIT_PARAM_DIGEST);
	put_digest(&s->o, &digest);
}

static inline struct suit_bytes seq_chars(const char *text)
{
	return (struct suit_bytes){ (const uint8_t *)text, strlen(text) };
}

static inline void seq_uri(struct seq *s, const char *uri)
{
	seq_parameter(s, SUIT_PARAM_URI);
	scbor_put_text(&s->o, seq_chars(uri));
}

static inline void seq_bytes(struct seq *s, enum suit_parameter key, struct suit_bytes b)
{
	seq_parameter(s, key);
	scbor_put_bytes(&s->o, b);
}

static inline void put_seq(struct scbor_out *o, const struct seq *s)
{
	uint8_t bytes[4200];
	struct scbor_out inner;

	scbor_out_init(&inner, bytes, sizeof(bytes));
	scbor_put_array(&inner, s->items);
	scbor_put_raw(&inner, scbor_out_bytes(&s->o));
	scbor_put_bytes(o, scbor_out_bytes(&inner));
}

/* Alternatives a and b; with nil, a third that always succeeds. */
static inline void seq_try(struct seq *s, const struct seq *a, const struct seq *b, bool nil)
{
	seq_open(s, SUIT_TRY_EACH);
	scbor_put_array(&s->o, 1 + (b != NULL) + nil);
	put_seq(&s->o, a);
	if (b)
		put_seq(&s->o, b);
	if (nil)
		scbor_put_null(&s->o);
}

static inline void seq_run(struct seq *s, const struct seq *inner)
{
	seq_open(s, SUIT_RUN_SEQUENCE);
	put_seq(&s->o, inner);
}

/* --- a manifest around them --------------------------------------------------------------- */

/* Sections by the manifest's key; 0: severed away. */
struct draft {
	size_t components;        /* ids h'00', h'01', ... */
	uint32_t dependency;      /* a bit for each index that holds one */
	struct suit_bytes prefix; /* of them all: its only segment; empty: none */
	const struct seq *shared;
	struct draft_section {
		uint8_t key;
		const struct seq *commands; /* NULL: severed away */
	} section[6];                       /* by ascending key */
	const char *payload;                /* name of an integrated one */
	struct suit_bytes content;
};

static inline void put_dependencies(struct scbor_out *o, const struct draft *d)
{
	scbor_put_int(o, 1);
	scbor_put_map(o, (size_t)__builtin_popcount(d->dependency));
	for (uint64_t i = 0; i < 16; i++) {
		if (!(d->dependency & 1u << i))
			continue;
		scbor_put_uint(o, i);
		scbor_put_map(o, d->prefix.n > 0);
		if (d->prefix.n > 0) {
			scbor_put_int(o, 1);
			scbor_put_array(o, 1);
			scbor_put_bytes(o, d->prefix);
		}
	}
}

static inline struct suit_bytes draft_common(const struct draft *d, uint8_t *buf, size_t size)
{
	struct scbor_out o;

	scbor_out_init(&o, buf, size);
	scbor_put_map(&o, (d->components > 0) + (d->dependency != 0) + (d->shared != NULL));
	if (d->dependency)
		put_dependencies(&o, d);
	if (d->components > 0) {
		scbor_put_int(&o, 2);
		scbor_put_array(&o, d->components);
	}
	for (uint8_t i = 0; i < d->components; i++) {
		scbor_put_array(&o, 1);
		scbor_put_bytes(&o, (struct suit_bytes){ &i, 1 });
	}
	if (d->shared) {
		scbor_put_int(&o, 4);
		put_seq(&o, d->shared);
	}
	return scbor_out_bytes(&o);
}

/* The manifest's map, without the head of a byte string. */
static inline struct suit_bytes draft_manifest(const struct draft *d, uint8_t *buf, size_t size)
{
	struct suit_digest zero = digest_of(0);
	uint8_t common[6000];
	struct scbor_out o;
	size_t sections = 0;

	while (sections < 6 && d->section[sections].key)
		sections++;
	scbor_out_init(&o, buf, size);
	scbor_put_map(&o, 3 + sections);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, 1);
	scbor_put_int(&o, 2);
	scbor_put_uint(&o, 9);
	scbor_put_int(&o, 3);
	scbor_put_bytes(&o, draft_common(d, common, sizeof(common)));
	for (size_t i = 0; i < sections; i++) {
		scbor_put_int(&o, d->section[i].key);
		if (d->section[i].commands) {
			put_seq(&o, d->section[i].commands);
			continue;
		}
		scbor_put_array(&o, 2);
		scbor_put_int(&o, SUIT_ALG_SHA256);
		scbor_put_bytes(&o, (struct suit_bytes){ zero.b, sizeof(zero.b) });
	}
	return scbor_out_bytes(&o);
}

#define DRAFT_MAX 16384

/* Whatever is in the envelope decodes into e, which points into buf. */
static inline enum suit_rc draft_decode(const struct draft *d, uint8_t buf[DRAFT_MAX],
					struct suit_envelope *e)
{
	uint8_t manifest[DRAFT_MAX / 2];
	struct suit_bytes m = draft_manifest(d, manifest, sizeof(manifest));
	struct suit_bytes whole = suit_wrap(m, buf, DRAFT_MAX);
	struct scbor_out o;

	if (m.n == 0)
		abort(); /* too large for a test */
	if (d->payload) {
		/* One more entry at the end of the envelope's map, whose head is byte 2. */
		buf[2]++;
		scbor_out_init(&o, buf + whole.n, DRAFT_MAX - whole.n);
		scbor_put_text(&o, seq_chars(d->payload));
		scbor_put_bytes(&o, d->content);
		whole.n += scbor_out_bytes(&o).n;
	}
	return suit_envelope_decode(&suit_crypto_openssl, whole, e);
}
