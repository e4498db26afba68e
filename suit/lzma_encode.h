/* LZMA for patches, on the author's machine, as suit/lzma.h reads it: lc 0, lp 0, pb 0, a
 * dictionary of 4 KiB, the size in the header and no marker at the end.  A patch has a few KB,
 * of which a general writer spends a part on learning; this one looks at the prices that hold
 * just now, again after every some symbols, and at many ways at a time.
 *
 * Time: linear, but some hundred times that of a plain writer; memory: the caller's. */
#pragma once

#include "suit/inflate.h"

#define SUIT_LZMA_ENCODE_DICT   4096
#define SUIT_LZMA_ENCODE_IN_MAX ((size_t)1 << 28)

/* Bytes that writing n bytes takes, up to SUIT_LZMA_ENCODE_IN_MAX. */
size_t suit_lzma_encode_memory(size_t n);
/* Writes header and stream into buf, at most size bytes; their number is ret_n.  SUIT_NO_SPACE
 * when they are more (it does not go on to count them), or work is smaller than the above;
 * SUIT_TOO_LARGE when in is over SUIT_LZMA_ENCODE_IN_MAX. */
enum suit_rc suit_lzma_encode(struct suit_bytes in, struct suit_memory work, uint8_t *buf,
			      size_t size, size_t *ret_n) SUIT_MUST_CHECK;
