/* Offsets are bytes, never block numbers, so that the block size may change on the way. */
#include "agent/fetch.h"

#include <stdio.h>
#include <string.h>

static uint64_t block_bytes(uint8_t szx)
{
	return UINT64_C(16) << szx;
}

bool fetch_begin(struct fetch *f, const char *path, uint64_t size, uint64_t offset,
		 uint64_t block_size)
{
	uint8_t szx = 0;
	while (szx < 6 && block_bytes(szx) < block_size)
		szx++;
	if (size == 0 || offset > size || size > FETCH_BLOCKS_MAX * block_bytes(szx))
		return false;
	*f = (struct fetch){ .size = size, .szx = szx };
	/* of the last block nothing is missing when all is there */
	f->offset = offset < size ? offset - offset % block_bytes(szx) : size;
	return snprintf(f->path, sizeof(f->path), "%s", path) < (int)sizeof(f->path);
}

void fetch_request(const struct fetch *f, struct link_request *ret)
{
	*ret = (struct link_request){ .method = LINK_GET,
				      .blocks = true,
				      .szx = f->szx,
				      .num = (uint32_t)(f->offset / block_bytes(f->szx)) };
	snprintf(ret->path, sizeof(ret->path), "%s", f->path);
}

/* The same thing from the first block to the last. */
static bool etag_holds(struct fetch *f, struct suit_bytes etag)
{
	if (etag.n > FETCH_ETAG_MAX)
		return false;
	if (f->etag_n == 0 && etag.n > 0) {
		memcpy(f->etag, etag.p, etag.n);
		f->etag_n = etag.n;
	}
	return etag.n == f->etag_n && (etag.n == 0 || memcmp(f->etag, etag.p, etag.n) == 0);
}

static bool is_next_block(const struct fetch *f, const struct link_answer *a)
{
	if (!a->has_block) /* all of it in one message */
		return f->offset == 0 && a->body.n == f->size;
	uint64_t bytes = block_bytes(a->szx);
	/* smaller blocks that have no numbers to the end lead nowhere */
	if (f->size > FETCH_BLOCKS_MAX * bytes)
		return false;
	uint64_t left = f->size - f->offset;
	return a->num * bytes == f->offset && a->body.n == (left < bytes ? left : bytes) &&
	       a->more == (left > bytes);
}

enum fetch_rc fetch_take(struct fetch *f, const struct link_answer *a,
			 const struct fetch_sink *sink)
{
	if (a->code != 205)
		return a->code >= 400 ? FETCH_REFUSED : FETCH_BAD;
	if ((a->has_block && a->szx > f->szx) || !etag_holds(f, a->etag) ||
	    !is_next_block(f, a))
		return FETCH_BAD;
	if (!sink->write(sink->user, f->offset, a->body.p, a->body.n))
		return FETCH_STORE;
	if (a->has_block)
		f->szx = a->szx;
	f->offset += a->body.n;
	f->received++;
	return f->offset == f->size ? FETCH_DONE : FETCH_MORE;
}
