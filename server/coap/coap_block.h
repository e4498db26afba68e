/* Block-wise transfer (RFC 7959) as arithmetic: options, slices of an answer, assembly of a
 * body.  Pure: no library, no clock, no session. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_SZX_MAX  6           /* 1024 bytes; 7 is reserved over UDP */
#define BLOCK_COUNT    (1u << 20)  /* blocks that a block number can name */
#define BLOCK_BODY_MAX (64u << 10) /* an assembled body is never larger */

struct block {
	uint32_t num;
	bool more;
	uint8_t szx; /* the size is 16 << szx */
};

static inline size_t block_size(uint8_t szx)
{
	return (size_t)16 << szx;
}

/* The value of a Block1 or Block2 option; RC_INVALID when it is longer than three bytes or has
 * the reserved size. */
enum rc block_parse(struct bytes option, struct block *ret) MUST_CHECK;
/* The shortest form; returns its length, 0 to 3. */
size_t block_encode(const struct block *b, uint8_t ret[3]);

struct block_slice {
	size_t offset, size; /* bytes */
	struct block block;  /* what the answer's Block2 option says */
	bool whole;          /* the whole body fits and no block was asked for: no option */
};

/* Which part of total bytes answers a request for `asked` (NULL: none was asked for), with
 * blocks no larger than szx_max.  A larger block that was asked for is halved until it fits.
 * RC_INVALID past the end; RC_TOO_LARGE when block numbers of this size do not reach the end.
 */
enum rc block_slice(size_t total, const struct block *asked, uint8_t szx_max,
		    struct block_slice *ret) MUST_CHECK;
/* The smallest szx whose block numbers reach total bytes. */
uint8_t block_smallest_szx(size_t total);

/* A body that comes by Block1.  Zeroed is empty. */
struct block_body {
	uint8_t *p;
	size_t n, room;
	uint64_t key; /* which transfer it is: path, query, format, Request-Tag */
	bool open;
};

struct block_part {
	struct block block;
	struct bytes payload;
	uint64_t key;
	size_t max; /* of the whole body, at most BLOCK_BODY_MAX */
};

/* Adds one block.  Block 0 starts anew.  A block that is there already is taken once; other
 * bytes under its number end the transfer, so two bodies never mix.
 * RC_OK: *ret_done says whether this was the last.  RC_INVALID: a block of another size than
 * its option says.  RC_INCOMPLETE: a block before it is missing, or another transfer is open.
 * RC_TOO_LARGE: the body would be larger than max.  The transfer is over after each of these.
 */
enum rc block_body_add(struct block_body *b, const struct block_part *part,
		       bool *ret_done) MUST_CHECK;
/* Forgets the body and frees its memory. */
void block_body_drop(struct block_body *b);
