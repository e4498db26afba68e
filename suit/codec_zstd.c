/* zstd's patch-from, read by libzstd. */

#include "suit/codec_zstd.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define PIECE 65536
#define MAGIC 4
#define HEAD  18 /* a frame's header at most */

struct suit_zstd {
	ZSTD_DCtx *context;
	uint8_t head[HEAD];
	size_t head_n;
	uint64_t new_max, written;
	bool ended;
	enum suit_rc failed;
	uint8_t piece[PIECE];
};

/* A window beyond both images is of no use, but it would be allocated. */
static int window_max(uint64_t bytes)
{
	int bits = SUIT_ZSTD_WINDOW_MIN;

	while (bits < SUIT_ZSTD_WINDOW_MAX && (uint64_t)1 << bits < bytes)
		bits++;
	return bits;
}

static bool set_up(struct suit_zstd *z, struct suit_bytes old)
{
	uint64_t bytes = z->new_max < UINT64_MAX - old.n ? z->new_max + old.n : UINT64_MAX;

	return z->context &&
	       !ZSTD_isError(ZSTD_DCtx_setParameter(z->context, ZSTD_d_windowLogMax,
						    window_max(bytes))) &&
	       (old.n == 0 || !ZSTD_isError(ZSTD_DCtx_refPrefix(z->context, old.p, old.n)));
}

enum suit_rc suit_zstd_open(struct suit_bytes old, uint64_t new_max, struct suit_zstd **ret)
{
	struct suit_zstd *z = malloc(sizeof(*z));

	if (!z)
		return SUIT_NO_SPACE;
	*z = (struct suit_zstd){ .context = ZSTD_createDCtx(), .new_max = new_max };
	if (!set_up(z, old)) {
		suit_zstd_free(z);
		return SUIT_NO_SPACE;
	}
	*ret = z;
	return SUIT_OK;
}

static enum suit_rc piece(struct suit_zstd *z, const struct suit_zstd_io *io, ZSTD_inBuffer *in,
			  bool *ret_more)
{
	ZSTD_outBuffer out = { z->piece, PIECE, 0 };
	size_t left = ZSTD_decompressStream(z->context, &out, in);

	if (ZSTD_isError(left))
		return ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge
			       ? SUIT_TOO_LARGE
			       : SUIT_MALFORMED;
	if (out.pos > z->new_max - z->written)
		return SUIT_TOO_LARGE;
	z->written += out.pos;
	z->ended = left == 0;
	*ret_more = out.pos == PIECE;
	return out.pos ? io->write_new(io->ctx, (struct suit_bytes){ z->piece, out.pos })
		       : SUIT_OK;
}

static void pieces(struct suit_zstd *z, const struct suit_zstd_io *io, struct suit_bytes bytes)
{
	ZSTD_inBuffer in = { bytes.p, bytes.n, 0 };
	bool more = false;

	while (z->failed == SUIT_OK && (in.pos < in.size || more)) {
		/* One frame and no second one. */
		z->failed = z->ended ? (in.pos < in.size ? SUIT_MALFORMED : SUIT_OK)
				     : piece(z, io, &in, &more);
		more = more && !z->ended;
	}
}

/* Not the formats from before zstd 0.8, nor a frame to be skipped, which libzstd takes too: its
 * old decoders know no bound for the window. */
static bool begins_well(const struct suit_zstd *z, uint8_t next)
{
	static const uint8_t magic[MAGIC] = { 0x28, 0xb5, 0x2f, 0xfd };

	return z->head_n >= MAGIC || magic[z->head_n] == next;
}

/* The header goes byte by byte: in a piece in which one ends libzstd looks for a whole frame,
 * from that piece's first byte, and reads what it finds by other code, which is stricter. */
enum suit_rc suit_zstd_feed(struct suit_zstd *z, const struct suit_zstd_io *io,
			    struct suit_bytes bytes)
{
	while (z->failed == SUIT_OK && z->head_n < HEAD && bytes.n > 0) {
		if (!begins_well(z, *bytes.p))
			return z->failed = SUIT_MALFORMED;
		z->head[z->head_n++] = *bytes.p;
		pieces(z, io, (struct suit_bytes){ bytes.p++, 1 });
		bytes.n--;
	}
	pieces(z, io, bytes);
	return z->failed;
}

/* libzstd does not compare them in every frame that comes in pieces. */
static bool size_holds(const struct suit_zstd *z)
{
	unsigned long long size = ZSTD_getFrameContentSize(z->head, z->head_n);

	return size == ZSTD_CONTENTSIZE_UNKNOWN || size == z->written;
}

enum suit_rc suit_zstd_finish(const struct suit_zstd *z)
{
	if (z->failed != SUIT_OK)
		return z->failed;
	if (!z->ended)
		return SUIT_MISSING;
	return size_holds(z) ? SUIT_OK : SUIT_MALFORMED;
}

void suit_zstd_free(struct suit_zstd *z)
{
	if (z)
		ZSTD_freeDCtx(z->context);
	free(z);
}
