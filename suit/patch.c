/* detools' sequential patches, applied as a stream. */

#include "suit/patch.h"

enum phase {
	HEADER, /* the byte of type and compression */
	NEW_SIZE,
	DATA_FORMAT, /* from here on it is compressed */
	DIFF_SIZE,
	DIFF,
	EXTRA_SIZE,
	EXTRA,
	MOVE,
	DONE,
};

enum suit_rc suit_patch_open(struct suit_patch *p, uint64_t old_size, uint64_t new_max)
{
	if (old_size > SUIT_PATCH_IMAGE_MAX)
		return SUIT_TOO_LARGE;
	if (new_max > SUIT_PATCH_IMAGE_MAX)
		new_max = SUIT_PATCH_IMAGE_MAX;
	*p = (struct suit_patch){ .old_size = (uint32_t)old_size,
				  .new_max = (uint32_t)new_max };
	return SUIT_OK;
}

/* A number's bytes; *ret_whole when it is complete, at most 31 bits and a sign. */
static enum suit_rc number_take(struct suit_patch *p, uint8_t byte, bool *ret_whole)
{
	unsigned bits = p->shift == 0 ? 6 : 7;
	uint32_t value = byte & ((1u << bits) - 1);

	if (p->shift == 0) {
		p->number = 0;
		p->negative = (byte & 0x40) != 0;
	}
	if (p->shift >= 31 || (p->shift == 27 && value > 15))
		return SUIT_TOO_LARGE;
	p->number |= value << p->shift;
	p->shift = (uint8_t)(p->shift + bits);
	*ret_whole = (byte & 0x80) == 0;
	if (*ret_whole)
		p->shift = 0;
	return SUIT_OK;
}

/* The number of bytes of a diff or extra block. */
static enum suit_rc block_begin(struct suit_patch *p)
{
	if (p->negative || p->number > p->new_size - p->written)
		return SUIT_MALFORMED;
	if (p->phase == DIFF_SIZE && p->number > p->old_size - p->old_at)
		return SUIT_MALFORMED;
	p->left = p->number;
	p->phase++;
	if (p->left > 0)
		p->empty = 0;
	else
		p->phase++;
	return SUIT_OK;
}

static enum suit_rc move(struct suit_patch *p)
{
	if (p->number > (p->negative ? p->old_at : p->old_size - p->old_at))
		return SUIT_MALFORMED;
	p->old_at = p->negative ? p->old_at - p->number : p->old_at + p->number;
	p->phase = p->written == p->new_size ? DONE : DIFF_SIZE;
	/* Else a patch of a few bytes could keep a device busy for hours. */
	return p->empty++ < SUIT_PATCH_EMPTY_MAX ? SUIT_OK : SUIT_MALFORMED;
}

static enum suit_rc new_size(struct suit_patch *p, const struct suit_stream_io *io)
{
	const struct suit_inflater *f = suit_inflater_find(io, p->codec);

	if (p->negative)
		return SUIT_MALFORMED;
	if (p->number > p->new_max)
		return SUIT_TOO_LARGE;
	p->new_size = p->number;
	p->phase = p->new_size == 0 ? DONE : DATA_FORMAT;
	return f ? f->open(io->state) : SUIT_UNSUPPORTED;
}

static enum suit_rc number_use(struct suit_patch *p, const struct suit_stream_io *io)
{
	switch ((enum phase)p->phase) {
	case NEW_SIZE:
		return new_size(p, io);
	case DATA_FORMAT:
		p->phase = DIFF_SIZE;
		return p->number == 0 ? SUIT_OK : SUIT_UNSUPPORTED;
	case DIFF_SIZE:
	case EXTRA_SIZE:
		return block_begin(p);
	case MOVE:
		return move(p);
	case HEADER:
	case DIFF:
	case EXTRA:
	case DONE:
		break;
	}
	return SUIT_MALFORMED;
}

static enum suit_rc diff_write(struct suit_patch *p, const struct suit_stream_io *io,
			       struct suit_bytes bytes)
{
	uint8_t sum[SUIT_INFLATE_PIECE];
	enum suit_rc rc = io->read_old(io->ctx, p->old_at, sum, bytes.n);

	if (rc != SUIT_OK)
		return rc;
	for (size_t i = 0; i < bytes.n; i++)
		sum[i] = (uint8_t)(sum[i] + bytes.p[i]);
	p->old_at += (uint32_t)bytes.n;
	return io->write_new(io->ctx, (struct suit_bytes){ sum, bytes.n });
}

/* What of the bytes belongs to the block under way. */
static enum suit_rc block_write(struct suit_patch *p, const struct suit_stream_io *io,
				struct suit_bytes *bytes)
{
	struct suit_bytes own = { bytes->p, bytes->n < p->left ? bytes->n : p->left };
	enum suit_rc rc =
		p->phase == DIFF ? diff_write(p, io, own) : io->write_new(io->ctx, own);

	p->written += (uint32_t)own.n;
	p->left -= (uint32_t)own.n;
	bytes->p += own.n;
	bytes->n -= own.n;
	if (p->left == 0)
		p->phase++;
	return rc;
}

/* Decompressed bytes, at most SUIT_INFLATE_PIECE of them. */
static enum suit_rc records_take(struct suit_patch *p, const struct suit_stream_io *io,
				 struct suit_bytes bytes)
{
	enum suit_rc rc = SUIT_OK;
	bool whole;

	while (rc == SUIT_OK && bytes.n > 0) {
		if (p->phase == DIFF || p->phase == EXTRA) {
			rc = block_write(p, io, &bytes);
			continue;
		}
		if (p->phase == DONE)
			return SUIT_MALFORMED;
		rc = number_take(p, *bytes.p++, &whole);
		bytes.n--;
		if (rc == SUIT_OK && whole)
			rc = number_use(p, io);
	}
	return rc;
}

static enum suit_rc header_take(struct suit_patch *p, const struct suit_stream_io *io,
				struct suit_bytes *bytes)
{
	uint8_t byte = *bytes->p++;
	bool whole;

	bytes->n--;
	if (p->phase == HEADER) {
		p->codec = byte & 15;
		p->phase = NEW_SIZE;
		return byte >> 4 == 0 ? SUIT_OK : SUIT_UNSUPPORTED;
	}
	enum suit_rc rc = number_take(p, byte, &whole);
	return rc == SUIT_OK && whole ? number_use(p, io) : rc;
}

static enum suit_rc rest_take(struct suit_patch *p, const struct suit_stream_io *io,
			      struct suit_bytes bytes)
{
	const struct suit_inflater *f = suit_inflater_find(io, p->codec);
	uint8_t piece[SUIT_INFLATE_PIECE];
	enum suit_rc rc = f ? SUIT_OK : SUIT_UNSUPPORTED;
	struct suit_buffer out = { piece, sizeof(piece), sizeof(piece) };

	while (rc == SUIT_OK && (bytes.n > 0 || out.n == out.size)) {
		out.n = 0;
		rc = f->step(io->state, &bytes, &out);
		if (rc == SUIT_OK)
			rc = records_take(p, io, (struct suit_bytes){ piece, out.n });
	}
	return rc;
}

enum suit_rc suit_patch_feed(struct suit_patch *p, const struct suit_stream_io *io,
			     struct suit_bytes bytes)
{
	enum suit_rc rc = (enum suit_rc)p->failed;

	while (rc == SUIT_OK && bytes.n > 0 && p->phase <= NEW_SIZE)
		rc = header_take(p, io, &bytes);
	if (rc == SUIT_OK && bytes.n > 0)
		rc = p->new_size == 0 ? SUIT_MALFORMED : rest_take(p, io, bytes);
	p->failed = (uint8_t)rc;
	return rc;
}

enum suit_rc suit_patch_finish(const struct suit_patch *p, const struct suit_stream_io *io)
{
	const struct suit_inflater *f = suit_inflater_find(io, p->codec);

	if (p->failed != SUIT_OK)
		return (enum suit_rc)p->failed;
	if (p->phase != DONE)
		return SUIT_MISSING;
	return p->new_size == 0 || (f && f->ended(io->state)) ? SUIT_OK : SUIT_MISSING;
}
