/* LZMA, written.  The stream is a row of symbols: a byte as it is, or a match with what was
 * written before.  What a symbol costs depends on all before it: on the probabilities, on the
 * history, and on the distances used last, which are cheap to use again.
 *
 * So from where it stands it carries many ways on from byte to byte, each with its own history
 * and distances, takes the one that is cheapest some hundred bytes further on, writes its
 * first symbols, and looks again at the prices that they have changed. */

#include "suit/lzma_encode.h"

#include "suit/lzma_model.h"

#include <string.h>

#define HORIZON        1024 /* bytes that are looked ahead at most, */
#define LOOK           256  /* or so many places that are worth a look */
#define WAYS           8
#define DEPTH          96 /* places that are compared */
#define LENGTH_MAX     273
#define RUN_MAX        300
#define NEAR           8          /* distances that are always compared */
#define SURE           LENGTH_MAX /* a match so long is taken */
#define MARGIN         16 /* lengths at either end of a match; those between are no better */
#define RUN_HEADS      4096
#define DISTANCES_NEAR 128 /* those of slots below SLOTS_LOW */
#define SLOTS          24  /* of this dictionary */
#define PRICE_BIT      64  /* the price of a bit whose chances are even */

/* The larger the input, the less care, or it would take too long. */
static const struct care {
	size_t max;    /* bytes of the input */
	size_t ways;   /* kept at each byte */
	size_t commit; /* places worth a look that are written at a time */
} cares[] = {
	{ 32 << 10, WAYS, 32 },
	{ 96 << 10, 5, 64 },
	{ SIZE_MAX, 3, 128 }, /* also of the first time, when there is a second */
};
#define CARES (sizeof(cares) / sizeof(cares[0]))

enum op {
	OP_LITERAL,
	OP_MATCH,
	OP_SHORT, /* one byte at the last distance */
	OP_REP0,  /* a match at the last distance, at the one before, ... */
	OP_REP1,
	OP_REP2,
	OP_REP3,
	OPS,
};

/* A way to somewhere: its last symbol, and how things are behind it. */
struct node {
	uint32_t price;
	uint16_t rep[4]; /* distances - 1 */
	uint16_t length; /* of the last symbol */
	uint8_t op;
	uint8_t history;
	uint8_t from; /* which of the ways to where it began */
};

/* About a place in the input. */
struct place {
	uint16_t back; /* to the last one that begins like it; 0: none */
	uint16_t run;  /* of one byte from here on */
};

struct match {
	uint16_t length, distance;
};

/* Lengths, both ends included. */
struct span {
	unsigned first, last;
};

/* The bits of a symbol, each with its probability's index. */
#define EVEN UINT16_MAX /* none: written as it is */
struct bits {
	size_t n;
	uint16_t prob[40];
	uint8_t bit[40];
};

struct writer {
	struct suit_bytes in;
	size_t at;
	struct care care;
	struct node now; /* its history and distances */
	uint16_t prob[SUIT_LZMA_PROBS(0)];
	uint16_t end[SUIT_LZMA_PROBS(0)];  /* what they were at the end, the first time */
	uint16_t view[SUIT_LZMA_PROBS(0)]; /* what prices are made of */
	bool again;                        /* not the first time */

	uint16_t bit_price[256];
	uint32_t head_price[12][OPS];
	uint32_t length_price[2][LENGTH_MAX + 1];
	uint32_t near_price[4][DISTANCES_NEAR];
	uint32_t slot_price[4][SLOTS]; /* with what is written as it is */
	uint32_t align_price[16];

	struct match match[LENGTH_MAX];
	size_t matches;
	struct node node[HORIZON + 1][WAYS];
	uint8_t ways[HORIZON + 1];
	uint32_t limit[HORIZON + 1]; /* a way must cost less */
	struct node path[HORIZON];   /* the last symbol first */

	uint8_t *buf;
	size_t size, n; /* n goes on beyond size */
	uint64_t low, pending;
	uint32_t range;
	uint8_t cache;

	uint32_t pair_head[1 << 16], run_head[RUN_HEADS]; /* places + 1 */
	struct place place[];
};

size_t suit_lzma_encode_memory(size_t n)
{
	return sizeof(struct writer) + n * sizeof(struct place);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* --- the bits of symbols ------------------------------------------------------------------ */

static void bit_add(struct bits *b, unsigned prob, unsigned bit)
{
	b->prob[b->n] = (uint16_t)prob;
	b->bit[b->n++] = (uint8_t)bit;
}

static void tree_add(struct bits *b, unsigned tree, unsigned n, unsigned value)
{
	unsigned symbol = 1;

	while (n-- > 0) {
		bit_add(b, tree + symbol, value >> n & 1);
		symbol = symbol << 1 | (value >> n & 1);
	}
}

static void reversed_add(struct bits *b, unsigned tree, unsigned n, unsigned value)
{
	unsigned symbol = 1;

	for (unsigned i = 0; i < n; i++) {
		bit_add(b, tree + symbol, value >> i & 1);
		symbol = symbol << 1 | (value >> i & 1);
	}
}

/* Which kind of symbol it is. */
static void op_add(struct bits *b, unsigned history, enum op op)
{
	bit_add(b, P_MATCH + (history << 4), op != OP_LITERAL);
	if (op == OP_LITERAL)
		return;
	bit_add(b, P_REP + history, op != OP_MATCH);
	if (op == OP_MATCH)
		return;
	bit_add(b, P_REP0 + history, op > OP_REP0);
	if (op <= OP_REP0) {
		bit_add(b, P_LONG + (history << 4), op == OP_REP0);
		return;
	}
	bit_add(b, P_REP1 + history, op > OP_REP1);
	if (op > OP_REP1)
		bit_add(b, P_REP2 + history, op > OP_REP2);
}

/* compared: with the byte at the last distance, behind a match. */
static void literal_add(struct bits *b, bool compared, unsigned byte, unsigned other)
{
	unsigned symbol = 1;

	for (unsigned i = 8; i-- > 0;) {
		unsigned bit = byte >> i & 1, like = other >> i & 1;
		bit_add(b, P_LITERAL + (compared ? 256 + (like << 8) : 0) + symbol, bit);
		compared = compared && bit == like;
		symbol = symbol << 1 | bit;
	}
}

static void length_add(struct bits *b, bool in_rep, unsigned length)
{
	unsigned probs = P_LENGTH + (in_rep ? LENGTH_PROBS : 0), n = length - LENGTH_MIN;

	bit_add(b, probs, n >= 8);
	if (n < 8) {
		tree_add(b, probs + 2, 3, n);
		return;
	}
	bit_add(b, probs + 1, n >= 16);
	if (n < 16)
		tree_add(b, probs + 2 + 128, 3, n - 8);
	else
		tree_add(b, probs + 2 + 256, 8, n - 16);
}

static unsigned distance_context(unsigned length)
{
	return length - LENGTH_MIN < 3 ? length - LENGTH_MIN : 3;
}

/* low: bits below the slot's. */
static unsigned slot_of(unsigned distance, unsigned *ret_low)
{
	*ret_low = 0;
	if (distance < 4)
		return distance;
	*ret_low = 30 - (unsigned)__builtin_clz(distance);
	return 2 * *ret_low + (distance >> *ret_low);
}

static void distance_add(struct bits *b, unsigned context, unsigned distance)
{
	unsigned low, slot = slot_of(distance, &low), rest = distance & ((1u << low) - 1);

	tree_add(b, P_SLOT + 64 * context, 6, slot);
	if (slot >= SLOTS_LOW) {
		for (unsigned i = low; i-- > 4;)
			bit_add(b, EVEN, rest >> i & 1);
		reversed_add(b, P_ALIGN, 4, rest & 15);
	} else if (low > 0) {
		reversed_add(b, P_LOW + distance - rest - slot, low, rest);
	}
}

/* --- prices ------------------------------------------------------------------------------- */

/* By squaring, as LZMA's writers do: 1/64 bit for each. */
static void bit_prices(uint16_t price[256])
{
	for (unsigned i = 0; i < 256; i++) {
		uint32_t chance = i * 8 + 4;
		unsigned bits = 0;
		for (unsigned squared = 0; squared < 6; squared++) {
			chance *= chance;
			for (bits <<= 1; chance >= 1 << 16; bits++)
				chance >>= 1;
		}
		price[i] = (uint16_t)(11 * PRICE_BIT - 15 - bits);
	}
}

static uint32_t price_of(const struct writer *w, const struct bits *b)
{
	uint32_t ret = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (b->prob[i] == EVEN) {
			ret += PRICE_BIT;
			continue;
		}
		unsigned chance = w->view[b->prob[i]];
		ret += w->bit_price[(b->bit[i] ? PROB_ONE - chance : chance) >> 3];
	}
	return ret;
}

static void distance_prices(struct writer *w)
{
	for (unsigned context = 0; context < 4; context++) {
		for (unsigned d = 0; d < DISTANCES_NEAR; d++) {
			struct bits b = { 0 };
			distance_add(&b, context, d);
			w->near_price[context][d] = price_of(w, &b);
		}
		for (unsigned slot = SLOTS_LOW; slot < SLOTS; slot++) {
			struct bits b = { 0 };
			tree_add(&b, P_SLOT + 64 * context, 6, slot);
			w->slot_price[context][slot] =
				price_of(w, &b) + (slot / 2 - 5) * PRICE_BIT;
		}
	}
	for (unsigned d = 0; d < 16; d++) {
		struct bits b = { 0 };
		reversed_add(&b, P_ALIGN, 4, d);
		w->align_price[d] = price_of(w, &b);
	}
}

static void prices_make(struct writer *w)
{
	struct bits b;

	/* What they will be counts too: at the beginning they know nothing. */
	for (size_t i = 0; i < SUIT_LZMA_PROBS(0); i++)
		w->view[i] = w->again ? (uint16_t)((w->prob[i] + w->end[i]) / 2) : w->prob[i];
	for (unsigned h = 0; h < 12; h++)
		for (unsigned op = 0; op < OPS; op++) {
			b.n = 0;
			op_add(&b, h, (enum op)op);
			w->head_price[h][op] = price_of(w, &b);
		}
	for (unsigned in_rep = 0; in_rep < 2; in_rep++)
		for (unsigned n = LENGTH_MIN; n <= LENGTH_MAX; n++) {
			b.n = 0;
			length_add(&b, in_rep, n);
			w->length_price[in_rep][n] = price_of(w, &b);
		}
	distance_prices(w);
}

static uint32_t distance_price(const struct writer *w, unsigned context, unsigned distance)
{
	unsigned low;

	if (distance < DISTANCES_NEAR)
		return w->near_price[context][distance];
	return w->slot_price[context][slot_of(distance, &low)] + w->align_price[distance & 15];
}

/* --- matches ------------------------------------------------------------------------------ */

/* Of two places that begin alike either a pair of bytes is the same, or a run of one byte and
 * what comes behind it: inside a run every place looks like every other. */
static uint32_t *head_of(struct writer *w, size_t at)
{
	const uint8_t *p = w->in.p + at;
	unsigned run = w->place[at].run, next = at + run < w->in.n ? p[run] : 0;

	if (run < 3)
		return &w->pair_head[p[0] << 8 | (run == 2 ? p[0] : next)];
	return &w->run_head[(p[0] * 7919u + next * 131u + run) % RUN_HEADS];
}

static void places_find(struct writer *w)
{
	const uint8_t *p = w->in.p;

	for (size_t i = w->in.n; i-- > 0;) {
		bool alike = i + 1 < w->in.n && p[i] == p[i + 1];
		w->place[i].run =
			alike ? (uint16_t)smaller(w->place[i + 1].run + 1u, RUN_MAX) : 1;
	}
	for (size_t i = 0; i < w->in.n; i++) {
		uint32_t *head = head_of(w, i);
		size_t back = i + 1 - *head;
		w->place[i].back = *head && back <= SUIT_LZMA_ENCODE_DICT ? (uint16_t)back : 0;
		*head = (uint32_t)(i + 1);
	}
}

static unsigned length_at(const struct writer *w, size_t at, size_t distance, size_t max)
{
	const uint8_t *p = w->in.p + at;
	size_t n = 0;

	if (distance > at)
		return 0;
	while (n < max && p[n] == (p - distance)[n])
		n++;
	return (unsigned)n;
}

/* Notes it if it is longer than the nearer ones. */
static void match_note(struct writer *w, size_t at, size_t distance, size_t max)
{
	unsigned longest = w->matches ? w->match[w->matches - 1].length : 1;

	if (longest >= max)
		return;
	unsigned length = length_at(w, at, distance, max);
	if (length > longest)
		w->match[w->matches++] = (struct match){ (uint16_t)length, (uint16_t)distance };
}

/* Each longer than the one before it, and further away; returns the longest length. */
static unsigned matches_find(struct writer *w, size_t at, size_t max)
{
	size_t from = at;

	w->matches = 0;
	for (size_t distance = 1; distance <= NEAR && distance <= at; distance++)
		match_note(w, at, distance, max);
	for (unsigned i = 0; i < DEPTH && w->place[from].back > 0; i++) {
		from -= w->place[from].back;
		if (at - from > SUIT_LZMA_ENCODE_DICT)
			break;
		match_note(w, at, at - from, max);
	}
	return w->matches ? w->match[w->matches - 1].length : 0;
}

/* --- ways --------------------------------------------------------------------------------- */

static void node_keep(struct writer *w, size_t to, const struct node *n)
{
	struct node *row = w->node[to], *place = row + w->ways[to];
	size_t count = w->ways[to];

	for (size_t i = 0; i < count; i++)
		if (row[i].history == n->history &&
		    memcmp(row[i].rep, n->rep, sizeof(n->rep)) == 0)
			place = &row[i];
	if (place == row + w->care.ways) {
		place = row;
		for (size_t i = 1; i < w->care.ways; i++)
			if (row[i].price > place->price)
				place = &row[i];
	}
	if (place == row + count)
		w->ways[to]++;
	else if (place->price <= n->price)
		return;
	*place = *n;
	if (w->ways[to] < w->care.ways)
		return;
	w->limit[to] = 0;
	for (size_t i = 0; i < w->care.ways; i++)
		if (row[i].price > w->limit[to])
			w->limit[to] = row[i].price;
}

/* The distances behind a symbol.  distance: of a match. */
static void reps_move(uint16_t rep[4], enum op op, unsigned distance)
{
	unsigned last = op == OP_MATCH ? 3 : op > OP_REP0 ? op - OP_REP0 : 0;
	uint16_t first = op == OP_MATCH ? (uint16_t)distance : rep[last];

	for (; last > 0; last--)
		rep[last] = rep[last - 1];
	if (op != OP_LITERAL)
		rep[0] = first;
}

/* Goes on from a way by a match of `length` bytes. */
static void go_on(struct writer *w, size_t at, size_t way, const struct node *symbol)
{
	const struct node *from = &w->node[at][way];
	struct node next = *symbol;
	enum op op = (enum op)symbol->op;
	memcpy(next.rep, from->rep, sizeof(next.rep));
	reps_move(next.rep, op, symbol->rep[0]);
	next.history = op == OP_LITERAL ? lzma_after_literal(from->history)
		       : op == OP_SHORT ? lzma_after_short(from->history)
					: lzma_after_match(from->history, op != OP_MATCH);
	next.from = (uint8_t)way;
	node_keep(w, at + symbol->length, &next);
}

static void try_byte(struct writer *w, size_t at, size_t way)
{
	const struct node *from = &w->node[at][way];
	const uint8_t *p = w->in.p + w->at + at;
	bool has = from->rep[0] < w->at + at;
	unsigned other = has ? p[-1 - from->rep[0]] : 0;
	struct node next = { .length = 1, .op = OP_LITERAL };
	struct bits b = { 0 };

	literal_add(&b, from->history >= COMPARES, *p, other);
	next.price = from->price + w->head_price[from->history][OP_LITERAL] + price_of(w, &b);
	if (next.price < w->limit[at + 1])
		go_on(w, at, way, &next);
	next.op = OP_SHORT;
	next.price = from->price + w->head_price[from->history][OP_SHORT];
	if (has && other == *p && next.price < w->limit[at + 1])
		go_on(w, at, way, &next);
}

static void try_lengths(struct writer *w, size_t at, size_t way, struct node *next,
			struct span lengths)
{
	const struct node *from = &w->node[at][way];
	uint32_t price = from->price + w->head_price[from->history][next->op];
	bool in_rep = next->op != OP_MATCH;

	for (unsigned n = lengths.first; n <= lengths.last; n++) {
		if (n == lengths.first + MARGIN && lengths.last > n + MARGIN)
			n = lengths.last - MARGIN;
		next->length = (uint16_t)n;
		next->price = price + w->length_price[in_rep][n];
		if (!in_rep)
			next->price += distance_price(w, distance_context(n), next->rep[0]);
		if (next->price < w->limit[at + n])
			go_on(w, at, way, next);
	}
}

/* least: what is shorter is not tried. */
static void try_matches(struct writer *w, size_t at, size_t way, unsigned least, size_t max)
{
	struct node next = { 0 };
	unsigned first = least;

	for (unsigned k = 0; k < 4; k++) {
		size_t distance = w->node[at][way].rep[k] + 1u;
		unsigned n = length_at(w, w->at + at, distance, max);
		next.op = (uint8_t)(OP_REP0 + k);
		if (n >= least)
			try_lengths(w, at, way, &next, (struct span){ least, n });
	}
	next.op = OP_MATCH;
	for (size_t i = 0; i < w->matches; i++) {
		const struct match *m = &w->match[i];
		next.rep[0] = (uint16_t)(m->distance - 1);
		if (m->length >= first) {
			try_lengths(w, at, way, &next, (struct span){ first, m->length });
			first = m->length + 1u;
		}
	}
}

static void ways_from(struct writer *w, size_t at, size_t end)
{
	size_t max = smaller(end - at, LENGTH_MAX);
	unsigned longest = matches_find(w, w->at + at, max), least = LENGTH_MIN;

	if (longest >= SURE)
		least = longest - MARGIN;
	for (size_t way = 0; way < w->ways[at]; way++) {
		if (longest < SURE)
			try_byte(w, at, way);
		try_matches(w, at, way, least, max);
	}
}

/* Where so many places have gone by that are worth a look: inside a run there are few. */
static size_t reach(const struct writer *w, size_t places)
{
	size_t at = w->at;

	for (; at < w->in.n && at - w->at < HORIZON && places > 0; at++)
		places -= w->place[at].run <= MARGIN;
	return at - w->at;
}

/* Leaves the cheapest way in w->path; returns the number of symbols. */
static size_t plan(struct writer *w)
{
	size_t end = reach(w, LOOK), n = 0;
	struct node *best = w->node[end];

	prices_make(w);
	memset(w->ways, 0, sizeof(w->ways));
	memset(w->limit, 0xff, sizeof(w->limit));
	w->now.price = 0;
	node_keep(w, 0, &w->now);
	for (size_t at = 0; at < end; at++)
		if (w->ways[at] > 0)
			ways_from(w, at, end);
	for (size_t i = 1; i < w->ways[end]; i++)
		if (w->node[end][i].price < best->price)
			best = &w->node[end][i];
	for (size_t at = end; at > 0; n++) {
		w->path[n] = *best;
		at -= best->length;
		best = &w->node[at][best->from];
	}
	return n;
}

/* --- range encoder ------------------------------------------------------------------------ */

static void byte_put(struct writer *w, unsigned byte)
{
	if (w->n < w->size)
		w->buf[w->n] = (uint8_t)byte;
	w->n++;
}

/* A carry may still go through bytes of ones. */
static void low_shift(struct writer *w)
{
	unsigned carry = (unsigned)(w->low >> 32);

	if (carry || (uint32_t)w->low < 0xff000000) {
		byte_put(w, w->cache + carry);
		for (; w->pending > 0; w->pending--)
			byte_put(w, 0xff + carry);
		w->cache = (uint8_t)(w->low >> 24);
	} else {
		w->pending++;
	}
	w->low = (w->low & 0x00ffffff) << 8;
}

static void bit_put(struct writer *w, unsigned index, unsigned bit)
{
	uint16_t *prob = index == EVEN ? NULL : &w->prob[index];
	uint32_t bound = prob ? (w->range >> 11) * *prob : w->range >> 1;

	if (bit)
		w->low += bound;
	/* Halves are equal, though a range may be odd. */
	w->range = bit && prob ? w->range - bound : bound;
	while (w->range < RANGE_LOW) {
		w->range <<= 8;
		low_shift(w);
	}
	if (!prob)
		return;
	if (bit)
		*prob = (uint16_t)(*prob - (*prob >> PROB_SHIFT));
	else
		*prob = (uint16_t)(*prob + ((PROB_ONE - *prob) >> PROB_SHIFT));
}

static void symbol_put(struct writer *w, const struct node *symbol)
{
	const uint8_t *p = w->in.p + w->at;
	unsigned history = w->now.history, back = w->now.rep[0] + 1u;
	enum op op = (enum op)symbol->op;
	struct bits b = { 0 };

	op_add(&b, history, op);
	if (op == OP_LITERAL)
		literal_add(&b, history >= COMPARES, *p, back <= w->at ? *(p - back) : 0);
	else if (op != OP_SHORT)
		length_add(&b, op != OP_MATCH, symbol->length);
	if (op == OP_MATCH)
		distance_add(&b, distance_context(symbol->length), symbol->rep[0]);
	for (size_t i = 0; i < b.n; i++)
		bit_put(w, b.prob[i], b.bit[i]);
	w->now = *symbol;
	w->at += symbol->length;
}

static void head_put(struct writer *w)
{
	uint64_t n = w->in.n;

	byte_put(w, 0); /* lc, lp, pb */
	for (unsigned i = 0; i < 32; i += 8)
		byte_put(w, SUIT_LZMA_ENCODE_DICT >> i & 0xff);
	for (unsigned i = 0; i < 64; i += 8)
		byte_put(w, (unsigned)(n >> i & 0xff));
}

/* The first symbols of the cheapest way.  A match that the end of the horizon cuts off is not
 * yet written, unless it comes too soon: the work must go on. */
static void some_put(struct writer *w)
{
	size_t step = smaller(reach(w, w->care.commit), HORIZON - LENGTH_MAX);
	size_t soon = w->at + (step + 1) / 2, goal = w->at + step;
	size_t end = w->at + reach(w, LOOK), symbols = plan(w);

	while (symbols > 0 && w->at < goal) {
		const struct node *symbol = &w->path[--symbols];
		bool cut_off = w->at + symbol->length == end && end < w->in.n;
		if (cut_off && w->at >= soon)
			return;
		symbol_put(w, symbol);
	}
}

static void all_put(struct writer *w, const struct care *care)
{
	w->care = *care;
	w->at = w->n = 0;
	w->now = (struct node){ 0 };
	w->low = w->pending = w->cache = 0;
	w->range = UINT32_MAX;
	for (size_t i = 0; i < SUIT_LZMA_PROBS(0); i++)
		w->prob[i] = PROB_HALF;
	head_put(w);
	while (w->at < w->in.n && (w->n <= w->size || !w->again))
		some_put(w);
	for (unsigned i = 0; i < 5; i++)
		low_shift(w);
}

enum suit_rc suit_lzma_encode(struct suit_bytes in, struct suit_memory work, uint8_t *buf,
			      size_t size, size_t *ret_n)
{
	struct writer *w = work.p;

	if (in.n > SUIT_LZMA_ENCODE_IN_MAX)
		return SUIT_TOO_LARGE;
	if (work.n < suit_lzma_encode_memory(in.n))
		return SUIT_NO_SPACE;
	memset(w, 0, sizeof(*w));
	w->in = in;
	w->buf = buf;
	w->size = size;
	bit_prices(w->bit_price);
	places_find(w);
	const struct care *care = cares, *least = &cares[CARES - 1];
	while (in.n > care->max)
		care++;
	all_put(w, least);
	if (care != least) {
		memcpy(w->end, w->prob, sizeof(w->end));
		w->again = true;
		all_put(w, care);
	}
	if (w->n > size)
		return SUIT_NO_SPACE;
	*ret_n = w->n;
	return SUIT_OK;
}
