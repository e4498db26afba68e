/* From a payload to an image in one pass: decrypted, then unpacked or patched, then written.
 *
 * Every bound on memory, whatever the payload's and the image's size:
 *	every stream        three buffers of STREAM_PIECE: what was read, what was decrypted,
 *	                    what is to be written; 13 kB in all.  And:
 *	decryption          50 bytes and OpenSSL's cipher, at most 1.2 kB
 *	heatshrink          a window of 2 kB
 *	LZMA                28 kB of probabilities and a dictionary of 64 kB, 94 kB in all
 *	zstd                about 310 kB, and for a full image a window of at most its own size
 *	                    or 128 kB; what asks for more is refused
 *	zstd patches        the same, with a window over the old image and the new one, which
 *	                    libzstd allocates: for devices of that class; the old image is
 *	                    mapped, and read again when memory is short
 *	other patches       64 bytes of the old image at a time
 *
 * It is allocated for the time of one stream.  What was really used is measured, and told.
 *
 * What comes out is not proven before the image's digest is compared, which the manifest does:
 * it may be written only where a failure leaves nothing that runs. */
#pragma once

#include "agent/format.h"
#include "agent/keys.h"

#define STREAM_PIECE     4096
#define STREAM_LZMA_DICT 65536

struct stream_job {
	const struct suit_crypto *crypto;
	const struct keys *keys;
	format_set allowed; /* ciphers and recipients */
	enum format format; /* FORMAT_PLAIN or a stream's */
	int in_fd;          /* read from its start; -1: content is it */
	struct suit_bytes content;
	struct suit_bytes info; /* encryption info; empty: not encrypted */
	int old_fd;             /* what a patch is for; digest compared by now */
	uint64_t old_size;
	int out_fd;    /* written from where it stands */
	uint64_t size; /* of the image: exactly so much is written, or it fails */
};

/* SUIT_OPERATION with errno set: reading or writing failed.  ret_heap: bytes of heap at the
 * worst moment, beyond what was there before; 0 when the C library does not tell. */
enum suit_rc stream_run(const struct stream_job *job, size_t *ret_heap) SUIT_MUST_CHECK;
