/* Views of bytes that somebody else owns; ids and digests by value; text forms of both.
 * Nothing here allocates unless it takes an arena. */
#pragma once

#include "base/arena.h"
#include "base/rc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	const uint8_t *p;
	size_t n;
};

/* RFC 9562.  Also device ids: HMAC-SHA-256(tenant secret, endpoint name) cut to 16 bytes. */
struct uuid {
	uint8_t b[16];
};

/* SHA-256. */
struct digest {
	uint8_t b[32];
};

#define UUID_TEXT_SIZE   37 /* with the final NUL */
#define DIGEST_TEXT_SIZE 65

struct bytes bytes_of(const char *text);
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text);
/* Constant time in the length of b; for secrets. */
bool bytes_equal_secret(struct bytes a, struct bytes b);
/* A NUL-terminated copy.  Bytes that hold a NUL are cut there. */
char *bytes_text(struct arena *mem, struct bytes b);

bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_zero(const struct uuid *id);
/* Random, version 4, from the kernel. */
void uuid_random(struct uuid *ret);
/* 8-4-4-4-12 hexadecimal digits, either case on input, lower case on output. */
enum rc uuid_parse(const char *text, struct uuid *ret) MUST_CHECK;
const char *uuid_format(const struct uuid *id, char ret[UUID_TEXT_SIZE]);

bool digest_equal(const struct digest *a, const struct digest *b);
/* Exactly 64 hexadecimal digits. */
enum rc digest_parse(const char *text, struct digest *ret) MUST_CHECK;
const char *digest_format(const struct digest *d, char ret[DIGEST_TEXT_SIZE]);

char *hex_encode(struct arena *mem, struct bytes b);
enum rc hex_decode(struct arena *mem, struct bytes text, struct bytes *ret) MUST_CHECK;
/* base64 with padding (RFC 4648 section 4); decode refuses anything else. */
char *base64_encode(struct arena *mem, struct bytes b);
enum rc base64_decode(struct arena *mem, struct bytes text, struct bytes *ret) MUST_CHECK;
/* base64url without padding (section 5): tokens and cursors. */
char *base64url_encode(struct arena *mem, struct bytes b);
enum rc base64url_decode(struct arena *mem, struct bytes text, struct bytes *ret) MUST_CHECK;

/* Strict decimal: whole text, no sign for u64, no blanks, range checked. */
enum rc parse_u64(struct bytes text, uint64_t max, uint64_t *ret) MUST_CHECK;
enum rc parse_i64(struct bytes text, int64_t min, int64_t max, int64_t *ret) MUST_CHECK;

/* True when b is well-formed UTF-8 without control characters (C0, DEL). */
bool text_is_clean(struct bytes b);
