/* heatshrink's format, read.  The writer is in heatshrink_encode.c. */

#include "suit/heatshrink.h"

#include <string.h>

static enum suit_rc heatshrink_open(struct suit_memory state)
{
	if (state.n < SUIT_HEATSHRINK_STATE(SUIT_HEATSHRINK_WINDOW_MIN))
		return SUIT_NO_SPACE;
	memset(state.p, 0, sizeof(struct suit_heatshrink));
	return SUIT_OK;
}

static enum suit_rc parameters_take(struct suit_memory state, uint8_t byte)
{
	struct suit_heatshrink *h = state.p;
	unsigned window_bits = (byte >> 4) + SUIT_HEATSHRINK_WINDOW_MIN;
	unsigned ahead_bits = (byte & 15u) + SUIT_HEATSHRINK_AHEAD_MIN;

	if (ahead_bits >= window_bits)
		return SUIT_MALFORMED;
	if (window_bits > SUIT_HEATSHRINK_WINDOW_MAX)
		return SUIT_UNSUPPORTED;
	if (state.n < SUIT_HEATSHRINK_STATE(window_bits))
		return SUIT_NO_SPACE;
	memset(h->window, 0, (size_t)1 << window_bits);
	h->window_bits = (uint8_t)window_bits;
	h->ahead_bits = (uint8_t)ahead_bits;
	return SUIT_OK;
}

static void put(struct suit_heatshrink *h, struct suit_buffer *out, uint8_t byte)
{
	h->window[h->head] = byte;
	h->head = (uint16_t)((h->head + 1u) & ((1u << h->window_bits) - 1));
	out->p[out->n++] = byte;
}

static void copy(struct suit_heatshrink *h, struct suit_buffer *out)
{
	for (; h->left > 0 && out->n < out->size; h->left--) {
		put(h, out, h->window[h->source]);
		h->source = (uint16_t)((h->source + 1u) & ((1u << h->window_bits) - 1));
	}
}

static unsigned bits_take(struct suit_heatshrink *h, unsigned count)
{
	h->have = (uint8_t)(h->have - count);
	return (h->bits >> h->have) & ((1u << count) - 1);
}

/* Bits of the symbol that comes next, as far as the first one tells. */
static unsigned symbol_bits(const struct suit_heatshrink *h)
{
	if (h->have == 0)
		return 1;
	return (h->bits >> (h->have - 1)) & 1 ? 9u : 1u + h->window_bits + h->ahead_bits;
}

/* A symbol has at most 22 bits, so with a byte more than it needs there are at most 29. */
static bool symbol_read(struct suit_heatshrink *h, struct suit_bytes *in)
{
	while (h->have == 0 || h->have < symbol_bits(h)) {
		if (in->n == 0)
			return false;
		h->bits = h->bits << 8 | *in->p++;
		h->have = (uint8_t)(h->have + 8);
		in->n--;
	}
	return true;
}

static void symbol_use(struct suit_heatshrink *h, struct suit_buffer *out)
{
	if (bits_take(h, 1)) {
		put(h, out, (uint8_t)bits_take(h, 8));
		return;
	}
	unsigned distance = bits_take(h, h->window_bits) + 1;
	h->left = (uint16_t)(bits_take(h, h->ahead_bits) + 1);
	h->source = (uint16_t)((h->head - distance) & ((1u << h->window_bits) - 1));
}

static enum suit_rc heatshrink_step(struct suit_memory state, struct suit_bytes *in,
				    struct suit_buffer *out)
{
	struct suit_heatshrink *h = state.p;

	if (h->window_bits == 0 && in->n > 0) {
		enum suit_rc rc = parameters_take(state, *in->p);
		if (rc != SUIT_OK)
			return rc;
		in->p++;
		in->n--;
	}
	copy(h, out);
	while (out->n < out->size && h->window_bits != 0 && symbol_read(h, in)) {
		symbol_use(h, out);
		copy(h, out);
	}
	return SUIT_OK;
}

/* What is left must be padding, which is zero. */
static bool heatshrink_ended(struct suit_memory state)
{
	const struct suit_heatshrink *h = state.p;

	return h->left == 0 && h->have < 8 && (h->bits & ((1u << h->have) - 1)) == 0;
}

const struct suit_inflater suit_inflater_heatshrink = {
	.codec = SUIT_CODEC_HEATSHRINK,
	.open = heatshrink_open,
	.step = heatshrink_step,
	.ended = heatshrink_ended,
};
