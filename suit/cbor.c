/* The cursor over deterministic CBOR, and the bounded writer. */

#include "suit/cbor.h"

#include <string.h>

void scbor_init(struct scbor *c, struct suit_bytes b)
{
	c->p = b.p;
	c->end = b.n > 0 ? b.p + b.n : b.p;
	c->bad = false;
}

bool scbor_ok(const struct scbor *c)
{
	return !c->bad;
}

bool scbor_done(const struct scbor *c)
{
	return !c->bad && c->p == c->end;
}

enum scbor_major scbor_peek(const struct scbor *c)
{
	if (c->bad || c->p == c->end)
		return SCBOR_END;
	return (enum scbor_major)(*c->p >> 5);
}

static size_t left(const struct scbor *c)
{
	return (size_t)(c->end - c->p);
}

/* Reads a head of the major type.  Only the shortest form is taken; additional information 28
 * to 31 (reserved, indefinite) never is. */
static uint64_t head(struct scbor *c, enum scbor_major major)
{
	if (c->bad || c->p == c->end || (*c->p >> 5) != (uint8_t)major) {
		c->bad = true;
		return 0;
	}
	unsigned info = *c->p++ & 31;
	if (info < 24)
		return info;
	if (info > 27 || left(c) < (size_t)1 << (info - 24)) {
		c->bad = true;
		return 0;
	}
	size_t bytes = (size_t)1 << (info - 24);
	uint64_t v = 0;
	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | *c->p++;
	static const uint64_t least[] = { 24, 0x100, 0x10000, 0x100000000 };
	if (v < least[info - 24])
		c->bad = true;
	return c->bad ? 0 : v;
}

uint64_t scbor_uint(struct scbor *c)
{
	return head(c, SCBOR_UINT);
}

int64_t scbor_int(struct scbor *c)
{
	bool negative = scbor_peek(c) == SCBOR_NEGATIVE;
	uint64_t v = head(c, negative ? SCBOR_NEGATIVE : SCBOR_UINT);

	if (v > INT64_MAX)
		c->bad = true;
	if (c->bad)
		return 0;
	return negative ? -1 - (int64_t)v : (int64_t)v;
}

static struct suit_bytes take(struct scbor *c, uint64_t n)
{
	if (c->bad || n > left(c)) {
		c->bad = true;
		return (struct suit_bytes){ 0 };
	}
	struct suit_bytes b = { c->p, (size_t)n };
	c->p += n;
	return b;
}

struct suit_bytes scbor_bytes(struct scbor *c)
{
	uint64_t n = head(c, SCBOR_BYTES);

	return take(c, n);
}

/* No overlong forms, no surrogates, nothing above U+10FFFF. */
bool scbor_utf8(struct suit_bytes b)
{
	size_t i = 0;

	while (i < b.n) {
		uint8_t lead = b.p[i++];
		if (lead < 0x80)
			continue;
		unsigned more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
		uint32_t v = lead & (0x3fu >> more);
		if (lead < 0xc2 || lead > 0xf4 || b.n - i < more)
			return false;
		for (unsigned k = 0; k < more; k++, i++) {
			if ((b.p[i] & 0xc0) != 0x80)
				return false;
			v = v << 6 | (b.p[i] & 0x3f);
		}
		static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
		if (v < least[more] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
			return false;
	}
	return true;
}

struct suit_bytes scbor_text(struct scbor *c)
{
	uint64_t n = head(c, SCBOR_TEXT);
	struct suit_bytes b = take(c, n);

	if (!c->bad && !scbor_utf8(b))
		c->bad = true;
	return b;
}

static size_t counted(struct scbor *c, enum scbor_major major, size_t max)
{
	uint64_t n = head(c, major);

	if (n > max)
		c->bad = true;
	return c->bad ? 0 : (size_t)n;
}

size_t scbor_array(struct scbor *c, size_t max)
{
	return counted(c, SCBOR_ARRAY, max);
}

size_t scbor_map(struct scbor *c, size_t max)
{
	return counted(c, SCBOR_MAP, max);
}

void scbor_tag(struct scbor *c, uint64_t tag)
{
	if (head(c, SCBOR_TAG) != tag)
		c->bad = true;
}

void scbor_null(struct scbor *c)
{
	if (head(c, SCBOR_SIMPLE) != 22)
		c->bad = true;
}

bool scbor_bool(struct scbor *c)
{
	uint64_t v = head(c, SCBOR_SIMPLE);

	if (v != 20 && v != 21)
		c->bad = true;
	return v == 21;
}

void scbor_key(struct scbor *c, struct scbor_order *order, const uint8_t *key_start)
{
	struct suit_bytes key = { key_start, (size_t)(c->p - key_start) };

	if (c->bad)
		return;
	if (order->last.p) {
		size_t n = key.n < order->last.n ? key.n : order->last.n;
		int cmp = memcmp(order->last.p, key.p, n);
		if (cmp > 0 || (cmp == 0 && order->last.n >= key.n))
			c->bad = true;
	}
	order->last = key;
}

static void any(struct scbor *c, unsigned depth);

static void any_map(struct scbor *c, unsigned depth)
{
	/* Every entry takes at least two bytes, so the bytes bound the count. */
	size_t n = scbor_map(c, left(c) / 2);
	struct scbor_order order = { 0 };

	for (size_t i = 0; i < n && !c->bad; i++) {
		const uint8_t *start = c->p;
		any(c, depth);
		scbor_key(c, &order, start);
		any(c, depth);
	}
}

static void any_array(struct scbor *c, unsigned depth)
{
	size_t n = scbor_array(c, left(c));

	for (size_t i = 0; i < n && !c->bad; i++)
		any(c, depth);
}

/* Recursion ends at SUIT_DEPTH_MAX. */
static void any(struct scbor *c, unsigned depth)
{
	if (depth == 0) {
		c->bad = true;
		return;
	}
	switch (scbor_peek(c)) {
	case SCBOR_UINT:
		scbor_uint(c);
		return;
	case SCBOR_NEGATIVE:
		head(c, SCBOR_NEGATIVE);
		return;
	case SCBOR_BYTES:
		scbor_bytes(c);
		return;
	case SCBOR_TEXT:
		scbor_text(c);
		return;
	case SCBOR_ARRAY:
		any_array(c, depth - 1);
		return;
	case SCBOR_MAP:
		any_map(c, depth - 1);
		return;
	case SCBOR_TAG:
		head(c, SCBOR_TAG);
		any(c, depth - 1);
		return;
	case SCBOR_SIMPLE:
		/* false, true, null; SUIT knows neither undefined nor floats */
		if (c->p[0] < 0xf4 || c->p[0] > 0xf6)
			c->bad = true;
		else
			c->p++;
		return;
	case SCBOR_END:
		c->bad = true;
		return;
	}
}

struct suit_bytes scbor_any(struct scbor *c)
{
	const uint8_t *start = c->p;

	any(c, SUIT_DEPTH_MAX);
	return (struct suit_bytes){ start, c->bad ? 0 : (size_t)(c->p - start) };
}

struct suit_bytes scbor_skip(struct scbor *c)
{
	const uint8_t *start = c->p;

	for (size_t items = 1; items > 0 && !c->bad; items--) {
		enum scbor_major major = scbor_peek(c);
		uint64_t n = major == SCBOR_END ? 0 : head(c, major);
		if (major == SCBOR_BYTES || major == SCBOR_TEXT)
			take(c, n);
		else if (major == SCBOR_ARRAY || major == SCBOR_MAP)
			items += n <= left(c) ? (size_t)n << (major == SCBOR_MAP) : left(c) + 1;
		else if (major == SCBOR_TAG)
			items++;
		else if (major == SCBOR_END)
			c->bad = true;
	}
	return (struct suit_bytes){ start, c->bad ? 0 : (size_t)(c->p - start) };
}

/* --- writing ------------------------------------------------------------------------------ */

void scbor_out_init(struct scbor_out *o, uint8_t *p, size_t size)
{
	*o = (struct scbor_out){ .p = p, .size = size };
}

bool scbor_out_fits(const struct scbor_out *o)
{
	return o->n <= o->size;
}

struct suit_bytes scbor_out_bytes(const struct scbor_out *o)
{
	return (struct suit_bytes){ o->p, scbor_out_fits(o) ? o->n : 0 };
}

void scbor_put_raw(struct scbor_out *o, struct suit_bytes b)
{
	if (b.n > 0 && o->n <= o->size && b.n <= o->size - o->n)
		memcpy(o->p + o->n, b.p, b.n);
	o->n += b.n;
}

static void put_head(struct scbor_out *o, enum scbor_major major, uint64_t v)
{
	uint8_t b[9];
	unsigned bytes = v < 24 ? 0 : v < 0x100 ? 1 : v < 0x10000 ? 2 : v < 0x100000000 ? 4 : 8;
	unsigned info = bytes == 0   ? (unsigned)v
			: bytes == 1 ? 24
			: bytes == 2 ? 25
			: bytes == 4 ? 26
				     : 27;

	b[0] = (uint8_t)((unsigned)major << 5 | info);
	for (unsigned i = 0; i < bytes; i++)
		b[1 + i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
	scbor_put_raw(o, (struct suit_bytes){ b, 1 + bytes });
}

void scbor_put_uint(struct scbor_out *o, uint64_t v)
{
	put_head(o, SCBOR_UINT, v);
}

void scbor_put_int(struct scbor_out *o, int64_t v)
{
	if (v < 0)
		put_head(o, SCBOR_NEGATIVE, (uint64_t)(-1 - v));
	else
		put_head(o, SCBOR_UINT, (uint64_t)v);
}

void scbor_put_bytes(struct scbor_out *o, struct suit_bytes b)
{
	put_head(o, SCBOR_BYTES, b.n);
	scbor_put_raw(o, b);
}

void scbor_put_text(struct scbor_out *o, struct suit_bytes b)
{
	put_head(o, SCBOR_TEXT, b.n);
	scbor_put_raw(o, b);
}

void scbor_put_array(struct scbor_out *o, size_t count)
{
	put_head(o, SCBOR_ARRAY, count);
}

void scbor_put_map(struct scbor_out *o, size_t count)
{
	put_head(o, SCBOR_MAP, count);
}

void scbor_put_tag(struct scbor_out *o, uint64_t tag)
{
	put_head(o, SCBOR_TAG, tag);
}

void scbor_put_null(struct scbor_out *o)
{
	put_head(o, SCBOR_SIMPLE, 22);
}

void scbor_put_bytes_head(struct scbor_out *o, size_t n)
{
	put_head(o, SCBOR_BYTES, n);
}
