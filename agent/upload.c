/* As for a download, offsets are bytes: the server may make the blocks smaller on the way. */
#include "agent/upload.h"

#include <string.h>

#define CODE_CONTINUE   231
#define CODE_INCOMPLETE 408
#define CODE_TOO_LARGE  413

static size_t block_bytes(uint8_t szx)
{
	return (size_t)16 << szx;
}

static uint32_t block_number(const struct upload *u)
{
	return (uint32_t)(u->offset / block_bytes(u->szx));
}

/* Of the next block. */
static size_t block_length(const struct upload *u)
{
	size_t left = u->body.n - u->offset;
	return left < block_bytes(u->szx) ? left : block_bytes(u->szx);
}

static void start(struct upload *u)
{
	u->offset = 0;
	u->tries++;
	u->tag++;
}

bool upload_begin(struct upload *u, struct suit_bytes body, uint64_t block_size)
{
	if (body.n == 0 || body.n > UPLOAD_MAX)
		return false;
	u->body = body;
	u->szx = 0;
	while (block_bytes(u->szx) < UPLOAD_BLOCK_MAX && block_bytes(u->szx) < block_size)
		u->szx++;
	u->tries = 0;
	start(u);
	return true;
}

void upload_request(const struct upload *u, struct link_request *ret)
{
	ret->body_n = block_length(u);
	memcpy(ret->body, u->body.p + u->offset, ret->body_n);
	ret->part = ret->body_n < u->body.n;
	ret->num = block_number(u);
	ret->szx = u->szx;
	ret->more = u->offset + ret->body_n < u->body.n;
	ret->tag = u->tag;
}

/* The server has this block and wants the next; a smaller size counts from there on. */
static enum upload_rc go_on(struct upload *u, const struct link_answer *a)
{
	size_t next = u->offset + block_length(u);
	if (next == u->body.n || !a->has_block1 || a->block1_num != block_number(u) ||
	    a->block1_szx > u->szx)
		return UPLOAD_BAD;
	u->offset = next;
	u->szx = a->block1_szx;
	return UPLOAD_MORE;
}

static enum upload_rc again(struct upload *u, uint8_t szx)
{
	if (u->tries == UPLOAD_TRIES)
		return UPLOAD_OVER;
	u->szx = szx;
	start(u);
	return UPLOAD_MORE;
}

enum upload_rc upload_take(struct upload *u, const struct link_answer *a)
{
	bool smaller = a->has_block1 && a->block1_szx < u->szx;
	switch (a->code) {
	case CODE_CONTINUE:
		return go_on(u, a);
	case CODE_INCOMPLETE:
		return again(u, u->szx);
	case CODE_TOO_LARGE: /* for a message, when a smaller block is named; else for good */
		return smaller ? again(u, a->block1_szx) : UPLOAD_OVER;
	default:
		return UPLOAD_OVER;
	}
}
