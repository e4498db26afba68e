/* Patches and compressed images, made and undone in memory.  What a device undoes is undone by
 * the code that devices run (suit/patch.h, suit/inflate.h, suit/codec_zstd.h). */
#pragma once

#include "cli/blob.h"

enum delta_format {
	DELTA_HEATSHRINK,
	DELTA_LZMA,
	DELTA_ZSTD,
};

/* Above it the suffix array and the search take too much; zstd is for larger ones. */
#define DELTA_IMAGE_MAX      ((size_t)32 << 20)
#define DELTA_ZSTD_IMAGE_MAX ((size_t)256 << 20)
#define DELTA_LZMA_DICT      4096 /* what a device keeps of it */
/* Bits of context for a literal.  In a patch, which is mostly zeros, they gain nothing and cost
 * a device 10 KiB; in an image they gain some percent. */
#define DELTA_LZMA_PATCH_LC 0
#define DELTA_LZMA_IMAGE_LC 3

struct delta_parameters {
	enum delta_format format;
	unsigned window_bits, ahead_bits; /* of heatshrink; ahead_bits 0: what is best */
};

/* --format, --window and --lookahead (cmd_delta.c). */
struct cli;
enum exit_code delta_parameters_take(struct cli *c, struct delta_parameters *ret) MUST_CHECK;
/* False when there is no format of that name. */
bool delta_format_parse(const char *name, enum delta_format *ret);
const char *delta_format_name(enum delta_format format);
size_t delta_image_max(enum delta_format format);
/* Address space that making a patch may need. */
uint64_t delta_memory(enum delta_format format, size_t old_size, size_t new_size);
/* What a device needs to undo it: state, and buffers on the stack. */
uint64_t delta_device_ram(const struct delta_parameters *p, size_t new_size);

enum exit_code delta_make(const struct delta_parameters *p, struct bytes old,
			  struct bytes fresh, struct blob *ret) MUST_CHECK;
/* The same; then applied as a device would, and compared. */
enum exit_code delta_make_proven(const struct delta_parameters *p, struct bytes old,
				 struct bytes fresh, struct blob *ret) MUST_CHECK;
/* The new image is at most max bytes.  The format is that of the patch. */
enum exit_code delta_apply(struct bytes old, struct bytes patch, size_t max,
			   struct blob *ret) MUST_CHECK;
/* A compressed full image, and back. */
enum exit_code delta_compress(const struct delta_parameters *p, struct bytes image,
			      struct blob *ret) MUST_CHECK;
enum exit_code delta_decompress(enum delta_format format, struct bytes compressed, size_t size,
				struct blob *ret) MUST_CHECK;

/* --- encoders (delta_encode.c) --- */

enum exit_code delta_encode_heatshrink(const struct delta_parameters *p, struct bytes in,
				       struct blob *ret) MUST_CHECK;
enum exit_code delta_encode_lzma(unsigned context_bits, struct bytes in,
				 struct blob *ret) MUST_CHECK;
/* The same for a patch's records, by suit/lzma_encode.h, which takes its time; ret is left as
 * it is when that is no shorter than max bytes. */
enum exit_code delta_encode_lzma_closely(struct bytes in, size_t max,
					 struct blob *ret) MUST_CHECK;
/* With old as prefix, which may be empty. */
enum exit_code delta_encode_zstd(struct bytes old, struct bytes in,
				 struct blob *ret) MUST_CHECK;
