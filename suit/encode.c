/* Writes an envelope in one go: digests are places of 32 bytes, filled in once what they are
 * over has been written. */

#include "suit/encode.h"

#include "suit/element.h"
#include "suit/layout.h"
#include "suit/nest.h"

#include <string.h>

#define TAG_ENVELOPE 107

struct work {
	const struct suit_crypto *crypto;
	const struct suit_source *in;
	struct scbor_out *o;
	size_t digest_at;                 /* the manifest's, in the wrapper */
	size_t severed_at[SUIT_ELEMENTS]; /* the digest of a severed element, in the manifest */
};

static bool has_element(const struct suit_source *in, const struct suit_element_kind *e)
{
	if (e->section >= 0)
		return suit_layout_has(in, (enum suit_section)e->section);
	return e->key == SUIT_ELEMENT_TEXT ? in->text_count > 0 : in->coswid.n > 0;
}

static bool is_severed(const struct suit_source *in, const struct suit_element_kind *e)
{
	return e->severable && (in->sever & SUIT_BIT(e->key)) && has_element(in, e);
}

/* --- order of keys that the source brings --------------------------------------------------
 */

static int bytes_order(struct suit_bytes a, struct suit_bytes b)
{
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	return a.n ? memcmp(a.p, b.p, a.n) : 0;
}

static int component_order(const struct suit_component_id *a, const struct suit_component_id *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	for (size_t i = 0; i < a->count; i++) {
		int order = bytes_order(a->segment[i], b->segment[i]);
		if (order != 0)
			return order;
	}
	return 0;
}

/* Is item a before item b? */
typedef bool before_fn(const void *items, size_t a, size_t b);

/* The item that has `rank` others before it; keys are unique, so there is one. */
static size_t ranked(const void *items, size_t count, size_t rank, before_fn *before)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = 0;
		for (size_t k = 0; k < count; k++)
			n += before(items, k, i);
		if (n == rank)
			return i;
	}
	return 0;
}

/* --- text ----------------------------------------------------------------------------------
 */

static size_t texts_count(const struct suit_bytes *text, size_t keys)
{
	size_t n = 0;

	for (size_t key = 1; key < keys; key++)
		n += text[key].n > 0;
	return n;
}

static void put_texts(struct scbor_out *o, const struct suit_bytes *text, size_t keys)
{
	for (size_t key = 1; key < keys; key++) {
		if (text[key].n == 0)
			continue;
		scbor_put_uint(o, key);
		scbor_put_text(o, text[key]);
	}
}

/* One language of a source. */
struct language {
	const struct suit_source *in;
	const struct suit_source_text *text;
};

static bool component_before(const void *items, size_t a, size_t b)
{
	const struct language *l = items;
	const struct suit_source_text_component *c = l->text->component;

	return component_order(&l->in->component[c[a].component].id,
			       &l->in->component[c[b].component].id) < 0;
}

static void put_language(struct scbor_out *o, const struct language *l)
{
	const struct suit_source_text *t = l->text;

	scbor_put_map(o, texts_count(t->text, SUIT_TEXT_KEYS) + t->component_count);
	put_texts(o, t->text, SUIT_TEXT_KEYS);
	for (size_t rank = 0; rank < t->component_count; rank++) {
		const struct suit_source_text_component *c =
			&t->component[ranked(l, t->component_count, rank, component_before)];
		suit_put_component(o, &l->in->component[c->component].id);
		scbor_put_map(o, texts_count(c->text, SUIT_TEXT_COMPONENT_KEYS));
		put_texts(o, c->text, SUIT_TEXT_COMPONENT_KEYS);
	}
}

static bool language_before(const void *items, size_t a, size_t b)
{
	const struct suit_source_text *text = items;

	return bytes_order(text[a].language, text[b].language) < 0;
}

static void put_text(struct scbor_out *o, const struct suit_source *in)
{
	scbor_put_map(o, in->text_count);
	for (size_t rank = 0; rank < in->text_count; rank++) {
		struct language l = {
			in, &in->text[ranked(in->text, in->text_count, rank, language_before)]
		};
		scbor_put_text(o, l.text->language);
		put_language(o, &l);
	}
}

/* --- manifest ------------------------------------------------------------------------------
 */

/* The content of an element, wrapped in its byte string. */
static void put_element(struct scbor_out *o, const struct suit_source *in,
			const struct suit_element_kind *e)
{
	if (e->section >= 0) {
		suit_layout_put(o, in, (enum suit_section)e->section);
	} else if (e->key == SUIT_ELEMENT_COSWID) {
		scbor_put_bytes(o, in->coswid);
	} else {
		size_t at = suit_nest_begin(o);
		put_text(o, in);
		suit_nest_end_bytes(o, at);
	}
}

static void put_dependencies(struct scbor_out *o, const struct suit_source *in)
{
	scbor_put_map(o, in->dependency_count);
	for (size_t i = 0; i < in->dependency_count; i++) {
		const struct suit_component_id *prefix = &in->dependency[i].prefix;
		scbor_put_uint(o, in->component_count + i);
		scbor_put_map(o, prefix->count > 0 ? 1 : 0);
		if (prefix->count == 0)
			continue;
		scbor_put_uint(o, 1);
		suit_put_component(o, prefix);
	}
}

static void put_common(struct scbor_out *o, const struct suit_source *in)
{
	bool shared = suit_layout_has(in, SUIT_SHARED);
	size_t at = suit_nest_begin(o), entries = shared;

	entries += in->dependency_count > 0;
	entries += in->component_count > 0;
	scbor_put_map(o, entries);
	if (in->dependency_count > 0) {
		scbor_put_uint(o, 1);
		put_dependencies(o, in);
	}
	if (in->component_count > 0) {
		scbor_put_uint(o, 2);
		scbor_put_array(o, in->component_count);
		for (size_t i = 0; i < in->component_count; i++)
			suit_put_component(o, &in->component[i].id);
	}
	if (shared) {
		scbor_put_uint(o, 4);
		suit_layout_put(o, in, SUIT_SHARED);
	}
	suit_nest_end_bytes(o, at);
}

static void put_version(struct scbor_out *o, const struct suit_source *in)
{
	size_t at = suit_nest_begin(o);

	scbor_put_array(o, in->version_count);
	for (size_t i = 0; i < in->version_count; i++)
		scbor_put_int(o, in->version[i]);
	suit_nest_end_bytes(o, at);
}

/* Keys 1 to 6; returns how many. */
static size_t put_head(struct scbor_out *o, const struct suit_source *in)
{
	size_t count = 3;

	scbor_put_uint(o, 1);
	scbor_put_uint(o, 1);
	scbor_put_uint(o, 2);
	scbor_put_uint(o, in->sequence);
	scbor_put_uint(o, 3);
	put_common(o, in);
	if (in->reference_uri.n > 0) {
		scbor_put_uint(o, 4);
		scbor_put_text(o, in->reference_uri);
		count++;
	}
	if (in->own_component.count > 0) {
		scbor_put_uint(o, 5);
		suit_put_component(o, &in->own_component);
		count++;
	}
	if (in->version_count > 0) {
		scbor_put_uint(o, 6);
		put_version(o, in);
		count++;
	}
	return count;
}

/* [-16, 32 bytes to be filled in]; returns where they are. */
static size_t put_digest_place(struct scbor_out *o)
{
	static const struct suit_digest nothing;

	suit_put_digest(o, SUIT_ALG_SHA256, &nothing);
	return o->n - sizeof(nothing.b);
}

static void put_manifest(struct work *w)
{
	struct scbor_out *o = w->o;
	size_t bytes_at = suit_nest_begin(o), map_at = suit_nest_begin(o);
	size_t count = put_head(o, w->in);

	for (size_t i = 0; i < SUIT_ELEMENTS; i++) {
		if (!has_element(w->in, &suit_element_kind[i]))
			continue;
		count++;
		scbor_put_uint(o, suit_element_kind[i].key);
		if (is_severed(w->in, &suit_element_kind[i]))
			w->severed_at[i] = put_digest_place(o);
		else
			put_element(o, w->in, &suit_element_kind[i]);
	}
	size_t before = o->n;
	suit_nest_end_map(o, map_at, count);
	suit_nest_end_bytes(o, bytes_at);
	for (size_t i = 0; i < SUIT_ELEMENTS; i++)
		w->severed_at[i] += o->n - before;
}

/* --- envelope ------------------------------------------------------------------------------
 */

/* The digest of what was written between the two, into its place. */
static enum suit_rc fill_digest(struct work *w, size_t from, size_t until, size_t place)
{
	struct suit_message m = { .count = 1 };
	struct suit_digest digest;

	if (!scbor_out_fits(w->o))
		return SUIT_OK; /* only the size matters any more */
	m.piece[0] = (struct suit_bytes){ w->o->p + from, until - from };
	enum suit_rc rc = w->crypto->sha256(&m, &digest);
	if (rc == SUIT_OK)
		memcpy(w->o->p + place, digest.b, sizeof(digest.b));
	return rc;
}

/* <<[ <<[-16, digest]>> ]>> */
static void put_wrapper(struct work *w)
{
	struct scbor_out *o = w->o;
	size_t at = suit_nest_begin(o);

	scbor_put_array(o, 1);
	size_t digest_at = suit_nest_begin(o);
	w->digest_at = put_digest_place(o);
	size_t before = o->n;
	suit_nest_end_bytes(o, digest_at);
	suit_nest_end_bytes(o, at);
	w->digest_at += o->n - before;
}

static enum suit_rc put_severed(struct work *w)
{
	enum suit_rc rc = SUIT_OK;

	for (size_t i = 0; i < SUIT_ELEMENTS && rc == SUIT_OK; i++) {
		if (!is_severed(w->in, &suit_element_kind[i]))
			continue;
		scbor_put_uint(w->o, suit_element_kind[i].key);
		size_t from = w->o->n;
		put_element(w->o, w->in, &suit_element_kind[i]);
		rc = fill_digest(w, from, w->o->n, w->severed_at[i]);
	}
	return rc;
}

static bool payload_before(const void *items, size_t a, size_t b)
{
	const struct suit_payload *payload = items;

	return bytes_order(payload[a].name, payload[b].name) < 0;
}

static void put_payloads(struct scbor_out *o, const struct suit_source *in)
{
	for (size_t rank = 0; rank < in->payload_count; rank++) {
		const struct suit_payload *p = &in->payload[ranked(
			in->payload, in->payload_count, rank, payload_before)];
		scbor_put_text(o, p->name);
		scbor_put_bytes(o, p->content);
	}
}

static enum suit_rc put_envelope(struct work *w)
{
	size_t entries = 2 + w->in->payload_count;

	for (size_t i = 0; i < SUIT_ELEMENTS; i++)
		entries += is_severed(w->in, &suit_element_kind[i]);
	scbor_put_tag(w->o, TAG_ENVELOPE);
	scbor_put_map(w->o, entries);
	scbor_put_uint(w->o, 2);
	put_wrapper(w);
	scbor_put_uint(w->o, 3);
	size_t from = w->o->n;
	put_manifest(w);
	size_t until = w->o->n;
	enum suit_rc rc = put_severed(w);
	put_payloads(w->o, w->in);
	/* Now that the manifest holds the digests of what was severed. */
	return rc == SUIT_OK ? fill_digest(w, from, until, w->digest_at) : rc;
}

enum suit_rc suit_encode(const struct suit_crypto *crypto, const struct suit_source *in,
			 uint8_t *buf, size_t size, size_t *ret_n)
{
	struct scbor_out o;
	struct work w = { .crypto = crypto, .in = in, .o = &o };
	struct suit_envelope e;

	enum suit_rc rc = suit_source_check(in);
	if (rc != SUIT_OK)
		return rc;
	scbor_out_init(&o, buf, size);
	rc = put_envelope(&w);
	if (rc != SUIT_OK)
		return rc;
	if (o.n > SUIT_ENVELOPE_MAX)
		return SUIT_TOO_LARGE;
	*ret_n = o.n;
	if (!scbor_out_fits(&o))
		return SUIT_NO_SPACE;
	return suit_envelope_decode(crypto, scbor_out_bytes(&o), &e);
}
