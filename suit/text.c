/* { + language: { * key: text, * component id: { * key: text } } } */

#include "suit/text.h"

#include "suit/cbor.h"

#define TEXT_KEYS_MAX 32 /* in one map */
#define KEY_LAST      SUIT_TEXT_YAML_SOURCE
#define FIELD_LAST    SUIT_TEXT_CURRENT_VERSION

static bool is_letter(uint8_t b)
{
	return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
}

/* Parts of 1 to 8 letters, or digits but in the first, joined by '-' (RFC 9290 appendix A). */
static bool is_language(struct suit_bytes s)
{
	size_t part = 0, parts = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool digit = s.p[i] >= '0' && s.p[i] <= '9';
		if (s.p[i] == '-') {
			if (part == 0)
				return false;
			part = 0;
			parts++;
		} else if (++part > 8 || !(is_letter(s.p[i]) || (digit && parts > 0))) {
			return false;
		}
	}
	return part > 0;
}

/* { * key: text } from the first number to the last, and private ones. */
static enum suit_rc fields_check(struct scbor *c, size_t n, int64_t last)
{
	struct scbor_order order = { 0 };

	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c->p;
		int64_t key = scbor_int(c);
		scbor_key(c, &order, start);
		scbor_text(c);
		if (!scbor_ok(c))
			return SUIT_MALFORMED;
		if (key == 0 || key > last)
			return SUIT_UNKNOWN;
	}
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

static bool is_known(const struct suit_envelope *e, struct suit_bytes encoded)
{
	struct suit_component_id id;

	for (size_t i = 0; i < e->dependency_count; i++)
		if (suit_bytes_equal(e->dependency[i].prefix, encoded))
			return true;
	if (suit_component_read(encoded, &id) != SUIT_OK)
		return false;
	for (size_t i = 0; i < e->component_count; i++)
		if (suit_component_equal(&e->component[i], &id))
			return true;
	return false;
}

/* Numbers come first in the order of keys, so the map is its fields, then its components. */
static enum suit_rc language_check(const struct suit_envelope *e, struct scbor *c)
{
	struct scbor_order order = { 0 };
	size_t n = scbor_map(c, TEXT_KEYS_MAX), fields = 0;
	struct scbor ahead = *c;

	for (; fields < n && scbor_peek(&ahead) <= SCBOR_NEGATIVE; fields++) {
		scbor_any(&ahead);
		scbor_any(&ahead);
	}
	enum suit_rc rc = fields_check(c, fields, KEY_LAST);
	for (size_t i = fields; i < n && rc == SUIT_OK; i++) {
		const uint8_t *start = c->p;
		struct suit_bytes id = scbor_any(c);
		scbor_key(c, &order, start);
		if (!scbor_ok(c) || !is_known(e, id))
			return SUIT_MALFORMED;
		rc = fields_check(c, scbor_map(c, TEXT_KEYS_MAX), FIELD_LAST);
	}
	return rc;
}

enum suit_rc suit_text_check(const struct suit_envelope *e)
{
	struct scbor_order order = { 0 };
	enum suit_rc rc = SUIT_OK;
	struct scbor c;

	scbor_init(&c, e->text);
	size_t n = scbor_map(&c, SUIT_LANGUAGES_MAX);
	if (n == 0)
		return SUIT_MALFORMED;
	for (size_t i = 0; i < n && rc == SUIT_OK; i++) {
		const uint8_t *start = c.p;
		struct suit_bytes language = scbor_text(&c);
		scbor_key(&c, &order, start);
		if (!scbor_ok(&c) || !is_language(language))
			return SUIT_MALFORMED;
		rc = language_check(e, &c);
	}
	return rc == SUIT_OK && !scbor_done(&c) ? SUIT_MALFORMED : rc;
}

/* --- looking up, in a text that was checked ------------------------------------------------
 */

/* Moves c to the value of the key; the whole map is passed when there is none. */
static bool field_find(struct scbor *c, int64_t key)
{
	size_t n = scbor_map(c, TEXT_KEYS_MAX);

	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		if (scbor_peek(c) <= SCBOR_NEGATIVE && scbor_int(c) == key)
			return true;
		if (scbor_peek(c) == SCBOR_ARRAY)
			scbor_any(c);
		scbor_any(c);
	}
	return false;
}

static bool component_find(struct scbor *c, const struct suit_component_id *id)
{
	size_t n = scbor_map(c, TEXT_KEYS_MAX);

	for (size_t i = 0; i < n && scbor_ok(c); i++) {
		struct suit_component_id key;
		if (suit_component_read(scbor_any(c), &key) == SUIT_OK &&
		    suit_component_equal(&key, id))
			return true;
		scbor_any(c);
	}
	return false;
}

struct suit_bytes suit_text_get(const struct suit_envelope *e, struct suit_bytes language,
				const struct suit_component_id *id, int64_t key)
{
	struct scbor c, in;

	scbor_init(&c, e->text);
	size_t n = e->text.p ? scbor_map(&c, SUIT_LANGUAGES_MAX) : 0;
	for (size_t i = 0; i < n && scbor_ok(&c); i++) {
		struct suit_bytes name = scbor_text(&c);
		scbor_init(&in, scbor_any(&c));
		if (language.n > 0 && !suit_bytes_equal(language, name))
			continue;
		if ((!id || component_find(&in, id)) && field_find(&in, key))
			return scbor_text(&in);
	}
	return (struct suit_bytes){ 0 };
}

struct suit_bytes suit_text_language(const struct suit_envelope *e, size_t nth)
{
	struct suit_bytes name = { 0 };
	struct scbor c;

	scbor_init(&c, e->text);
	size_t n = e->text.p ? scbor_map(&c, SUIT_LANGUAGES_MAX) : 0;
	for (size_t i = 0; i < n && i <= nth; i++) {
		name = scbor_text(&c);
		scbor_any(&c);
	}
	return nth < n ? name : (struct suit_bytes){ 0 };
}

struct suit_bytes suit_text_version(const struct suit_envelope *e,
				    const struct suit_component_id *id)
{
	return suit_text_get(e, (struct suit_bytes){ 0 }, id, SUIT_TEXT_VERSION);
}
