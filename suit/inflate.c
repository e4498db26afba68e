/* The table of decompressors, the one that does nothing, and a full image pushed through one.
 */

#include "suit/inflate.h"

#include <string.h>

static enum suit_rc none_open(struct suit_memory state)
{
	(void)state;
	return SUIT_OK;
}

static enum suit_rc none_step(struct suit_memory state, struct suit_bytes *in,
			      struct suit_buffer *out)
{
	size_t room = out->size - out->n, n = in->n < room ? in->n : room;

	(void)state;
	if (n == 0)
		return SUIT_OK;
	memcpy(out->p + out->n, in->p, n);
	out->n += n;
	in->p += n;
	in->n -= n;
	return SUIT_OK;
}

static bool none_ended(struct suit_memory state)
{
	(void)state;
	return true;
}

const struct suit_inflater suit_inflater_none = {
	.codec = SUIT_CODEC_NONE,
	.open = none_open,
	.step = none_step,
	.ended = none_ended,
};

const struct suit_inflater *suit_inflater_find(const struct suit_stream_io *io, unsigned codec)
{
	for (const struct suit_inflater *const *f = io->inflaters; *f; f++)
		if ((*f)->codec == codec)
			return *f;
	return NULL;
}

enum suit_rc suit_inflate_open(struct suit_inflate *i, const struct suit_stream_io *io,
			       enum suit_codec codec, uint32_t size)
{
	const struct suit_inflater *f = suit_inflater_find(io, codec);

	*i = (struct suit_inflate){ .size = size, .codec = (uint8_t)codec };
	enum suit_rc rc = f ? f->open(io->state) : SUIT_UNSUPPORTED;
	i->failed = (uint8_t)rc;
	return rc;
}

static enum suit_rc piece(struct suit_inflate *i, const struct suit_stream_io *io,
			  const struct suit_inflater *f, struct suit_bytes *bytes, bool *more)
{
	uint8_t p[SUIT_INFLATE_PIECE];
	struct suit_buffer out = { p, sizeof(p), 0 };
	enum suit_rc rc = f->step(io->state, bytes, &out);

	*more = out.n == out.size;
	if (rc != SUIT_OK || out.n == 0)
		return rc;
	if (out.n > i->size - i->written)
		return SUIT_MALFORMED;
	i->written += (uint32_t)out.n;
	return io->write_new(io->ctx, (struct suit_bytes){ p, out.n });
}

enum suit_rc suit_inflate_feed(struct suit_inflate *i, const struct suit_stream_io *io,
			       struct suit_bytes bytes)
{
	const struct suit_inflater *f = suit_inflater_find(io, i->codec);
	enum suit_rc rc = f ? (enum suit_rc)i->failed : SUIT_UNSUPPORTED;
	bool more = true;

	while (rc == SUIT_OK && (bytes.n > 0 || more))
		rc = piece(i, io, f, &bytes, &more);
	i->failed = (uint8_t)rc;
	return rc;
}

enum suit_rc suit_inflate_finish(const struct suit_inflate *i, const struct suit_stream_io *io)
{
	const struct suit_inflater *f = suit_inflater_find(io, i->codec);

	if (i->failed != SUIT_OK)
		return (enum suit_rc)i->failed;
	return f && i->written == i->size && f->ended(io->state) ? SUIT_OK : SUIT_MISSING;
}
