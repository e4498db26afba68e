/* Bytes, ids and digests: comparing, parsing, formatting. */

#include "base/bytes.h"

#include "base/hash.h"

#include <string.h>

struct bytes bytes_of(const char *text)
{
	struct bytes b = { (const uint8_t *)text, text ? strlen(text) : 0 };

	return b;
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text)
{
	return bytes_equal(a, bytes_of(text));
}

bool bytes_equal_secret(struct bytes a, struct bytes b)
{
	unsigned char different = a.n != b.n;

	for (size_t i = 0; i < b.n; i++)
		different |= (unsigned char)((i < a.n ? a.p[i] : 0) ^ b.p[i]);
	return !different;
}

char *bytes_text(struct arena *mem, struct bytes b)
{
	size_t len = b.n ? strnlen((const char *)b.p, b.n) : 0;
	char *text = arena_alloc(mem, len + 1);

	if (len)
		memcpy(text, b.p, len);
	return text;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool uuid_is_zero(const struct uuid *id)
{
	static const struct uuid zero;

	return uuid_equal(id, &zero);
}

void uuid_random(struct uuid *ret)
{
	random_bytes(ret->b, sizeof(ret->b));
	ret->b[6] = (ret->b[6] & 0x0f) | 0x40;
	ret->b[8] = (ret->b[8] & 0x3f) | 0x80;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Two hexadecimal digits; -1 when they are none. */
static int hex_byte(const char *text)
{
	int high = hex_value(text[0]);
	int low = high < 0 ? -1 : hex_value(text[1]);

	return low < 0 ? -1 : high << 4 | low;
}

static const char hex_digits[] = "0123456789abcdef";

enum rc uuid_parse(const char *text, struct uuid *ret)
{
	struct uuid id;
	size_t at = 0;

	for (size_t i = 0; i < sizeof(id.b); i++) {
		if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
			return RC_INVALID;
		int byte = hex_byte(text + at);
		if (byte < 0)
			return RC_INVALID;
		id.b[i] = (uint8_t)byte;
		at += 2;
	}
	if (text[at])
		return RC_INVALID;
	*ret = id;
	return RC_OK;
}

const char *uuid_format(const struct uuid *id, char ret[UUID_TEXT_SIZE])
{
	char *out = ret;

	for (size_t i = 0; i < sizeof(id->b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex_digits[id->b[i] >> 4];
		*out++ = hex_digits[id->b[i] & 15];
	}
	*out = '\0';
	return ret;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

enum rc digest_parse(const char *text, struct digest *ret)
{
	struct digest d;

	for (size_t i = 0; i < sizeof(d.b); i++) {
		int byte = hex_byte(text + 2 * i);
		if (byte < 0)
			return RC_INVALID;
		d.b[i] = (uint8_t)byte;
	}
	if (text[2 * sizeof(d.b)])
		return RC_INVALID;
	*ret = d;
	return RC_OK;
}

const char *digest_format(const struct digest *d, char ret[DIGEST_TEXT_SIZE])
{
	for (size_t i = 0; i < sizeof(d->b); i++) {
		ret[2 * i] = hex_digits[d->b[i] >> 4];
		ret[2 * i + 1] = hex_digits[d->b[i] & 15];
	}
	ret[2 * sizeof(d->b)] = '\0';
	return ret;
}

char *hex_encode(struct arena *mem, struct bytes b)
{
	char *text = arena_array(mem, b.n + 1, 2);

	for (size_t i = 0; i < b.n; i++) {
		text[2 * i] = hex_digits[b.p[i] >> 4];
		text[2 * i + 1] = hex_digits[b.p[i] & 15];
	}
	return text;
}

enum rc hex_decode(struct arena *mem, struct bytes text, struct bytes *ret)
{
	if (text.n % 2)
		return RC_INVALID;
	uint8_t *out = arena_alloc(mem, text.n / 2);

	for (size_t i = 0; i < text.n / 2; i++) {
		int byte = hex_byte((const char *)text.p + 2 * i);
		if (byte < 0)
			return RC_INVALID;
		out[i] = (uint8_t)byte;
	}
	*ret = (struct bytes){ out, text.n / 2 };
	return RC_OK;
}

enum rc parse_u64(struct bytes text, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (text.n == 0 || text.n > 20)
		return RC_INVALID;
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c < '0' || c > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(c - '0'), &v))
			return RC_INVALID;
	}
	if (v > max)
		return RC_INVALID;
	*ret = v;
	return RC_OK;
}

enum rc parse_i64(struct bytes text, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = text.n > 0 && text.p[0] == '-';
	struct bytes digits = negative ? (struct bytes){ text.p + 1, text.n - 1 } : text;
	uint64_t v = 0;

	if (parse_u64(digits, (uint64_t)INT64_MAX + negative, &v) != RC_OK)
		return RC_INVALID;
	int64_t value = negative ? (int64_t)(0 - v) : (int64_t)v;
	if (value < min || value > max)
		return RC_INVALID;
	*ret = value;
	return RC_OK;
}
