/* A download by blocks (RFC 7959 Block2), one block in flight, in order, from any offset.
 *
 * Every bound on memory, for a device maker who ports this:
 *	one block           at most 1024 bytes, in the message that libcoap holds
 *	this structure      about 150 bytes; no buffer at all
 *	an envelope         one buffer of the size the offer names, at most envelope_max, kept
 *	                    until the update is installed
 *	a payload           none: a block goes into its file as it comes
 *	the digest          the file is mapped and read back; no copy
 *	the manifest's run  about 20 kB of stack, half of them for dependencies
 *(agent/platform.h) unpacking, patching see agent/stream.h the request         LINK_BODY_MAX
 *for a body; a block's request has none a report by blocks  32 bytes (agent/upload.h); the
 *report is written once
 *
 * What comes is checked before it is stored: the block is the one asked for, of exactly the
 * length that the known size leaves, with `more` set exactly until the end.  So a server that
 * sends without end is cut off at the first block that is too much. */
#pragma once

#include "agent/link.h"

#define FETCH_BLOCK_MAX  1024
#define FETCH_ETAG_MAX   8
#define FETCH_BLOCKS_MAX (UINT64_C(1) << 20) /* block numbers have 20 bits */

struct fetch {
	char path[LINK_PATH_MAX];
	uint64_t size;   /* of the whole, known beforehand */
	uint64_t offset; /* of the next block */
	uint8_t szx;
	uint8_t etag[FETCH_ETAG_MAX];
	size_t etag_n;
	uint64_t received; /* blocks */
};

enum fetch_rc {
	FETCH_MORE,    /* took a block; ask for the next */
	FETCH_DONE,    /* took the last one */
	FETCH_REFUSED, /* 4.xx */
	FETCH_BAD,     /* not what was asked for */
	FETCH_STORE,   /* the sink did not take it */
};

/* Where bytes go, in order. */
struct fetch_sink {
	bool (*write)(void *user, uint64_t offset, const uint8_t *p, size_t n);
	void *user;
};

/* offset: what is there already, a multiple of block_size unless it is size.  False when 2^20
 * such blocks do not reach the end. */
bool fetch_begin(struct fetch *f, const char *path, uint64_t size, uint64_t offset,
		 uint64_t block_size);
void fetch_request(const struct fetch *f, struct link_request *ret);
enum fetch_rc fetch_take(struct fetch *f, const struct link_answer *a,
			 const struct fetch_sink *sink);
