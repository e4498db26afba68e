/* What liblzma says of a stream with the header of LZMA alone. */
#pragma once

#include "suit/suit.h"

#include <lzma.h>
#include <stdlib.h>

struct liblzma_end {
	lzma_ret rc;
	size_t n;  /* bytes that came out */
	bool rest; /* of the stream */
};

/* Stops when size bytes are out. */
static inline struct liblzma_end liblzma_read(struct suit_bytes in, uint8_t *out, size_t size)
{
	lzma_stream stream = LZMA_STREAM_INIT;

	if (lzma_alone_decoder(&stream, (uint64_t)64 << 20) != LZMA_OK)
		abort();
	stream.next_in = in.p;
	stream.avail_in = in.n;
	stream.next_out = out;
	stream.avail_out = size;
	lzma_ret rc = lzma_code(&stream, LZMA_RUN);
	struct liblzma_end end = { rc, size - stream.avail_out, stream.avail_in > 0 };
	lzma_end(&stream);
	return end;
}
