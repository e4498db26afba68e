/* Vendor and class ids. */

#include "suit/ids.h"

#include <string.h>

/* The DNS name space of RFC 9562 section 6.6. */
static const uint8_t dns[16] = { 0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
				 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };

static enum suit_rc uuid5(const struct suit_crypto *crypto, const uint8_t space[16],
			  const char *name, struct suit_uuid *ret)
{
	uint8_t hash[20];
	struct suit_message m = {
		.piece = { { space, 16 }, { (const uint8_t *)name, strlen(name) } }, .count = 2
	};
	enum suit_rc rc = crypto->sha1(&m, hash);

	if (rc != SUIT_OK)
		return rc;
	memcpy(ret->b, hash, sizeof(ret->b));
	ret->b[6] = (uint8_t)((ret->b[6] & 0x0f) | 0x50);
	ret->b[8] = (uint8_t)((ret->b[8] & 0x3f) | 0x80);
	return SUIT_OK;
}

enum suit_rc suit_vendor_id(const struct suit_crypto *crypto, const char *domain,
			    struct suit_uuid *ret)
{
	return uuid5(crypto, dns, domain, ret);
}

enum suit_rc suit_class_id(const struct suit_crypto *crypto, const struct suit_uuid *vendor_id,
			   const char *name, struct suit_uuid *ret)
{
	return uuid5(crypto, vendor_id->b, name, ret);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum suit_rc suit_uuid_parse(const char *text, struct suit_uuid *ret)
{
	struct suit_uuid id;
	size_t at = 0;

	for (size_t i = 0; i < sizeof(id.b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (text[at++] != '-')
				return SUIT_MALFORMED;
		int high = nibble(text[at]);
		int low = high < 0 ? -1 : nibble(text[at + 1]);
		if (low < 0)
			return SUIT_MALFORMED;
		id.b[i] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	if (text[at] != '\0')
		return SUIT_MALFORMED;
	*ret = id;
	return SUIT_OK;
}

void suit_hex(struct suit_bytes b, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < b.n; i++) {
		ret[2 * i] = digits[b.p[i] >> 4];
		ret[2 * i + 1] = digits[b.p[i] & 15];
	}
	ret[2 * b.n] = '\0';
}

void suit_uuid_format(const struct suit_uuid *id, char ret[SUIT_UUID_TEXT_SIZE])
{
	static const size_t group[] = { 4, 2, 2, 2, 6 };
	size_t at = 0;

	for (size_t g = 0, i = 0; g < 5; i += group[g++]) {
		suit_hex((struct suit_bytes){ id->b + i, group[g] }, ret + at);
		at += 2 * group[g];
		ret[at++] = g < 4 ? '-' : '\0';
	}
}

bool suit_uuid_equal(const struct suit_uuid *a, const struct suit_uuid *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}
