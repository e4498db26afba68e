/* Patches and compressed images, undone, by the code that devices run. */

#include "cli/delta.h"

#include "suit/codec_zstd.h"
#include "suit/heatshrink.h"
#include "suit/lzma.h"
#include "suit/patch.h"

#include <string.h>

/* detools' own tool writes dictionaries of 8 MiB. */
#define STATE_SIZE SUIT_LZMA_STATE(SUIT_LZMA_LCLP_MAX, (size_t)8 << 20)

struct images {
	struct bytes old;
	struct blob *fresh;
};

static enum suit_rc read_old(void *ctx, uint32_t at, uint8_t *p, size_t n)
{
	const struct images *i = ctx;
	memcpy(p, i->old.p + at, n);
	return SUIT_OK;
}

static enum suit_rc write_new(void *ctx, struct suit_bytes bytes)
{
	struct images *i = ctx;
	return blob_add(i->fresh, (struct bytes){ bytes.p, bytes.n }) ? SUIT_OK : SUIT_NO_SPACE;
}

static const struct suit_inflater *const inflaters[] = {
	&suit_inflater_heatshrink,
	&suit_inflater_lzma,
	&suit_inflater_none,
	NULL,
};

static const char *why(enum suit_rc rc)
{
	switch (rc) {
	case SUIT_MALFORMED:
		return "it is damaged, or made for another image";
	case SUIT_TOO_LARGE:
		return "the new image is too large";
	case SUIT_MISSING:
		return "its end is missing";
	case SUIT_OK:
	case SUIT_UNKNOWN:
	case SUIT_UNSUPPORTED:
	case SUIT_DIGEST:
	case SUIT_SIGNATURE:
	case SUIT_KEY:
	case SUIT_CONDITION:
	case SUIT_NO_SPACE:
	case SUIT_CRYPTO:
	case SUIT_CERTIFICATE:
	case SUIT_DECRYPT:
	case SUIT_OPERATION:
		break;
	}
	return suit_rc_text(rc);
}

static enum exit_code answer(const char *what, enum suit_rc rc)
{
	if (rc == SUIT_OK)
		return EXIT_DONE;
	return cli_fail(EXIT_FAILED, "the %s cannot be undone: %s", what, why(rc));
}

static void clean_suit_zstd(struct suit_zstd **z)
{
	suit_zstd_free(*z);
}

static enum suit_rc zstd_undo(struct images *i, struct bytes in, size_t max)
{
	struct suit_zstd_io io = { .write_new = write_new, .ctx = i };
	CLEAN(suit_zstd) struct suit_zstd *z = NULL;
	enum suit_rc rc = suit_zstd_open((struct suit_bytes){ i->old.p, i->old.n }, max, &z);
	if (rc == SUIT_OK)
		rc = suit_zstd_feed(z, &io, (struct suit_bytes){ in.p, in.n });
	return rc == SUIT_OK ? suit_zstd_finish(z) : rc;
}

static enum suit_rc patch_undo(const struct suit_stream_io *io, struct bytes old,
			       struct bytes patch, size_t max)
{
	struct suit_patch p;
	enum suit_rc rc = suit_patch_open(&p, old.n, max);
	if (rc == SUIT_OK)
		rc = suit_patch_feed(&p, io, (struct suit_bytes){ patch.p, patch.n });
	return rc == SUIT_OK ? suit_patch_finish(&p, io) : rc;
}

static bool is_zstd(struct bytes patch)
{
	static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
	return patch.n >= sizeof(magic) && memcmp(patch.p, magic, sizeof(magic)) == 0;
}

enum exit_code delta_apply(struct bytes old, struct bytes patch, size_t max, struct blob *ret)
{
	struct images images = { old, ret };
	if (is_zstd(patch))
		return answer("patch", zstd_undo(&images, patch, max));
	CLEAN(mem) void *state = malloc(STATE_SIZE);
	if (!state)
		return blob_no_memory();
	struct suit_stream_io io = {
		read_old, write_new, &images, inflaters, { state, STATE_SIZE }
	};
	return answer("patch", patch_undo(&io, old, patch, max));
}

static enum suit_rc inflate(const struct suit_stream_io *io, enum suit_codec codec,
			    struct bytes in, size_t size)
{
	struct suit_inflate i;
	enum suit_rc rc = suit_inflate_open(&i, io, codec, (uint32_t)size);
	if (rc == SUIT_OK)
		rc = suit_inflate_feed(&i, io, (struct suit_bytes){ in.p, in.n });
	return rc == SUIT_OK ? suit_inflate_finish(&i, io) : rc;
}

enum exit_code delta_decompress(enum delta_format format, struct bytes compressed, size_t size,
				struct blob *ret)
{
	struct images images = { { NULL, 0 }, ret };
	if (format == DELTA_ZSTD) {
		enum suit_rc rc = zstd_undo(&images, compressed, size);
		return answer("image", rc == SUIT_OK && ret->n != size ? SUIT_MISSING : rc);
	}
	CLEAN(mem) void *state = malloc(STATE_SIZE);
	if (!state)
		return blob_no_memory();
	struct suit_stream_io io = {
		read_old, write_new, &images, inflaters, { state, STATE_SIZE }
	};
	enum suit_codec codec = format == DELTA_LZMA ? SUIT_CODEC_LZMA : SUIT_CODEC_HEATSHRINK;
	return answer("image", inflate(&io, codec, compressed, size));
}
