/* CBOR, read by a cursor and written into a buffer. */

#include "lock.h"

static uint64_t big_endian(struct cbor *c, unsigned n)
{
	uint64_t v = 0;
	if ((size_t)(c->end - c->p) < n) {
		c->bad = true;
		return 0;
	}
	while (n--)
		v = v << 8 | *c->p++;
	return v;
}

uint64_t cbor_head(struct cbor *c, unsigned major)
{
	unsigned first = (unsigned)big_endian(c, 1), low = first & 31;
	if (c->bad || first >> 5 != major || low > 27) {
		c->bad = true;
		return 0;
	}
	if (low < 24)
		return low;
	uint64_t v = big_endian(c, 1u << (low - 24));
#if MINOR || RELEASE >= 2
	static const uint64_t least[4] = { 24, 0x100, 0x10000, 0x100000000 };
	if (v < least[low - 24])
		c->bad = true;
#endif
	return v;
}

bool cbor_text_is(struct cbor *c, const char *text)
{
	uint64_t n = cbor_head(c, 3);
	if (c->bad || n > (size_t)(c->end - c->p)) {
		c->bad = true;
		return false;
	}
	const uint8_t *p = c->p;
	c->p += n;
	return n == strlen(text) && memcmp(p, text, n) == 0;
}

void cbor_skip(struct cbor *c, unsigned depth)
{
	if (c->bad || c->p == c->end || depth == 0) {
		c->bad = true;
		return;
	}
	unsigned major = *c->p >> 5;
	uint64_t n = cbor_head(c, major);
	if (major == 2 || major == 3) {
		if (n > (size_t)(c->end - c->p))
			c->bad = true;
		else
			c->p += n;
	}
	if (major == 6)
		cbor_skip(c, depth - 1);
	if (major == 5)
		n *= 2;
	if (major == 4 || major == 5)
		while (n-- && !c->bad)
			cbor_skip(c, depth - 1);
}

static void put_byte(struct cbor_out *o, uint8_t byte)
{
	if (o->n < o->size)
		o->p[o->n] = byte;
	o->n++;
}

void cbor_put(struct cbor_out *o, unsigned major, uint64_t value)
{
	unsigned bytes = value < 24        ? 0
			 : value < 0x100   ? 1
			 : value < 0x10000 ? 2
			 : value >> 32     ? 8
					   : 4;
	unsigned low = bytes == 0   ? (unsigned)value
		       : bytes == 1 ? 24
		       : bytes == 2 ? 25
		       : bytes == 4 ? 26
				    : 27;
	put_byte(o, (uint8_t)(major << 5 | low));
	while (bytes--)
		put_byte(o, (uint8_t)(value >> (8 * bytes)));
}

void cbor_put_int(struct cbor_out *o, int64_t value)
{
	if (value < 0)
		cbor_put(o, 1, (uint64_t)(-1 - value));
	else
		cbor_put(o, 0, (uint64_t)value);
}

void cbor_put_text(struct cbor_out *o, const char *text)
{
	size_t n = strlen(text);
	cbor_put(o, 3, n);
	while (n--)
		put_byte(o, (uint8_t)*text++);
}
