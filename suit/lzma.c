/* LZMA, read bit by bit.  Every step of the loop takes at most one byte and decodes one bit;
 * which bit it is stands in the phase, so nothing is lost between two calls. */

#include "suit/lzma_model.h"

#include <string.h>

/* What the next bit is. */
enum phase {
	HEADER,     /* not a bit: properties and size */
	START,      /* not a bit: the five bytes that fill the range decoder */
	IS_MATCH,   /* or a literal */
	LITERAL,    /* of a tree by context */
	COMPARED,   /* of a literal, while it agrees with the byte after the last match */
	IS_REP,     /* a match at a distance that was used before */
	IS_REP0,    /* 0: the last one */
	IS_LONG,    /* 0: one byte of it */
	IS_REP1,    /* 0: the one before */
	IS_REP2,    /* 0: the one before that */
	LENGTH_1,   /* 0: a short length */
	LENGTH_2,   /* 0: a middle one */
	LENGTH,     /* of a tree */
	SLOT,       /* of a tree: how large the distance is */
	LOW_BITS,   /* of a reversed tree: the rest of a short distance */
	DIRECT,     /* without a probability: the middle of a long one */
	ALIGN_BITS, /* of a reversed tree: its last four bits */
	COPY,       /* not a bit: the match is written */
	CLOSE,      /* not a bit: the marker has come, the range decoder must be empty */
	CLOSED,
};

static unsigned lclp(const struct suit_lzma *l)
{
	return (unsigned)l->lc + l->lp;
}

static uint8_t *dictionary(struct suit_lzma *l)
{
	return (uint8_t *)&l->prob[SUIT_LZMA_PROBS(lclp(l))];
}

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* --- header ------------------------------------------------------------------------------ */

static enum suit_rc header_use(struct suit_memory state)
{
	struct suit_lzma *l = state.p;
	unsigned properties = l->header[0];
	uint32_t dict_size = le32(l->header + 1);

	if (properties >= 9 * 5 * 5)
		return SUIT_MALFORMED;
	l->lc = (uint8_t)(properties % 9);
	l->lp = (uint8_t)(properties / 9 % 5);
	l->pb = (uint8_t)(properties / 45);
	if (lclp(l) > SUIT_LZMA_LCLP_MAX)
		return SUIT_UNSUPPORTED;
	if (state.n <= SUIT_LZMA_STATE(lclp(l), 0) ||
	    state.n - SUIT_LZMA_STATE(lclp(l), 0) < dict_size)
		return SUIT_NO_SPACE;
	l->dict_size = dict_size ? dict_size : 1;
	l->size_left = le32(l->header + 5) | (uint64_t)le32(l->header + 9) << 32;
	l->sized = l->size_left != UINT64_MAX;
	for (size_t i = 0; i < SUIT_LZMA_PROBS(lclp(l)); i++)
		l->prob[i] = PROB_HALF;
	l->phase = START;
	l->header_n = 0;
	return SUIT_OK;
}

static enum suit_rc header_take(struct suit_memory state, struct suit_bytes *in)
{
	struct suit_lzma *l = state.p;

	l->header[l->header_n++] = *in->p++;
	in->n--;
	return l->header_n == sizeof(l->header) ? header_use(state) : SUIT_OK;
}

/* The first of the five is zero. */
static enum suit_rc start_take(struct suit_lzma *l, struct suit_bytes *in)
{
	if (l->header_n == 0 && *in->p != 0)
		return SUIT_MALFORMED;
	l->code = l->code << 8 | *in->p++;
	in->n--;
	if (++l->header_n < 5)
		return SUIT_OK;
	l->range = UINT32_MAX;
	l->phase = IS_MATCH;
	return l->code == UINT32_MAX ? SUIT_MALFORMED : SUIT_OK;
}

/* --- range decoder ------------------------------------------------------------------------ */

static bool range_fill(struct suit_lzma *l, struct suit_bytes *in)
{
	if (l->range >= RANGE_LOW)
		return true;
	if (in->n == 0)
		return false;
	l->range <<= 8;
	l->code = l->code << 8 | *in->p++;
	in->n--;
	return true;
}

static unsigned bit_of(struct suit_lzma *l, uint16_t *prob)
{
	uint32_t bound = (l->range >> 11) * *prob;

	if (l->code < bound) {
		l->range = bound;
		*prob = (uint16_t)(*prob + ((PROB_ONE - *prob) >> PROB_SHIFT));
		return 0;
	}
	l->range -= bound;
	l->code -= bound;
	*prob = (uint16_t)(*prob - (*prob >> PROB_SHIFT));
	return 1;
}

static unsigned direct_bit(struct suit_lzma *l)
{
	l->range >>= 1;
	if (l->code < l->range)
		return 0;
	l->code -= l->range;
	return 1;
}

/* --- output ------------------------------------------------------------------------------- */

static uint8_t dictionary_at(struct suit_lzma *l, uint32_t distance)
{
	uint32_t back = distance + 1;

	return dictionary(l)[l->head >= back ? l->head - back : l->head + l->dict_size - back];
}

static enum suit_rc put(struct suit_lzma *l, struct suit_buffer *out, uint8_t byte)
{
	if (l->sized && l->size_left == 0)
		return SUIT_MALFORMED;
	l->size_left--;
	dictionary(l)[l->head] = byte;
	l->head = l->head + 1 == l->dict_size ? 0 : l->head + 1;
	if (l->filled < l->dict_size)
		l->filled++;
	l->position++;
	out->p[out->n++] = byte;
	return SUIT_OK;
}

static enum suit_rc copy(struct suit_lzma *l, struct suit_buffer *out)
{
	for (; l->left > 0; l->left--) {
		if (out->n == out->size)
			return SUIT_OK;
		enum suit_rc rc = put(l, out, dictionary_at(l, l->rep[0]));
		if (rc != SUIT_OK)
			return rc;
	}
	l->phase = IS_MATCH;
	return SUIT_OK;
}

/* --- what a bit leads to ------------------------------------------------------------------ */

static unsigned position_state(const struct suit_lzma *l)
{
	return l->position & ((1u << l->pb) - 1);
}

static void tree_begin(struct suit_lzma *l, enum phase phase, unsigned tree)
{
	l->phase = (uint8_t)phase;
	l->tree = (uint16_t)tree;
	l->symbol = 1;
}

static void literal_begin(struct suit_lzma *l)
{
	unsigned before = l->filled > 0 ? dictionary_at(l, 0) : 0;
	unsigned context =
		((l->position & ((1u << l->lp) - 1)) << l->lc) + (before >> (8 - l->lc));

	tree_begin(l, l->history < COMPARES ? LITERAL : COMPARED, P_LITERAL + 768 * context);
	if (l->history >= COMPARES)
		l->match_byte = dictionary_at(l, l->rep[0]);
}

static enum suit_rc literal_bit(struct suit_lzma *l, unsigned bit, struct suit_buffer *out)
{
	if (l->phase == COMPARED && bit != l->match_byte >> 7)
		l->phase = LITERAL;
	l->match_byte = (uint8_t)(l->match_byte << 1);
	l->symbol = (uint16_t)(l->symbol << 1 | bit);
	if (l->symbol < 256)
		return SUIT_OK;
	l->phase = IS_MATCH;
	l->history = lzma_after_literal(l->history);
	return put(l, out, (uint8_t)l->symbol);
}

static void length_begin(struct suit_lzma *l, bool in_rep)
{
	l->in_rep = in_rep;
	l->phase = LENGTH_1;
	l->history = lzma_after_match(l->history, in_rep);
}

/* A distance that was used before must have been used; and the dictionary has it still. */
static enum suit_rc copy_begin(struct suit_lzma *l, uint32_t n)
{
	l->phase = COPY;
	l->left = n;
	return l->rep[0] < l->filled ? SUIT_OK : SUIT_MALFORMED;
}

static void rep_use(struct suit_lzma *l, unsigned which)
{
	uint32_t distance = l->rep[which];

	for (; which > 0; which--)
		l->rep[which] = l->rep[which - 1];
	l->rep[0] = distance;
	length_begin(l, true);
}

static unsigned length_probs(const struct suit_lzma *l)
{
	return P_LENGTH + (l->in_rep ? LENGTH_PROBS : 0);
}

/* value: what is added to the symbol.  Trees of 8, 8 and 256 leaves. */
static void length_choice(struct suit_lzma *l, unsigned bit)
{
	unsigned probs = length_probs(l) + 2, middle = l->phase == LENGTH_2;

	if (bit && !middle) {
		l->phase = LENGTH_2;
		return;
	}
	unsigned tree = bit ? probs + 256 : probs + 128 * middle + 8 * position_state(l);
	l->value = bit ? 16 : 8 * middle;
	l->bits_left = bit ? 8 : 3;
	tree_begin(l, LENGTH, tree);
}

static enum suit_rc length_bit(struct suit_lzma *l, unsigned bit)
{
	l->symbol = (uint16_t)(l->symbol << 1 | bit);
	if (--l->bits_left > 0)
		return SUIT_OK;
	unsigned leaves = l->value == 16 ? 256 : 8;
	l->left = l->value + l->symbol - leaves + LENGTH_MIN;
	if (l->in_rep)
		return copy_begin(l, l->left);
	unsigned context = l->left - LENGTH_MIN < 3 ? l->left - LENGTH_MIN : 3;
	tree_begin(l, SLOT, P_SLOT + 64 * context);
	return SUIT_OK;
}

static enum suit_rc distance_use(struct suit_lzma *l)
{
	if (l->value == UINT32_MAX) {
		l->phase = CLOSE;
		return l->sized && l->size_left > 0 ? SUIT_MALFORMED : SUIT_OK;
	}
	memmove(&l->rep[1], &l->rep[0], 3 * sizeof(l->rep[0]));
	l->rep[0] = l->value;
	return copy_begin(l, l->left);
}

static enum suit_rc slot_bit(struct suit_lzma *l, unsigned bit)
{
	l->symbol = (uint16_t)(l->symbol << 1 | bit);
	if (l->symbol < 64)
		return SUIT_OK;
	unsigned slot = l->symbol - 64u, bits = (slot >> 1) - 1;
	l->value = slot;
	if (slot < 4)
		return distance_use(l);
	l->value = (2 | (slot & 1)) << bits;
	if (slot < SLOTS_LOW) {
		tree_begin(l, LOW_BITS, P_LOW + l->value - slot);
		l->bits_left = (uint8_t)bits;
	} else {
		l->phase = DIRECT;
		l->bits_left = (uint8_t)(bits - 4);
	}
	return SUIT_OK;
}

/* The lowest bit comes first; symbol's length tells which one this is. */
static enum suit_rc reversed_bit(struct suit_lzma *l, unsigned bit)
{
	unsigned place = 31u - (unsigned)__builtin_clz(l->symbol);

	l->value += bit << place;
	l->symbol = (uint16_t)(l->symbol << 1 | bit);
	return --l->bits_left > 0 ? SUIT_OK : distance_use(l);
}

static void direct_use(struct suit_lzma *l)
{
	l->value += direct_bit(l) << (4 + --l->bits_left);
	if (l->bits_left > 0)
		return;
	tree_begin(l, ALIGN_BITS, P_ALIGN);
	l->bits_left = 4;
}

/* Which probability the next bit has. */
static unsigned prob_index(const struct suit_lzma *l)
{
	switch ((enum phase)l->phase) {
	case IS_MATCH:
		return P_MATCH + (l->history << 4) + position_state(l);
	case COMPARED:
		return l->tree + 256 + ((l->match_byte >> 7) << 8) + l->symbol;
	case IS_REP:
		return P_REP + l->history;
	case IS_REP0:
		return P_REP0 + l->history;
	case IS_LONG:
		return P_LONG + (l->history << 4) + position_state(l);
	case IS_REP1:
		return P_REP1 + l->history;
	case IS_REP2:
		return P_REP2 + l->history;
	case LENGTH_1:
		return length_probs(l);
	case LENGTH_2:
		return length_probs(l) + 1;
	case LITERAL:
	case LENGTH:
	case SLOT:
	case LOW_BITS:
	case ALIGN_BITS:
		return l->tree + l->symbol;
	case HEADER:
	case START:
	case DIRECT:
	case COPY:
	case CLOSE:
	case CLOSED:
		break;
	}
	return 0;
}

/* One byte at the last distance. */
static enum suit_rc short_rep(struct suit_lzma *l)
{
	l->history = lzma_after_short(l->history);
	return copy_begin(l, 1);
}

static enum suit_rc bit_use(struct suit_lzma *l, unsigned bit, struct suit_buffer *out)
{
	switch ((enum phase)l->phase) {
	case IS_MATCH:
		if (bit)
			l->phase = IS_REP;
		else
			literal_begin(l);
		return SUIT_OK;
	case LITERAL:
	case COMPARED:
		return literal_bit(l, bit, out);
	case IS_REP:
		if (bit)
			l->phase = IS_REP0;
		else
			length_begin(l, false);
		return SUIT_OK;
	case IS_REP0:
		l->phase = bit ? IS_REP1 : IS_LONG;
		return SUIT_OK;
	case IS_LONG:
		if (!bit)
			return short_rep(l);
		length_begin(l, true);
		return SUIT_OK;
	case IS_REP1:
		if (bit)
			l->phase = IS_REP2;
		else
			rep_use(l, 1);
		return SUIT_OK;
	case IS_REP2:
		rep_use(l, bit ? 3 : 2);
		return SUIT_OK;
	case LENGTH_1:
	case LENGTH_2:
		length_choice(l, bit);
		return SUIT_OK;
	case LENGTH:
		return length_bit(l, bit);
	case SLOT:
		return slot_bit(l, bit);
	case LOW_BITS:
	case ALIGN_BITS:
		return reversed_bit(l, bit);
	case HEADER:
	case START:
	case DIRECT:
	case COPY:
	case CLOSE:
	case CLOSED:
		break;
	}
	return SUIT_MALFORMED;
}

/* A stream of known size may end without the marker. */
static bool ends_here(const struct suit_lzma *l)
{
	return l->phase == IS_MATCH && l->sized && l->size_left == 0 && l->code == 0;
}

/* One bit, or what stands in its place.  ret_go is false when it waits for input or room. */
static enum suit_rc advance(struct suit_lzma *l, struct suit_bytes *in, struct suit_buffer *out,
			    bool *ret_go)
{
	*ret_go = out->n < out->size || l->phase != COPY;
	if (l->phase == COPY)
		return copy(l, out);
	/* A literal or match that begins has room for its first byte. */
	*ret_go = (out->n < out->size || l->phase != IS_MATCH) && range_fill(l, in);
	if (!*ret_go)
		return SUIT_OK;
	if (ends_here(l)) {
		l->phase = CLOSED;
		return SUIT_OK;
	}
	if (l->phase == CLOSE) {
		l->phase = CLOSED;
		return l->code == 0 ? SUIT_OK : SUIT_MALFORMED;
	}
	if (l->phase == DIRECT) {
		direct_use(l);
		return SUIT_OK;
	}
	return bit_use(l, bit_of(l, &l->prob[prob_index(l)]), out);
}

static enum suit_rc lzma_step(struct suit_memory state, struct suit_bytes *in,
			      struct suit_buffer *out)
{
	struct suit_lzma *l = state.p;
	enum suit_rc rc = SUIT_OK;
	bool go = true;

	while (rc == SUIT_OK && l->phase <= START && in->n > 0)
		rc = l->phase == HEADER ? header_take(state, in) : start_take(l, in);
	while (rc == SUIT_OK && go && l->phase > START && l->phase != CLOSED)
		rc = advance(l, in, out, &go);
	if (rc == SUIT_OK && l->phase == CLOSED && in->n > 0)
		rc = SUIT_MALFORMED;
	return rc;
}

static enum suit_rc lzma_open(struct suit_memory state)
{
	struct suit_lzma *l = state.p;

	if (state.n < SUIT_LZMA_STATE(0, 1))
		return SUIT_NO_SPACE;
	*l = (struct suit_lzma){ .phase = HEADER };
	return SUIT_OK;
}

static bool lzma_ended(struct suit_memory state)
{
	const struct suit_lzma *l = state.p;

	return l->phase == CLOSED;
}

const struct suit_inflater suit_inflater_lzma = {
	.codec = SUIT_CODEC_LZMA,
	.open = lzma_open,
	.step = lzma_step,
	.ended = lzma_ended,
};
