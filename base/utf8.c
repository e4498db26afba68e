/* Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF. */

#include "base/bytes.h"

struct sequence {
	uint8_t first_low, first_high;   /* range of the first byte */
	uint8_t second_low, second_high; /* range of the second */
	uint8_t length;
};

static const struct sequence sequences[] = {
	{ 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* Length of the sequence that starts at b, 0 when there is no good one. */
static size_t sequence_length(struct bytes b)
{
	const struct sequence *s = NULL;

	for (size_t i = 0; i < ARRAY_LEN(sequences) && !s; i++)
		if (b.p[0] >= sequences[i].first_low && b.p[0] <= sequences[i].first_high)
			s = &sequences[i];
	if (!s || s->length > b.n)
		return 0;
	if (s->length > 1 && (b.p[1] < s->second_low || b.p[1] > s->second_high))
		return 0;
	for (size_t i = 2; i < s->length; i++)
		if ((b.p[i] & 0xc0) != 0x80)
			return 0;
	return s->length;
}

bool text_is_clean(struct bytes b)
{
	while (b.n) {
		if (b.p[0] >= 0x20 && b.p[0] < 0x7f) { /* as most of it is */
			b.p++;
			b.n--;
			continue;
		}
		size_t length = sequence_length(b);

		if (!length)
			return false;
		b.p += length;
		b.n -= length;
	}
	return true;
}
