/* Block-wise transfer (RFC 7959) as arithmetic.  The one thing to know: block numbers count in
 * blocks of the size in the same option, so a size that changes changes the number too. */

#include "server/coap/coap_block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SZX_RESERVED 7

enum rc block_parse(struct bytes option, struct block *ret)
{
	uint32_t v = 0;

	if (option.n > 3)
		return RC_INVALID;
	for (size_t i = 0; i < option.n; i++)
		v = v << 8 | option.p[i];
	if ((v & 7) == SZX_RESERVED)
		return RC_INVALID;
	*ret = (struct block){ .num = v >> 4, .more = v & 8, .szx = v & 7 };
	return RC_OK;
}

size_t block_encode(const struct block *b, uint8_t ret[3])
{
	uint32_t v = b->num << 4 | (b->more ? 8u : 0u) | b->szx;
	size_t n = 0;

	assert(b->num < BLOCK_COUNT && b->szx <= BLOCK_SZX_MAX);
	for (int shift = 16; shift >= 0; shift -= 8) {
		if (n || v >> shift)
			ret[n++] = (uint8_t)(v >> shift);
	}
	return n;
}

uint8_t block_smallest_szx(size_t total)
{
	uint8_t szx = 0;

	while (szx < BLOCK_SZX_MAX && total > (size_t)BLOCK_COUNT * block_size(szx))
		szx++;
	return szx;
}

enum rc block_slice(size_t total, const struct block *asked, uint8_t szx_max,
		    struct block_slice *ret)
{
	uint8_t szx = asked && asked->szx < szx_max ? asked->szx : szx_max;
	size_t offset = asked ? asked->num * block_size(asked->szx) : 0;

	if (total > BLOCK_COUNT * block_size(szx))
		return RC_TOO_LARGE;
	if (offset >= total && offset > 0)
		return RC_INVALID;
	size_t left = total - offset;
	bool more = left > block_size(szx);
	*ret = (struct block_slice){
		.offset = offset,
		.size = more ? block_size(szx) : left,
		.block = { .num = (uint32_t)(offset / block_size(szx)),
			   .more = more,
			   .szx = szx },
		.whole = !asked && !more,
	};
	return RC_OK;
}

void block_body_drop(struct block_body *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

static enum rc drop_with(struct block_body *b, enum rc rc)
{
	block_body_drop(b);
	return rc;
}

/* Every block but the last has the size of its option; the last is not longer. */
static bool size_is_right(const struct block_part *part)
{
	size_t size = block_size(part->block.szx);

	return part->block.more ? part->payload.n == size : part->payload.n <= size;
}

static void append(struct block_body *b, struct bytes payload, size_t max)
{
	if (b->n + payload.n > b->room) {
		size_t room = b->room ? b->room * 2 : 1024;

		while (room < b->n + payload.n)
			room *= 2;
		b->room = room < max ? room : max;
		b->p = xrealloc(b->p, b->room);
	}
	if (payload.n)
		memcpy(b->p + b->n, payload.p, payload.n);
	b->n += payload.n;
}

/* A block that came before, or overlaps what came: fine when it says the same. */
static enum rc take_again(struct block_body *b, const struct block_part *part, size_t offset)
{
	if (part->payload.n == 0)
		return RC_OK;
	if (offset + part->payload.n > b->n ||
	    memcmp(b->p + offset, part->payload.p, part->payload.n) != 0)
		return drop_with(b, RC_INCOMPLETE);
	return RC_OK;
}

enum rc block_body_add(struct block_body *b, const struct block_part *part, bool *ret_done)
{
	size_t offset = part->block.num * block_size(part->block.szx);
	enum rc rc = RC_OK;

	assert(part->max <= BLOCK_BODY_MAX);
	if (part->block.num == 0) {
		block_body_drop(b);
		b->open = true;
		b->key = part->key;
	}
	if (!size_is_right(part))
		return drop_with(b, RC_INVALID);
	if (!b->open || b->key != part->key || offset > b->n)
		return drop_with(b, RC_INCOMPLETE);
	if (offset + part->payload.n > part->max)
		return drop_with(b, RC_TOO_LARGE);
	if (offset < b->n)
		rc = take_again(b, part, offset);
	else
		append(b, part->payload, part->max);
	if (rc == RC_OK)
		*ret_done = !part->block.more;
	return rc;
}
