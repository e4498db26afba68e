/* Stream decompressors as a table, so that a device links those that it wants: heatshrink
 * (suit/heatshrink.h) and LZMA (suit/lzma.h); and a whole compressed image pushed through one.
 *
 * A decompressor's state is memory of the caller's, any size: what it holds decides the largest
 * window.  It has no pointers, so it may be copied, moved or kept over a power cut, and goes on
 * from there. */
#pragma once

#include "suit/suit.h"

#define SUIT_INFLATE_PIECE 64 /* bytes decompressed at a time, on the stack */

/* The numbers of detools' patch header. */
enum suit_codec {
	SUIT_CODEC_NONE = 0,
	SUIT_CODEC_LZMA = 1,
	SUIT_CODEC_HEATSHRINK = 4,
};

struct suit_memory {
	void *p; /* aligned for a uint64_t */
	size_t n;
};

struct suit_buffer {
	uint8_t *p;
	size_t size; /* at least 1 */
	size_t n;    /* bytes in it */
};

struct suit_inflater {
	enum suit_codec codec;
	/* SUIT_NO_SPACE when the memory is too small for any stream. */
	enum suit_rc (*open)(struct suit_memory state);
	/* Takes bytes off the front of in and appends to out until in is used up or out is
	 * full.  With in used up and room left in out there is nothing more for now.
	 * SUIT_NO_SPACE when the stream needs more memory than the state has. */
	enum suit_rc (*step)(struct suit_memory state, struct suit_bytes *in,
			     struct suit_buffer *out);
	/* May the stream end here? */
	bool (*ended)(struct suit_memory state);
};

/* Bytes as they are. */
extern const struct suit_inflater suit_inflater_none;

/* What a stream reads and writes.  Anything but SUIT_OK from one of them stops it and is handed
 * on. */
struct suit_stream_io {
	/* n bytes of the old image, always inside it; not used for a full image. */
	enum suit_rc (*read_old)(void *ctx, uint32_t at, uint8_t *p, size_t n);
	/* The next bytes of the new image. */
	enum suit_rc (*write_new)(void *ctx, struct suit_bytes bytes);
	void *ctx;
	const struct suit_inflater *const *inflaters; /* ended by NULL */
	struct suit_memory state;                     /* of the one that is used */
};

/* A compressed full image whose size is known (SUIT parameter 14).  Plain data. */
struct suit_inflate {
	uint32_t size;
	uint32_t written;
	uint8_t codec;
	uint8_t failed; /* enum suit_rc */
};

enum suit_rc suit_inflate_open(struct suit_inflate *i, const struct suit_stream_io *io,
			       enum suit_codec codec, uint32_t size) SUIT_MUST_CHECK;
/* Never writes more than size.  After an error every call yields it again. */
enum suit_rc suit_inflate_feed(struct suit_inflate *i, const struct suit_stream_io *io,
			       struct suit_bytes bytes) SUIT_MUST_CHECK;
/* SUIT_OK when exactly size bytes were written and the stream may end here. */
enum suit_rc suit_inflate_finish(const struct suit_inflate *i,
				 const struct suit_stream_io *io) SUIT_MUST_CHECK;

/* The one of io's inflaters for a codec, or NULL. */
const struct suit_inflater *suit_inflater_find(const struct suit_stream_io *io, unsigned codec);
