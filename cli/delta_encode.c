/* The compressors behind patches and compressed images. */

#include "cli/delta.h"

#include "suit/codec_zstd.h"
#include "suit/heatshrink.h"
#include "suit/lzma_encode.h"

#include <lzma.h>
#include <zstd.h>

#define LZMA_STEP       65536
#define LZMA_PROPERTIES 5
#define LZMA_HEAD       (LZMA_PROPERTIES + 8)
#define ZSTD_LEVEL      19

enum exit_code delta_encode_heatshrink(const struct delta_parameters *p, struct bytes in,
				       struct blob *ret)
{
	CLEAN(mem) struct suit_heatshrink_work *work = malloc((in.n + 1) * sizeof(*work));
	/* A literal has nine bits. */
	if (!work || !blob_reserve(ret, in.n + in.n / 8 + 16))
		return blob_no_memory();
	size_t n = 0, room = ret->size - ret->n;
	enum suit_rc rc =
		suit_heatshrink_encode((struct suit_bytes){ in.p, in.n }, p->window_bits,
				       p->ahead_bits, work, ret->p + ret->n, room, &n);
	if (rc != SUIT_OK)
		return cli_fail(EXIT_FAILED,
				"heatshrink takes windows of 4 to 11 bits, and a lookahead of "
				"at least 3 that is smaller");
	ret->n += n;
	return EXIT_DONE;
}

CLEAN_DEFINE(lzma, lzma_stream *, lzma_end)

static enum exit_code lzma_run(lzma_stream *stream, struct blob *ret)
{
	lzma_ret done;
	do {
		if (!blob_reserve(ret, LZMA_STEP))
			return blob_no_memory();
		stream->next_out = ret->p + ret->n;
		stream->avail_out = LZMA_STEP;
		done = lzma_code(stream, LZMA_FINISH);
		ret->n += LZMA_STEP - stream->avail_out;
	} while (done == LZMA_OK);
	return done == LZMA_STREAM_END ? EXIT_DONE : blob_no_memory();
}

/* The old container's header: properties, and the size in place of an end marker. */
static bool lzma_head(const lzma_filter *filter, size_t size, struct blob *ret)
{
	uint8_t head[LZMA_HEAD];
	if (lzma_properties_encode(filter, head) != LZMA_OK)
		return false;
	for (size_t i = 0; i < 8; i++)
		head[LZMA_PROPERTIES + i] = (uint8_t)((uint64_t)size >> 8 * i);
	return blob_add(ret, (struct bytes){ head, sizeof(head) });
}

enum exit_code delta_encode_lzma(unsigned context_bits, struct bytes in, struct blob *ret)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	CLEAN(lzma) lzma_stream *end = &stream;
	lzma_options_lzma options;
	if (lzma_version_number() < 50040000) /* streams without an end marker came with it */
		return cli_fail(EXIT_FAILED, "liblzma 5.4 or later is needed");
	if (lzma_lzma_preset(&options, 9 | LZMA_PRESET_EXTREME))
		return cli_fail(EXIT_FAILED, "liblzma has no such preset");
	options.dict_size = DELTA_LZMA_DICT;
	options.lc = context_bits;
	options.pb = 0;
	options.ext_flags = 0; /* no end marker */
	lzma_set_ext_size(options, in.n);
	lzma_filter filters[] = { { LZMA_FILTER_LZMA1EXT, &options },
				  { LZMA_VLI_UNKNOWN, NULL } };
	if (!lzma_head(filters, in.n, ret) || lzma_raw_encoder(end, filters) != LZMA_OK)
		return blob_no_memory();
	stream.next_in = in.p;
	stream.avail_in = in.n;
	return lzma_run(end, ret);
}

_Static_assert(DELTA_LZMA_DICT == SUIT_LZMA_ENCODE_DICT && DELTA_LZMA_PATCH_LC == 0,
	       "both writers of patches suit the same devices");

enum exit_code delta_encode_lzma_closely(struct bytes in, size_t max, struct blob *ret)
{
	size_t n = suit_lzma_encode_memory(in.n);
	CLEAN(mem) void *memory = malloc(n);
	struct suit_memory work = { memory, n };
	if (!memory || !blob_reserve(ret, max))
		return blob_no_memory();
	enum suit_rc rc = suit_lzma_encode((struct suit_bytes){ in.p, in.n }, work,
					   ret->p + ret->n, max - 1, &n);
	if (rc == SUIT_OK)
		ret->n += n;
	return EXIT_DONE;
}

CLEAN_DEFINE(zstd, ZSTD_CCtx *, ZSTD_freeCCtx)

/* A window that reaches over both images. */
static int window_of(size_t n)
{
	int bits = SUIT_ZSTD_WINDOW_MIN;
	while (bits < SUIT_ZSTD_WINDOW_MAX && (size_t)1 << bits < n)
		bits++;
	return bits;
}

static bool zstd_set_up(ZSTD_CCtx *z, struct bytes old, struct bytes in)
{
	int window = window_of(old.n + in.n);
	return !ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_enableLongDistanceMatching, 1)) &&
	       (old.n == 0 || !ZSTD_isError(ZSTD_CCtx_refPrefix(z, old.p, old.n)));
}

enum exit_code delta_encode_zstd(struct bytes old, struct bytes in, struct blob *ret)
{
	CLEAN(zstd) ZSTD_CCtx *z = ZSTD_createCCtx();
	size_t bound = ZSTD_compressBound(in.n);
	if (!z || !zstd_set_up(z, old, in) || !blob_reserve(ret, bound))
		return blob_no_memory();
	size_t n = ZSTD_compress2(z, ret->p + ret->n, bound, in.p, in.n);
	if (ZSTD_isError(n))
		return cli_fail(EXIT_FAILED, "zstd failed: %s", ZSTD_getErrorName(n));
	ret->n += n;
	return EXIT_DONE;
}
