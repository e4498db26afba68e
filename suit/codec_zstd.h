/* zstd frames made with the old image as their prefix (`zstd --patch-from`), for devices that
 * run Linux: libzstd allocates, up to the window, and the old image is mapped.  An optional
 * backend like crypto_openssl.h; nothing else of suit/ needs it.  As with suit/patch.h, compare
 * the old image's digest before and the new one's behind: the frame's own checksum is 32 bits
 * and is no proof. */
#pragma once

#include "suit/suit.h"

/* Read is one frame of RFC 8878 (0xfd2fb528), which gives as much as it says; not what libzstd
 * takes besides: older formats, whose windows it does not bound, and frames to be skipped.  The
 * result does not depend on the pieces. */

/* Bits.  What a frame may ask for is what reaches over both images, so that a small frame
 * cannot take much memory. */
#define SUIT_ZSTD_WINDOW_MIN 17
#define SUIT_ZSTD_WINDOW_MAX 29 /* 512 MiB */

struct suit_zstd;

struct suit_zstd_io {
	/* The next bytes of the new image.  Anything but SUIT_OK stops it and is handed on. */
	enum suit_rc (*write_new)(void *ctx, struct suit_bytes bytes);
	void *ctx;
};

/* old must stay as it is until suit_zstd_free; empty for a full image.  new_max: no more than
 * that is ever written. */
enum suit_rc suit_zstd_open(struct suit_bytes old, uint64_t new_max,
			    struct suit_zstd **ret) SUIT_MUST_CHECK;
enum suit_rc suit_zstd_feed(struct suit_zstd *z, const struct suit_zstd_io *io,
			    struct suit_bytes bytes) SUIT_MUST_CHECK;
/* SUIT_OK when the frame is over and nothing came behind it. */
enum suit_rc suit_zstd_finish(const struct suit_zstd *z) SUIT_MUST_CHECK;
void suit_zstd_free(struct suit_zstd *z);
