/* CBOR as devices send it (RFC 8949): definite lengths, any width of heads, any order of keys.
 * A cursor over bytes, without allocation; errors stick, so a decoder asks once at the end. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define CBOR_DEPTH_MAX 8

struct cbor_read {
	const uint8_t *p, *end;
	const char *why; /* NULL: good so far; else what is wrong, static */
};

void cbor_read_init(struct cbor_read *r, struct bytes b);
/* Good, and nothing is left. */
bool cbor_read_done(const struct cbor_read *r);
/* Notes what is wrong, the first time. */
void cbor_read_fail(struct cbor_read *r, const char *why);

/* Each yields zero, or nothing, once something was wrong. */
uint64_t cbor_read_uint(struct cbor_read *r, uint64_t max);
struct bytes cbor_read_bytes(struct cbor_read *r, size_t min, size_t max);
/* UTF-8 without control characters, as a C string in the arena. */
const char *cbor_read_text(struct cbor_read *r, struct arena *mem, size_t min, size_t max);
size_t cbor_read_array(struct cbor_read *r, size_t min, size_t max);
size_t cbor_read_map(struct cbor_read *r, size_t min, size_t max);
/* true or false. */
bool cbor_read_bool(struct cbor_read *r);
/* Passes over null if it is next; false otherwise. */
bool cbor_read_null(struct cbor_read *r);
/* Passes over one item of any kind, at most CBOR_DEPTH_MAX deep. */
void cbor_skip(struct cbor_read *r);
/* The key of a map's pair: a number, or UINT64_MAX for any other key, which has no meaning. */
uint64_t cbor_read_key(struct cbor_read *r);
