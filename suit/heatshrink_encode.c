/* heatshrink's format, written.  Codes have fixed lengths and what is left to code never gets
 * cheaper by being longer, so the longest match is the best match, and one pass from the end
 * finds where a match is worth it. */

#include "suit/heatshrink.h"

struct search {
	struct suit_bytes in;
	size_t window; /* bytes */
	size_t ahead;  /* the longest match */
};

/* Before the first byte the window holds zeros. */
static uint8_t byte_at(const struct search *s, size_t at, size_t distance)
{
	return at < distance ? 0 : s->in.p[at - distance];
}

static size_t match_length(const struct search *s, size_t at, size_t distance, size_t max)
{
	size_t n = 0;

	while (n < max && byte_at(s, at + n, distance) == s->in.p[at + n])
		n++;
	return n;
}

static void match_find(const struct search *s, size_t at, struct suit_heatshrink_work *w)
{
	size_t left = s->in.n - at, max = left < s->ahead ? left : s->ahead;
	size_t best = 0;

	w->length = 0;
	for (size_t distance = 1; distance <= s->window && best < max; distance++) {
		/* Only one that also agrees where the best one ends is longer. */
		if (byte_at(s, at + best, distance) != s->in.p[at + best])
			continue;
		size_t n = match_length(s, at, distance, max);
		if (n <= best)
			continue;
		best = n;
		w->length = (uint16_t)n;
		w->distance = (uint16_t)distance;
	}
}

struct bit_out {
	uint8_t *p;
	size_t size;
	size_t n;
	unsigned bits, have;
};

static void put_bits(struct bit_out *o, unsigned value, unsigned count)
{
	while (count-- > 0) {
		o->bits = o->bits << 1 | ((value >> count) & 1);
		if (++o->have < 8)
			continue;
		if (o->n < o->size)
			o->p[o->n] = (uint8_t)o->bits;
		o->n++;
		o->have = 0;
		o->bits = 0;
	}
}

static bool in_range(struct suit_bytes in, unsigned window_bits, unsigned ahead_bits)
{
	return in.n <= SUIT_HEATSHRINK_IN_MAX && window_bits >= SUIT_HEATSHRINK_WINDOW_MIN &&
	       window_bits <= SUIT_HEATSHRINK_WINDOW_MAX &&
	       ahead_bits >= SUIT_HEATSHRINK_AHEAD_MIN && ahead_bits < window_bits;
}

/* Leaves length 0 where a literal is better. */
static void choose(const struct search *s, unsigned match_bits,
		   struct suit_heatshrink_work *work)
{
	work[s->in.n] = (struct suit_heatshrink_work){ 0 };
	for (size_t at = s->in.n; at-- > 0;) {
		struct suit_heatshrink_work *w = &work[at];

		match_find(s, at, w);
		uint32_t literal = 9 + work[at + 1].cost_bits;
		uint32_t match = match_bits + work[at + w->length].cost_bits;
		if (w->length == 0 || literal <= match)
			w->length = 0;
		w->cost_bits = w->length ? match : literal;
	}
}

enum suit_rc suit_heatshrink_encode(struct suit_bytes in, unsigned window_bits,
				    unsigned ahead_bits, struct suit_heatshrink_work *work,
				    uint8_t *buf, size_t size, size_t *ret_n)
{
	struct search s = { in, (size_t)1 << window_bits, (size_t)1 << ahead_bits };
	struct bit_out o = { .p = buf, .size = size };

	if (!in_range(in, window_bits, ahead_bits))
		return SUIT_TOO_LARGE;
	choose(&s, 1 + window_bits + ahead_bits, work);
	put_bits(&o, (window_bits - 4) << 4 | (ahead_bits - 3), 8);
	for (size_t at = 0; at < in.n; at += work[at].length ? work[at].length : 1) {
		put_bits(&o, work[at].length == 0, 1);
		if (work[at].length == 0) {
			put_bits(&o, in.p[at], 8);
			continue;
		}
		put_bits(&o, work[at].distance - 1u, window_bits);
		put_bits(&o, work[at].length - 1u, ahead_bits);
	}
	if (o.have > 0)
		put_bits(&o, 0, 8 - o.have);
	*ret_n = o.n;
	return o.n <= size ? SUIT_OK : SUIT_NO_SPACE;
}
