/* Integer keys, deterministic encoding: the library's writer keeps the heads short, we keep the
 * keys in order. */
#include "agent/proto.h"

#include "suit/cbor.h"

#include <string.h>

#define KEYS_MAX 16

static const uint8_t cbor_true = 0xf5;

static struct suit_bytes text_bytes(const char *s)
{
	return (struct suit_bytes){ (const uint8_t *)s, strlen(s) };
}

static void put_text(struct scbor_out *o, const char *s)
{
	scbor_put_text(o, text_bytes(s));
}

/* --- registration
 * ------------------------------------------------------------------------------ */

/* Deterministic order of text keys: the shorter first, then by bytes (RFC 8949 section 4.2.1).
 */
static bool before(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	return n != m ? n < m : strcmp(a, b) < 0;
}

static void put_component(struct scbor_out *o, const struct proto_component *c)
{
	put_text(o, c->name);
	scbor_put_array(o, 2);
	if (c->known)
		scbor_put_bytes(o, (struct suit_bytes){ c->digest.b, sizeof(c->digest.b) });
	else
		scbor_put_null(o);
	if (c->version && c->version[0])
		put_text(o, c->version);
	else
		scbor_put_null(o);
}

static void put_components(struct scbor_out *o, const struct proto_register *r)
{
	const struct proto_component *sorted[PROTO_COMPONENTS_MAX];
	size_t n = 0;
	for (; n < r->component_count; n++) {
		size_t at = n;
		for (; at > 0 && before(r->component[n].name, sorted[at - 1]->name); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &r->component[n];
	}
	scbor_put_map(o, n);
	for (size_t i = 0; i < n; i++)
		put_component(o, sorted[i]);
}

static void put_attributes(struct scbor_out *o, const struct proto_register *r)
{
	const struct proto_attribute *sorted[PROTO_ATTRIBUTES_MAX];
	size_t n = 0;
	for (; n < r->attribute_count; n++) {
		size_t at = n;
		for (; at > 0 && before(r->attribute[n].name, sorted[at - 1]->name); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &r->attribute[n];
	}
	scbor_put_map(o, n);
	for (size_t i = 0; i < n; i++) {
		put_text(o, sorted[i]->name);
		put_text(o, sorted[i]->value);
	}
}

static void put_last(struct scbor_out *o, const struct boot_last *last)
{
	scbor_put_map(o, 4);
	scbor_put_uint(o, 1);
	scbor_put_uint(o, last->job);
	scbor_put_uint(o, 2);
	scbor_put_uint(o, last->attempt);
	scbor_put_uint(o, 3);
	scbor_put_uint(o, (uint64_t)last->outcome);
	scbor_put_uint(o, 4);
	put_text(o, last->reason);
}

static void put_formats(struct scbor_out *o, const struct proto_register *r)
{
	scbor_put_array(o, (size_t)__builtin_popcount(r->formats) + (r->key_word != NULL));
	for (int f = 0; f < FORMAT_COUNT; f++)
		if (r->formats & FORMAT_BIT(f))
			put_text(o, format_word((enum format)f));
	if (r->key_word)
		put_text(o, r->key_word);
}

static void put_capabilities(struct scbor_out *o, const struct proto_register *r)
{
	scbor_put_map(o, 3u + (r->formats != 0) + r->only_encrypted);
	scbor_put_uint(o, 1);
	scbor_put_uint(o, r->envelope_max);
	scbor_put_uint(o, 2);
	scbor_put_uint(o, r->image_max);
	scbor_put_uint(o, 3);
	scbor_put_uint(o, r->block_size);
	if (r->formats) {
		scbor_put_uint(o, 4);
		put_formats(o, r);
	}
	if (r->only_encrypted) {
		scbor_put_uint(o, 5);
		scbor_put_raw(o, (struct suit_bytes){ &cbor_true, 1 });
	}
}

size_t proto_put_register(const struct proto_register *r, uint8_t *buf, size_t size)
{
	struct scbor_out o;
	bool last = r->last.outcome != BOOT_NOTHING;
	scbor_out_init(&o, buf, size);
	scbor_put_map(&o, 6u + (r->attribute_count > 0) + last);
	scbor_put_uint(&o, 1);
	put_text(&o, r->endpoint);
	scbor_put_uint(&o, 2);
	scbor_put_bytes(&o, (struct suit_bytes){ r->vendor_id.b, sizeof(r->vendor_id.b) });
	scbor_put_uint(&o, 3);
	scbor_put_bytes(&o, (struct suit_bytes){ r->class_id.b, sizeof(r->class_id.b) });
	scbor_put_uint(&o, 4);
	put_components(&o, r);
	scbor_put_uint(&o, 5);
	scbor_put_bytes(&o, (struct suit_bytes){ r->boot_id, sizeof(r->boot_id) });
	scbor_put_uint(&o, 6);
	put_capabilities(&o, r);
	if (r->attribute_count > 0) {
		scbor_put_uint(&o, 8);
		put_attributes(&o, r);
	}
	if (last) {
		scbor_put_uint(&o, 9);
		put_last(&o, &r->last);
	}
	return scbor_out_fits(&o) ? o.n : 0;
}

/* --- progress
 * ---------------------------------------------------------------------------------- */

size_t proto_put_progress(const struct proto_progress *p, uint8_t *buf, size_t size)
{
	struct scbor_out o;
	bool cause = p->cause != PROTO_CAUSE_NONE;
	bool text = p->text && p->text[0];
	scbor_out_init(&o, buf, size);
	scbor_put_map(&o, 1u + 2u * p->counted + cause + text);
	scbor_put_uint(&o, 1);
	scbor_put_uint(&o, (uint64_t)p->state);
	if (p->counted) {
		scbor_put_uint(&o, 2);
		scbor_put_uint(&o, p->done);
		scbor_put_uint(&o, 3);
		scbor_put_uint(&o, p->total);
	}
	if (cause) {
		scbor_put_uint(&o, 4);
		scbor_put_uint(&o, (uint64_t)p->cause);
	}
	if (text) {
		scbor_put_uint(&o, 5);
		put_text(&o, p->text);
	}
	return scbor_out_fits(&o) ? o.n : 0;
}

/* --- answers
 * ----------------------------------------------------------------------------------- */

/* The next key of a map; they come in order, so none comes twice. */
static int64_t read_key(struct scbor *c, struct scbor_order *order)
{
	const uint8_t *start = c->p;
	int64_t key = scbor_int(c);
	scbor_key(c, order, start);
	return key;
}

static uint64_t read_again(struct scbor *c)
{
	uint64_t again = scbor_uint(c);
	c->bad |= again > PROTO_AGAIN_MAX_S;
	return again;
}

bool proto_get_registered(struct suit_bytes b, uint64_t *ret_again_s)
{
	struct scbor c;
	struct scbor_order order = { 0 };
	uint64_t again = 0;
	bool has = false;
	scbor_init(&c, b);
	size_t count = scbor_map(&c, KEYS_MAX);
	for (size_t i = 0; i < count && scbor_ok(&c); i++) {
		if (read_key(&c, &order) == 2) {
			again = read_again(&c);
			has = true;
		} else {
			scbor_any(&c);
		}
	}
	if (!scbor_done(&c) || !has)
		return false;
	*ret_again_s = again;
	return true;
}

/* Which keys came, as bits. */
static unsigned read_offer(struct scbor *c, struct proto_offer *o)
{
	struct scbor_order order = { 0 };
	unsigned seen = 0;
	size_t count = scbor_map(c, KEYS_MAX);
	for (size_t i = 0; i < count && scbor_ok(c); i++) {
		int64_t key = read_key(c, &order);
		uint64_t kind;
		struct suit_bytes digest;
		switch (key) {
		case 1:
			kind = scbor_uint(c);
			c->bad |= kind > 1;
			o->offered = kind == 1;
			break;
		case 2:
			o->again_s = read_again(c);
			break;
		case 3:
			o->job = scbor_uint(c);
			break;
		case 4:
			o->attempt = scbor_uint(c);
			break;
		case 5:
			digest = scbor_bytes(c);
			if (digest.n == sizeof(o->manifest.b))
				memcpy(o->manifest.b, digest.p, digest.n);
			else
				c->bad = true;
			break;
		case 6:
			o->envelope_size = scbor_uint(c);
			break;
		default:
			scbor_any(c);
		}
		if (key >= 1 && key <= 6)
			seen |= 1u << key;
	}
	return seen;
}

bool proto_get_offer(struct suit_bytes b, struct proto_offer *ret)
{
	struct scbor c;
	struct proto_offer o = { 0 };
	scbor_init(&c, b);
	unsigned seen = read_offer(&c, &o);
	unsigned wanted = o.offered ? 0x7eu : 0x06u;
	if (!scbor_done(&c) || (seen & wanted) != wanted)
		return false;
	*ret = o;
	return true;
}

bool proto_get_reported(struct suit_bytes b, bool *ret_stop)
{
	struct scbor_order order = { 0 };
	struct scbor c;
	bool stop = false;
	if (b.n == 0) {
		*ret_stop = false;
		return true;
	}
	scbor_init(&c, b);
	size_t count = scbor_map(&c, KEYS_MAX);
	for (size_t i = 0; i < count && scbor_ok(&c); i++) {
		if (read_key(&c, &order) == 1)
			stop = scbor_bool(&c);
		else
			scbor_any(&c);
	}
	if (!scbor_done(&c))
		return false;
	*ret_stop = stop;
	return true;
}
