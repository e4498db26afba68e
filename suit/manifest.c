/* Decodes an envelope in place.  Order of work: the envelope's map, the authentication wrapper,
 * the manifest's digest, the manifest's map, the severed elements, then every sequence. */

#include "suit/manifest.h"

#include "suit/block.h"
#include "suit/cbor.h"
#include "suit/command.h"
#include "suit/element.h"
#include "suit/text.h"

#include <string.h>

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

const struct suit_element_kind suit_element_kind[SUIT_ELEMENTS] = {
	{ 7, SUIT_VALIDATE, false },
	{ 8, SUIT_LOAD, false },
	{ 9, SUIT_INVOKE, false },
	{ SUIT_ELEMENT_COSWID, -1, true },
	{ 15, SUIT_DEPENDENCY_RESOLUTION, true },
	{ 16, SUIT_PAYLOAD_FETCH, true },
	{ 18, SUIT_CANDIDATE_VERIFICATION, true },
	{ 20, SUIT_INSTALL, true },
	{ SUIT_ELEMENT_TEXT, -1, true },
	{ 24, SUIT_UNINSTALL, false },
};

/* While decoding: where each element stands. */
struct work {
	const struct suit_crypto *crypto;
	struct suit_envelope *e;
	struct suit_bytes auth; /* content of the wrapper */
	struct suit_bytes
		manifest_encoded; /* with the head of its byte string: what is hashed */
	struct suit_bytes severed[SUIT_ELEMENTS]; /* encoded, from the envelope */
	struct suit_bytes severed_content[SUIT_ELEMENTS];
	struct suit_bytes content[SUIT_ELEMENTS]; /* the one that counts */
	uint32_t indexes; /* bit i: component index i is a component or a dependency */
};

static int element_find(int64_t key)
{
	for (size_t i = 0; i < SUIT_ELEMENTS; i++)
		if (suit_element_kind[i].key == key)
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
	} else if (i >= 0 && suit_element_kind[i].severable) {
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
	if (!w->e->untagged)
		scbor_tag(&c, SUIT_TAG_ENVELOPE);
	size_t n = scbor_map(&c, 2 + SUIT_ELEMENTS + SUIT_PAYLOADS_MAX);
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
	e->messages = (struct suit_bytes){ c.p, (size_t)(c.end - c.p) };
	e->message_count = n - 1;
	for (size_t i = 1; i < n && rc == SUIT_OK; i++) {
		struct suit_bytes message = scbor_bytes(&c);
		rc = scbor_ok(&c) ? suit_block_decode(message, e) : SUIT_MALFORMED;
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

enum suit_rc suit_component_read(struct suit_bytes encoded, struct suit_component_id *ret)
{
	struct suit_component_id id = { 0 };
	struct scbor c;

	scbor_init(&c, encoded);
	if (component_id(&c, &id) != SUIT_OK || !scbor_done(&c))
		return SUIT_MALFORMED;
	*ret = id;
	return SUIT_OK;
}

/* Checked, and kept as it stands: it is looked at rarely, and large when decoded. */
static enum suit_rc component_id_keep(struct scbor *c, struct suit_bytes *ret)
{
	struct suit_component_id id;
	const uint8_t *start = c->p;
	enum suit_rc rc = component_id(c, &id);

	*ret = (struct suit_bytes){ start, (size_t)(c->p - start) };
	return rc;
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
	struct suit_envelope *e = w->e;
	struct scbor_order order = { 0 };

	e->dependency_count = scbor_map(c, SUIT_COMPONENTS_MAX);
	for (size_t i = 0; i < e->dependency_count; i++) {
		const uint8_t *start = c->p;
		uint64_t index = scbor_uint(c);
		scbor_key(c, &order, start);
		if (index >= 2 * SUIT_COMPONENTS_MAX)
			return SUIT_TOO_LARGE;
		e->dependency[i].index = (uint8_t)index;
		w->indexes |= UINT32_C(1) << index;
		if (scbor_map(c, 1) == 1) {
			if (scbor_uint(c) != 1)
				return SUIT_UNKNOWN;
			enum suit_rc rc = component_id_keep(c, &e->dependency[i].prefix);
			if (rc != SUIT_OK)
				return rc;
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
	if (!scbor_ok(c) || !suit_element_kind[i].severable)
		return SUIT_MALFORMED;
	enum suit_rc rc = suit_digest_read(encoded, &digest);
	if (rc != SUIT_OK)
		return rc;
	if (!w->severed[i].p) {
		w->e->severed_away = w->e->severed_away || suit_element_kind[i].section >= 0;
		return SUIT_OK;
	}
	w->content[i] = w->severed_content[i];
	rc = digest_holds(w, w->severed[i], &digest);
	w->severed[i] = (struct suit_bytes){ 0 };
	return rc;
}

static enum suit_rc manifest_value(struct work *w, struct scbor *c, uint64_t key)
{
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
		return component_id_keep(c, &w->e->own_id);
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
	size_t n = scbor_map(&c, 6 + SUIT_ELEMENTS);
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
	for (size_t i = 0; i < SUIT_ELEMENTS; i++)
		if (w->severed[i].p)
			return SUIT_MALFORMED;
	return SUIT_OK;
}

/* Carried, not read: the order of its keys and its depth are its own format's (RFC 9393). */
static enum suit_rc coswid_check(struct suit_bytes tag)
{
	struct scbor c;

	scbor_init(&c, tag);
	if (scbor_peek(&c) != SCBOR_MAP)
		return SUIT_MALFORMED;
	scbor_skip(&c);
	return scbor_done(&c) ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc sections_check(struct work *w)
{
	struct suit_envelope *e = w->e;

	w->indexes |= (UINT32_C(1) << e->component_count) - 1;
	for (size_t i = 0; i < SUIT_ELEMENTS; i++) {
		if (!w->content[i].p)
			continue;
		if (suit_element_kind[i].section >= 0)
			e->section[suit_element_kind[i].section] = w->content[i];
		else if (suit_element_kind[i].key == SUIT_ELEMENT_TEXT)
			e->text = w->content[i];
		else
			e->coswid = w->content[i];
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
	if (e->coswid.p && coswid_check(e->coswid) != SUIT_OK)
		return SUIT_MALFORMED;
	return e->text.p ? suit_text_check(e) : SUIT_OK;
}

static enum suit_rc decode_parts(struct work *w)
{
	if (w->e->whole.n > SUIT_ENVELOPE_MAX)
		return SUIT_TOO_LARGE;
	enum suit_rc rc = envelope_map(w);
	if (rc == SUIT_OK)
		rc = auth_decode(w);
	if (rc == SUIT_OK)
		rc = digest_holds(w, w->manifest_encoded, &w->e->digest);
	if (rc == SUIT_OK)
		rc = manifest_map(w);
	if (rc == SUIT_OK)
		rc = severed_check(w);
	return rc == SUIT_OK ? sections_check(w) : rc;
}

/* In place: a second envelope on the stack is more than a small device has to spare. */
static enum suit_rc decode(const struct suit_crypto *crypto, struct suit_bytes bytes,
			   bool untagged, struct suit_envelope *ret)
{
	struct work w = { .crypto = crypto, .e = ret };

	memset(ret, 0, sizeof(*ret));
	ret->whole = bytes;
	ret->untagged = untagged;
	enum suit_rc rc = decode_parts(&w);
	if (rc != SUIT_OK)
		memset(ret, 0, sizeof(*ret));
	return rc;
}

enum suit_rc suit_envelope_decode(const struct suit_crypto *crypto, struct suit_bytes bytes,
				  struct suit_envelope *ret)
{
	return decode(crypto, bytes, false, ret);
}

enum suit_rc suit_envelope_decode_untagged(const struct suit_crypto *crypto,
					   struct suit_bytes bytes, struct suit_envelope *ret)
{
	return decode(crypto, bytes, true, ret);
}

/* --- what was decoded, looked at again --------------------------------------------------- */

/* The value of a number's key in a map, at which c then stands. */
static bool key_find(struct scbor *c, size_t entries, int64_t wanted)
{
	for (size_t i = 0; i < entries && scbor_ok(c); i++) {
		if (scbor_peek(c) > SCBOR_NEGATIVE)
			return false; /* payloads' names come last */
		if (scbor_int(c) == wanted)
			return scbor_ok(c);
		scbor_any(c);
	}
	return false;
}

enum suit_rc suit_envelope_element(const struct suit_envelope *e, uint8_t key,
				   struct suit_element *ret)
{
	struct suit_element found = { 0 };
	struct scbor c;

	scbor_init(&c, e->manifest);
	size_t n = scbor_map(&c, 6 + SUIT_ELEMENTS);
	if (element_find(key) < 0 || !key_find(&c, n, key))
		return SUIT_MISSING;
	found.severed = scbor_peek(&c) == SCBOR_ARRAY;
	if (!found.severed) {
		found.content = scbor_bytes(&c);
	} else {
		enum suit_rc rc = suit_digest_read(scbor_any(&c), &found.digest);
		if (rc != SUIT_OK)
			return rc;
		scbor_init(&c, e->whole);
		if (!e->untagged)
			scbor_tag(&c, SUIT_TAG_ENVELOPE);
		n = scbor_map(&c, 2 + SUIT_ELEMENTS + SUIT_PAYLOADS_MAX);
		if (key_find(&c, n, key))
			found.content = scbor_bytes(&c);
	}
	*ret = found;
	return SUIT_OK;
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
