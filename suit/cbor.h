/* CBOR by a cursor: reads deterministic encoding only (RFC 8949 section 4.2.1: shortest heads,
 * definite lengths, sorted and unique map keys), in place, without allocation.
 *
 * Errors stick: after the first one every read yields zero and scbor_ok() is false, so a
 * decoder checks once per item that it acts on, not once per read. */
#pragma once

#include "suit/suit.h"

enum scbor_major {
	SCBOR_UINT = 0,
	SCBOR_NEGATIVE = 1,
	SCBOR_BYTES = 2,
	SCBOR_TEXT = 3,
	SCBOR_ARRAY = 4,
	SCBOR_MAP = 5,
	SCBOR_TAG = 6,
	SCBOR_SIMPLE = 7,
	SCBOR_END = 8, /* nothing is left */
};

struct scbor {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

void scbor_init(struct scbor *c, struct suit_bytes b);
bool scbor_ok(const struct scbor *c);
/* No error and nothing left. */
bool scbor_done(const struct scbor *c);
enum scbor_major scbor_peek(const struct scbor *c);

uint64_t scbor_uint(struct scbor *c);
/* Unsigned or negative, within int64. */
int64_t scbor_int(struct scbor *c);
struct suit_bytes scbor_bytes(struct scbor *c);
/* Well-formed UTF-8 is checked. */
struct suit_bytes scbor_text(struct scbor *c);
/* Is b well-formed UTF-8 (RFC 3629)? */
bool scbor_utf8(struct suit_bytes b);
size_t scbor_array(struct scbor *c, size_t max);
size_t scbor_map(struct scbor *c, size_t max);
void scbor_tag(struct scbor *c, uint64_t tag);
void scbor_null(struct scbor *c);
bool scbor_bool(struct scbor *c);
/* One whole item of any kind, checked, at most SUIT_DEPTH_MAX deep; yields its bytes. */
struct suit_bytes scbor_any(struct scbor *c);
/* Over an item that scbor_any has checked before: with no recursion, and less to do. */
struct suit_bytes scbor_skip(struct scbor *c);

/* Keys of a map in order: call it after each key with the cursor's position before that key. */
struct scbor_order {
	struct suit_bytes last;
};
void scbor_key(struct scbor *c, struct scbor_order *order, const uint8_t *key_start);

/* --- writing, into a buffer of the caller; `over` when it did not fit --------------------- */

struct scbor_out {
	uint8_t *p;
	size_t size;
	size_t n; /* bytes wanted so far, even past size */
};

void scbor_out_init(struct scbor_out *o, uint8_t *p, size_t size);
bool scbor_out_fits(const struct scbor_out *o);
struct suit_bytes scbor_out_bytes(const struct scbor_out *o);
void scbor_put_int(struct scbor_out *o, int64_t v);
void scbor_put_uint(struct scbor_out *o, uint64_t v);
void scbor_put_bytes(struct scbor_out *o, struct suit_bytes b);
void scbor_put_text(struct scbor_out *o, struct suit_bytes b);
void scbor_put_array(struct scbor_out *o, size_t count);
void scbor_put_map(struct scbor_out *o, size_t count);
void scbor_put_tag(struct scbor_out *o, uint64_t tag);
void scbor_put_null(struct scbor_out *o);
/* Bytes that are CBOR already. */
void scbor_put_raw(struct scbor_out *o, struct suit_bytes b);
/* The head of a byte string whose n bytes follow by scbor_put_raw. */
void scbor_put_bytes_head(struct scbor_out *o, size_t n);
