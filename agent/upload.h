/* A body that is sent by blocks (RFC 7959 Block1), one block in flight, in order.  A body of
 * one block has no option at all, and is a message like any other.
 *
 * Memory: this structure, 32 bytes.  The body is the caller's and is not copied; each block is,
 * into its request (LINK_BODY_MAX).
 *
 * Each try to send the body has a Request-Tag of its own (RFC 9175): a block of an earlier one
 * that was delayed is refused by the server and is never taken for one of this.  A server that
 * has lost the blocks before (4.08), as it does with their session, gets the body from the
 * start, at most UPLOAD_TRIES times in all; one that wants smaller blocks gets those. */
#pragma once

#include "agent/link.h"

#define UPLOAD_BLOCK_MAX LINK_BODY_MAX
#define UPLOAD_MAX       65536 /* blocks of 16 bytes have numbers to the end of it */
#define UPLOAD_TRIES     8

/* Zeroed once in a life, and then used again: no tag comes twice. */
struct upload {
	struct suit_bytes body;
	size_t offset; /* of the next block */
	uint32_t tag;
	uint8_t szx;
	uint8_t tries;
};

enum upload_rc {
	UPLOAD_MORE, /* there is a next request */
	UPLOAD_OVER, /* this answer is the one to the body, or to what was heard of it */
	UPLOAD_BAD,  /* not an answer to this block */
};

/* The body must stay until the upload is over.  False when it is empty or above UPLOAD_MAX. */
bool upload_begin(struct upload *u, struct suit_bytes body, uint64_t block_size);
/* Fills in the body and what belongs to it. */
void upload_request(const struct upload *u, struct link_request *ret);
enum upload_rc upload_take(struct upload *u, const struct link_answer *a);
