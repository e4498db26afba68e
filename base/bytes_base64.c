/* base64 and base64url (RFC 4648), strict: one text for one value, nothing else accepted. */

#include "base/bytes.h"

#include <string.h>

struct alphabet {
	char digits[65];
	bool padded;
};

static const struct alphabet standard = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true
};
static const struct alphabet url = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false
};

static char *encode(struct arena *mem, struct bytes b, const struct alphabet *alphabet)
{
	char *text = arena_array(mem, (b.n + 2) / 3 + 1, 4);
	char *out = text;

	for (size_t i = 0; i < b.n; i += 3) {
		size_t left = b.n - i;
		uint32_t v = (uint32_t)b.p[i] << 16 |
			     (left > 1 ? (uint32_t)b.p[i + 1] << 8 : 0) |
			     (left > 2 ? b.p[i + 2] : 0);

		for (size_t k = 0; k < 4; k++) {
			if (k <= left)
				*out++ = alphabet->digits[v >> (18 - 6 * k) & 63];
			else if (alphabet->padded)
				*out++ = '=';
		}
	}
	return text;
}

static int digit_value(const struct alphabet *alphabet, uint8_t c)
{
	const char *at = c ? strchr(alphabet->digits, c) : NULL;

	return at ? (int)(at - alphabet->digits) : -1;
}

/* Length without padding; RC_INVALID when padding is missing or too long. */
static enum rc strip(struct bytes *text, const struct alphabet *alphabet)
{
	if (alphabet->padded) {
		if (text->n % 4)
			return RC_INVALID;
		for (int i = 0; i < 2 && text->n && text->p[text->n - 1] == '='; i++)
			text->n--;
	}
	return text->n % 4 == 1 ? RC_INVALID : RC_OK;
}

static enum rc decode(struct arena *mem, struct bytes text, const struct alphabet *alphabet,
		      struct bytes *ret)
{
	if (strip(&text, alphabet) != RC_OK)
		return RC_INVALID;
	uint8_t *out = arena_alloc(mem, text.n / 4 * 3 + 3);
	size_t n = 0;
	uint32_t v = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < text.n; i++) {
		int digit = digit_value(alphabet, text.p[i]);

		if (digit < 0)
			return RC_INVALID;
		v = (v << 6 | (uint32_t)digit) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(v >> bits);
		}
	}
	/* Bits that carry nothing must be zero, or two texts would mean the same. */
	if (v & ((1u << bits) - 1))
		return RC_INVALID;
	*ret = (struct bytes){ out, n };
	return RC_OK;
}

char *base64_encode(struct arena *mem, struct bytes b)
{
	return encode(mem, b, &standard);
}

enum rc base64_decode(struct arena *mem, struct bytes text, struct bytes *ret)
{
	return decode(mem, text, &standard, ret);
}

char *base64url_encode(struct arena *mem, struct bytes b)
{
	return encode(mem, b, &url);
}

enum rc base64url_decode(struct arena *mem, struct bytes text, struct bytes *ret)
{
	return decode(mem, text, &url, ret);
}
