/* Vendor and class ids (draft-37, RFC 9562): UUIDv5 of the domain, and of the class text under
 * it. */
#pragma once

#include "suit/crypto.h"

#define SUIT_UUID_TEXT_SIZE  37
#define SUIT_HEX_SIZE(bytes) (2 * (bytes) + 1)

enum suit_rc suit_vendor_id(const struct suit_crypto *crypto, const char *domain,
			    struct suit_uuid *ret) SUIT_MUST_CHECK;
enum suit_rc suit_class_id(const struct suit_crypto *crypto, const struct suit_uuid *vendor_id,
			   const char *name, struct suit_uuid *ret) SUIT_MUST_CHECK;
/* 8-4-4-4-12 hexadecimal digits. */
enum suit_rc suit_uuid_parse(const char *text, struct suit_uuid *ret) SUIT_MUST_CHECK;
void suit_uuid_format(const struct suit_uuid *id, char ret[SUIT_UUID_TEXT_SIZE]);
bool suit_uuid_equal(const struct suit_uuid *a, const struct suit_uuid *b);
/* Lower-case digits and a NUL into ret, which holds SUIT_HEX_SIZE(b.n). */
void suit_hex(struct suit_bytes b, char *ret);
