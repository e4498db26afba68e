/* Decodes an envelope in place.  Order of work: the envelope's map, the authentication wrapper,
 * the manifest's digest, the manifest's map, the severed elements, then every sequence. */

#include "suit/manifest.h"

#include "suit/cbor.h"
#include "suit/command.h"

#include <string.h>

#define TAG_ENVELOPE 107

enum key {
	ENVELOPE_AUTH = 2,
	ENVELOPE_MANIFEST = 3,
	MANIFEST_VERSION = 1,
	MANIFEST_SEQUENCE = 2,
	MANIFEST_COMMON = 3,
	MANIFEST_REFERENCE = 4,
	MANIFEST_COMPONENT = 5,
	MANIFEST_SET_VERSION = 6,
	COMMON_DEPENDENCIES = 1,
	COMMON_COMPONENTS = 2,
	COMMON_SHARED = 4,
};

/* Keys that a manifest may hold as commands or, severed, as a digest. */
static const struct element {
	uint8_t key;
	int8_t section; /* -1: not a sequence */
	bool severable;
} elements[] = {
	{ 7, SUIT_VALIDATE, false },
	{ 8, SUIT_LOAD, false },
	{ 9, SUIT_INVOKE, false },
	{ 14, -1, true }, /* coswid */
	{ 15, SUIT_DEPENDENCY_RESOLUTION, true },
	{ 16, SUIT_PAYLOAD_FETCH, true },
	{ 18, SUIT_CANDIDATE_VERIFICATION, true },
	{ 20, SUIT_INSTALL, true },
	{ 23, -1, true }, /* text */
	{ 24, SUIT_UNINSTALL, false },
};
#define ELEMENTS (sizeof(elements) / sizeof(elements[0]))
#define KEY_TEXT 23

/* While decoding: where each element stands. */
struct work {
	const struct suit_crypto *crypto;
	struct suit_envelope *e;
	struct suit_bytes auth; /* content of the wrapper */
	struct suit_bytes
		manifest_encoded; /* with the head of its byte string: what is hashed */
	struct suit_bytes severed[ELEMENTS]; /* encoded, from the envelope */
	struct suit_bytes severed_content[ELEMENTS];
	struct suit_bytes content[ELEMENTS]; /* the one that counts */
	size_t indexes; /* component indexes in use: of components, of dependencies */
};

static int element_find(int64_t key)
{
	for (size_t i = 0; i < ELEMENTS; i++)
		if (elements[i].key == key)
			return (int)i;
	return -1;
}

static enum suit_rc payload_add(struct work *w, struct scbor *c, struct suit_bytes name)
{
	struct suit_envelope *e = w->e;

	if (e->payload_count == SUIT_PAYLOADS_MAX || name.n > SUIT_URI_MAX)
		return SUIT_TOO_LARGE;
	struct suit_bytes content = scbor_bytes(c);
	e->payload[e->payload_count++] = (struct suit_payload){ name, content };
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc envelope_value(struct work *w, struct scbor *c, int64_t key)
{
	const uint8_t *start = c->p;
	struct suit_bytes content = scbor_bytes(c);
	struct suit_bytes encoded = { start, (size_t)(c->p - start) };
	int i = element_find(key);

	if (!scbor_ok(c))
		return SUIT_MALFORMED;
	if (key == ENVELOPE_AUTH) {
		w->auth = content;
	} else if (key == ENVELOPE_MANIFEST) {
		w->e->manifest = content;
		w->manifest_encoded = encoded;
	} else if (i >= 0 && elements[i].severable) {
		w->severed[i] = encoded;
		w->severed_content[i] = content;
	} else {
		return SUIT_UNKNOWN;
	}
	return SUIT_OK;
}

static enum suit_rc envelope_map(struct work *w)
{
	struct scbor c;
	struct scbor_order order = { 0 };

	scbor_init(&c, w->e->whole);
	scbor_tag(&c, TAG_ENVELOPE);
	size_t n = scbor_map(&c, 2 + ELEMENTS + SUIT_PAYLOADS_MAX);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c.p;
		bool text = scbor_peek(&c) == SCBOR_TEXT;
		struct suit_bytes name = { 0 };
		int64_t key = 0;

		if (text)
			name = scbor_text(&c);
		else
			key = scbor_int(&c);
		scbor_key(&c, &order, start);
		if (!scbor_ok(&c))
			return SUIT_MALFORMED;
		enum suit_rc rc = text ? payload_add(w, &c, name) : envelope_value(w, &c, key);
		if (rc != SUIT_OK)
			return rc;
	}
	if (!scbor_done(&c))
		return SUIT_MALFORMED;
	return w->auth.p && w->e->manifest.p ? SUIT_OK : SUIT_MISSING;
}

/* A header map of a COSE block: the algorithm in the protected one, the key id in either. */
static enum suit_rc block_header(struct scbor *c, bool is_protected, struct suit_block *b)
{
	struct scbor_order order = { 0 };
	size_t n = scbor_map(c, 2);

	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c->p;
		int64_t key = scbor_int(c);
		scbor_key(c, &order, start);
		if (key == 1 && is_protected) {
			b->alg = scbor_int(c);
		} else if (key == 4) {
			if (b->kid.p)
				return SUIT_MALFORMED;
			b->kid = scbor_bytes(c);
			if (b->kid.n == 0)
				return SUIT_MALFORMED;
		} else {
			return scbor_ok(c) ? SUIT_UNKNOWN : SUIT_MALFORMED;
		}
	}
	if (!scbor_ok(c))
		return SUIT_MALFORMED;
	return b->kid.n > SUIT_KID_MAX ? SUIT_TOO_LARGE : SUIT_OK;
}

static enum suit_rc block_decode(struct suit_bytes bytes, struct suit_block *ret)
{
	struct scbor c, header;
	struct suit_block b = { 0 };

	scbor_init(&c, bytes);
	if (bytes.n > 0 && bytes.p[0] == 0xd1) {
		scbor_tag(&c, SUIT_BLOCK_MAC0);
		b.kind = SUIT_BLOCK_MAC0;
	} else {
		scbor_tag(&c, SUIT_BLOCK_SIGN1);
		b.kind = SUIT_BLOCK_SIGN1;
	}
	size_t n = scbor_array(&c, 4);
	b.protected_ = scbor_bytes(&c);
	if (!scbor_ok(&c) || n != 4)
		return SUIT_MALFORMED;
	scbor_init(&header, b.protected_);
	enum suit_rc rc = block_header(&header, true, &b);
	if (rc == SUIT_OK && !scbor_done(&header))
		rc = SUIT_MALFORMED;
	if (rc == SUIT_OK)
		rc = block_header(&c, false, &b);
	if (rc != SUIT_OK)
		return rc;
	scbor_null(&c);
	b.signature = scbor_bytes(&c);
	if (!scbor_done(&c) || b.alg == 0)
		return SUIT_MALFORMED;
	*ret = b;
	return SUIT_OK;
}

static enum suit_rc auth_decode(struct work *w)
{
	struct suit_envelope *e = w->e;
	struct scbor c;

	scbor_init(&c, w->auth);
	size_t n = scbor_array(&c, 1 + SUIT_BLOCKS_MAX);
	e->digest_encoded = scbor_bytes(&c);
	if (!scbor_ok(&c))
		return SUIT_MALFORMED;
	enum suit_rc rc = suit_digest_read(e->digest_encoded, &e->digest);
	for (size_t i = 1; i < n && rc == SUIT_OK; i++) {
		struct suit_bytes block = scbor_bytes(&c);
		rc = scbor_ok(&c) ? block_decode(block, &e->block[e->block_count++])
				  : SUIT_MALFORMED;
	}
	if (rc == SUIT_OK && !scbor_done(&c))
		rc = SUIT_MALFORMED;
	return rc;
}

static enum suit_rc digest_holds(const struct work *w, struct suit_bytes encoded,
				 const struct suit_digest *expected)
{
	struct suit_message m = { .piece = { encoded }, .count = 1 };
	struct suit_digest got;
	enum suit_rc rc = w->crypto->sha256(&m, &got);

	if (rc != SUIT_OK)
		return rc;
	return memcmp(got.b, expected->b, sizeof(got.b)) == 0 ? SUIT_OK : SUIT_DIGEST;
}

static enum suit_rc component_id(struct scbor *c, struct suit_component_id *ret)
{
	ret->count = scbor_array(c, SUIT_SEGMENTS_MAX);
	for (size_t i = 0; i < ret->count; i++)
		ret->segment[i] = scbor_bytes(c);
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc components(struct work *w, struct scbor *c)
{
	struct suit_envelope *e = w->e;

	e->component_count = scbor_array(c, SUIT_COMPONENTS_MAX);
	for (size_t i = 0; i < e->component_count; i++) {
		enum suit_rc rc = component_id(c, &e->component[i]);
		if (rc != SUIT_OK)
			return rc;
	}
	return scbor_ok(c) && e->component_count > 0 ? SUIT_OK : SUIT_MALFORMED;
}

/* { index: { ?1: prefix } } */
static enum suit_rc dependencies(struct work *w, struct scbor *c)
{
	struct suit_component_id prefix;
	struct scbor_order order = { 0 };

	w->e->dependency_count = scbor_map(c, SUIT_COMPONENTS_MAX);
	for (size_t i = 0; i < w->e->dependency_count; i++) {
		const uint8_t *start = c->p;
		uint64_t index = scbor_uint(c);
		scbor_key(c, &order, start);
		if (index >= 2 * SUIT_COMPONENTS_MAX)
			return SUIT_TOO_LARGE;
		w->indexes = (size_t)index + 1; /* sorted, so the last is the largest */
		if (scbor_map(c, 1) == 1) {
			if (scbor_uint(c) != 1)
				return SUIT_UNKNOWN;
			if (component_id(c, &prefix) != SUIT_OK)
				return SUIT_MALFORMED;
		}
	}
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc common_decode(struct work *w, struct suit_bytes bytes)
{
	struct scbor c;
	struct scbor_order order = { 0 };

	scbor_init(&c, bytes);
	size_t n = scbor_map(&c, 3);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c.p;
		uint64_t key = scbor_uint(&c);
		enum suit_rc rc = SUIT_OK;

		scbor_key(&c, &order, start);
		if (key == COMMON_DEPENDENCIES)
			rc = dependencies(w, &c);
		else if (key == COMMON_COMPONENTS)
			rc = components(w, &c);
		else if (key == COMMON_SHARED)
			w->e->section[SUIT_SHARED] = scbor_bytes(&c);
		else
			rc = SUIT_UNKNOWN;
		if (rc != SUIT_OK || !scbor_ok(&c))
			return scbor_ok(&c) ? rc : SUIT_MALFORMED;
	}
	if (!scbor_done(&c))
		return SUIT_MALFORMED;
	return w->e->component_count + w->e->dependency_count > 0 ? SUIT_OK : SUIT_MISSING;
}

static enum suit_rc set_version(struct suit_envelope *e, struct suit_bytes bytes)
{
	struct scbor c;

	scbor_init(&c, bytes);
	e->version_count = scbor_array(&c, SUIT_VERSION_MAX);
	for (size_t i = 0; i < e->version_count; i++)
		e->version[i] = scbor_int(&c);
	return scbor_done(&c) && e->version_count > 0 ? SUIT_OK : SUIT_MALFORMED;
}

/* An element is either here as a byte string, or as the digest of one that stands in the
 * envelope or was severed away. */
static enum suit_rc element_decode(struct work *w, struct scbor *c, int i)
{
	struct suit_digest digest;

	if (scbor_peek(c) != SCBOR_ARRAY) {
		w->content[i] = scbor_bytes(c);
		if (!scbor_ok(c))
			return SUIT_MALFORMED;
		return w->severed[i].p ? SUIT_MALFORMED : SUIT_OK;
	}
	struct suit_bytes encoded = scbor_any(c);
	if (!scbor_ok(c) || !elements[i].severable)
		return SUIT_MALFORMED;
	enum suit_rc rc = suit_digest_read(encoded, &digest);
	if (rc != SUIT_OK)
		return rc;
	if (!w->severed[i].p) {
		w->e->severed_away = w->e->severed_away || elements[i].section >= 0;
		return SUIT_OK;
	}
	w->content[i] = w->severed_content[i];
	rc = digest_holds(w, w->severed[i], &digest);
	w->severed[i] = (struct suit_bytes){ 0 };
	return rc;
}

static enum suit_rc manifest_value(struct work *w, struct scbor *c, uint64_t key)
{
	struct suit_component_id own;
	int i = element_find((int64_t)key);

	if (i >= 0)
		return element_decode(w, c, i);
	switch (key) {
	case MANIFEST_VERSION:
		return scbor_uint(c) == 1 ? SUIT_OK : SUIT_UNSUPPORTED;
	case MANIFEST_SEQUENCE:
		w->e->sequence = scbor_uint(c);
		return SUIT_OK;
	case MANIFEST_COMMON:
		return common_decode(w, scbor_bytes(c));
	case MANIFEST_REFERENCE:
		w->e->reference_uri = scbor_text(c);
		return w->e->reference_uri.n <= SUIT_URI_MAX ? SUIT_OK : SUIT_TOO_LARGE;
	case MANIFEST_COMPONENT:
		return component_id(c, &own);
	case MANIFEST_SET_VERSION:
		return set_version(w->e, scbor_bytes(c));
	default:
		return SUIT_UNKNOWN;
	}
}

static enum suit_rc manifest_map(struct work *w)
{
	struct scbor c;
	struct scbor_order order = { 0 };
	unsigned required = 0;

	scbor_init(&c, w->e->manifest);
	size_t n = scbor_map(&c, 6 + ELEMENTS);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c.p;
		uint64_t key = scbor_uint(&c);
		scbor_key(&c, &order, start);
		if (!scbor_ok(&c))
			return SUIT_MALFORMED;
		enum suit_rc rc = manifest_value(w, &c, key);
		if (!scbor_ok(&c))
			return SUIT_MALFORMED;
		if (rc != SUIT_OK)
			return rc;
		required += key <= MANIFEST_COMMON;
	}
	if (!scbor_done(&c))
		return SUIT_MALFORMED;
	return required == 3 ? SUIT_OK : SUIT_MISSING;
}

/* What the envelope holds severed must have been asked for by a digest. */
static enum suit_rc severed_check(const struct work *w)
{
	for (size_t i = 0; i < ELEMENTS; i++)
		if (w->severed[i].p)
			return SUIT_MALFORMED;
	return SUIT_OK;
}

static enum suit_rc text_check(struct suit_bytes text)
{
	struct scbor c;

	scbor_init(&c, text);
	if (scbor_peek(&c) != SCBOR_MAP)
		return SUIT_MALFORMED;
	scbor_any(&c);
	return scbor_done(&c) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc sections_check(struct work *w)
{
	struct suit_envelope *e = w->e;

	if (w->indexes < e->component_count)
		w->indexes = e->component_count;
	for (size_t i = 0; i < ELEMENTS; i++) {
		if (!w->content[i].p)
			continue;
		if (elements[i].section >= 0)
			e->section[elements[i].section] = w->content[i];
		else if (elements[i].key == KEY_TEXT)
			e->text = w->content[i];
		else if (text_check(w->content[i]) != SUIT_OK)
			return SUIT_MALFORMED;
	}
	for (int s = 0; s < SUIT_SECTIONS; s++) {
		struct suit_scope scope = { .indexes = w->indexes,
					    .shared = s == SUIT_SHARED,
					    .indexed = w->indexes == 1 };
		if (!e->section[s].p)
			continue;
		enum suit_rc rc = suit_sequence_check(e->section[s], &scope);
		if (rc != SUIT_OK)
			return rc;
	}
	return e->text.p ? text_check(e->text) : SUIT_OK;
}

enum suit_rc suit_envelope_decode(const struct suit_crypto *crypto, struct suit_bytes bytes,
				  struct suit_envelope *ret)
{
	struct suit_envelope e = { .whole = bytes };
	struct work w = { .crypto = crypto, .e = &e };

	if (bytes.n > SUIT_ENVELOPE_MAX)
		return SUIT_TOO_LARGE;
	enum suit_rc rc = envelope_map(&w);
	if (rc == SUIT_OK)
		rc = auth_decode(&w);
	if (rc == SUIT_OK)
		rc = digest_holds(&w, w.manifest_encoded, &e.digest);
	if (rc == SUIT_OK)
		rc = manifest_map(&w);
	if (rc == SUIT_OK)
		rc = severed_check(&w);
	if (rc == SUIT_OK)
		rc = sections_check(&w);
	if (rc == SUIT_OK)
		*ret = e;
	return rc;
}

bool suit_component_equal(const struct suit_component_id *a, const struct suit_component_id *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!suit_bytes_equal(a->segment[i], b->segment[i]))
			return false;
	return true;
}

/* In one language's map: { ints..., component id: { 6: version } }. */
static struct suit_bytes version_in_language(struct scbor *c,
					     const struct suit_component_id *id)
{
	struct suit_bytes found = { 0 };
	size_t n = scbor_map(c, 32);

	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		struct suit_component_id key = { 0 };

		if (scbor_peek(c) != SCBOR_ARRAY) {
			scbor_any(c);
			scbor_any(c);
			continue;
		}
		bool mine = component_id(c, &key) == SUIT_OK && suit_component_equal(&key, id);
		size_t fields = scbor_map(c, 16);
		for (size_t k = 0; k < fields && scbor_ok(c); k++) {
			int64_t field = scbor_int(c);
			if (mine && field == 6)
				found = scbor_text(c);
			else
				scbor_any(c);
		}
	}
	return scbor_ok(c) ? found : (struct suit_bytes){ 0 };
}

struct suit_bytes suit_text_version(const struct suit_envelope *e,
				    const struct suit_component_id *id)
{
	struct suit_bytes found = { 0 };
	struct scbor c;

	if (!e->text.p)
		return found;
	scbor_init(&c, e->text);
	size_t n = scbor_map(&c, 16);
	for (size_t i = 0; i < n && scbor_ok(&c) && !found.p; i++) {
		scbor_text(&c);
		found = version_in_language(&c, id);
	}
	return found;
}
