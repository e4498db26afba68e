/* heatshrink's format, written.  Codes have fixed lengths and what is left to code never gets
 * cheaper by being longer, so the longest match is the best match, and one pass from the end
 * finds where a match is worth it. */

#include "suit/heatshrink.h"

#include <string.h>

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

/* How long the matches at all distances are, for one byte after the other from the end: a match
 * here is one byte longer than there, or none. */
#define BLOCK 16 /* what a compiler makes vectors of; the smallest window */

struct matches {
	uint16_t length[1u << SUIT_HEATSHRINK_WINDOW_MAX]; /* the farthest first */
	size_t far; /* the last byte that those beyond the nearest block are for */
};

static uint16_t longer(uint16_t length, bool agrees, size_t ahead)
{
	return (uint16_t)(agrees ? length + (length < ahead) : 0);
}

/* Lengths first to last - 1, whole blocks; returns the longest. */
static uint16_t matches_at(const struct search *s, size_t at, struct matches *m, size_t first,
			   size_t last)
{
	const uint8_t *from = s->in.p + (at < s->window ? 0 : at - s->window);
	uint8_t byte = s->in.p[at];
	uint16_t ahead = (uint16_t)s->ahead, best[BLOCK] = { 0 };

	for (size_t block = first; block < last; block += BLOCK) {
		uint8_t zeros[BLOCK]; /* close to the beginning */
		const uint8_t *p = from + block;
		if (at < s->window) {
			for (size_t i = 0; i < BLOCK; i++)
				zeros[i] = byte_at(s, at, s->window - block - i);
			p = zeros;
		}
		for (size_t i = 0; i < BLOCK; i++) {
			uint16_t *length = &m->length[block + i];
			*length = longer(*length, p[i] == byte, ahead);
			best[i] = best[i] < *length ? *length : best[i];
		}
	}
	for (size_t i = 1; i < BLOCK; i++)
		best[0] = best[0] < best[i] ? best[i] : best[0];
	return best[0];
}

/* Those that were not needed since the byte `far`: a match is never longer than the lookahead,
 * so what is behind that does not count. */
static uint16_t matches_far(const struct search *s, size_t at, struct matches *m)
{
	size_t last = s->window - BLOCK;
	uint16_t best = 0;

	if (m->far - at > s->ahead) {
		memset(m->length, 0, last * sizeof(m->length[0]));
		m->far = at + s->ahead;
	}
	while (m->far > at)
		best = matches_at(s, --m->far, m, 0, last);
	return best;
}

/* The longest match, at the smallest distance. */
static void match_find(const struct search *s, size_t at, struct matches *m,
		       struct suit_heatshrink_work *w)
{
	size_t i = s->window;

	w->length = matches_at(s, at, m, s->window - BLOCK, s->window);
	if (w->length < s->ahead && w->length < s->in.n - at) {
		uint16_t far = matches_far(s, at, m);
		w->length = w->length < far ? far : w->length;
	}
	while (w->length > 0 && m->length[--i] != w->length)
		;
	w->distance = (uint16_t)(s->window - i);
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
	struct matches m = { .far = s->in.n };

	work[s->in.n] = (struct suit_heatshrink_work){ 0 };
	for (size_t at = s->in.n; at-- > 0;) {
		struct suit_heatshrink_work *w = &work[at];

		match_find(s, at, &m, w);
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
