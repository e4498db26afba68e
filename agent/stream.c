/* Pieces are pushed: read, decrypt, decode, gather, write. */
#include "agent/stream.h"

#include "agent/file.h"
#include "agent/mapped.h"
#include "suit/codec_zstd.h"
#include "suit/encrypt_stream.h"
#include "suit/heatshrink.h"
#include "suit/lzma.h"
#include "suit/patch.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stream {
	const struct stream_job *job;
	bool encrypted;
	struct suit_decrypt decrypt;
	struct suit_stream_io io;
	const struct suit_inflater *inflaters[2];
	struct suit_inflate inflate;
	struct suit_patch patch;
	struct suit_zstd *zstd;
	const void *old; /* mapped, for zstd */
	uint64_t written;
	size_t heap_worst;
	size_t out_n;
	uint8_t in[STREAM_PIECE], plain[STREAM_PIECE], out[STREAM_PIECE];
};

/* --- memory that is used ------------------------------------------------------------------ */

static size_t heap_now(void)
{
#ifdef __GLIBC__
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
#else
	return 0;
#endif
}

static void heap_look(struct stream *s)
{
	size_t now = heap_now();
	if (now > s->heap_worst)
		s->heap_worst = now;
}

/* --- the new image ------------------------------------------------------------------------ */

static enum suit_rc flush(struct stream *s)
{
	bool done = file_write_all(s->job->out_fd, s->out, s->out_n);
	s->out_n = 0;
	return done ? SUIT_OK : SUIT_OPERATION;
}

static enum suit_rc write_new(void *ctx, struct suit_bytes bytes)
{
	struct stream *s = ctx;
	if (bytes.n > s->job->size - s->written)
		return SUIT_TOO_LARGE;
	s->written += bytes.n;
	while (bytes.n > 0) {
		size_t room = sizeof(s->out) - s->out_n;
		size_t n = bytes.n < room ? bytes.n : room;
		memcpy(s->out + s->out_n, bytes.p, n);
		s->out_n += n;
		bytes.p += n;
		bytes.n -= n;
		if (s->out_n == sizeof(s->out) && flush(s) != SUIT_OK)
			return SUIT_OPERATION;
	}
	return SUIT_OK;
}

static bool read_at(int fd, uint8_t *p, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t got = pread(fd, p, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got ? errno : EIO;
			return false;
		}
		p += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return true;
}

static enum suit_rc read_old(void *ctx, uint32_t at, uint8_t *p, size_t n)
{
	const struct stream *s = ctx;
	return read_at(s->job->old_fd, p, n, at) ? SUIT_OK : SUIT_OPERATION;
}

/* --- decoders: how each begins, goes on and ends ------------------------------------------ */

static enum suit_rc open_state(struct stream *s, const struct suit_inflater *inflater,
			       size_t bytes)
{
	s->inflaters[0] = inflater;
	s->io = (struct suit_stream_io){ .read_old = read_old,
					 .write_new = write_new,
					 .ctx = s,
					 .inflaters = s->inflaters,
					 .state = { malloc(bytes), bytes } };
	return s->io.state.p ? SUIT_OK : SUIT_NO_SPACE;
}

static enum suit_rc open_inflater(struct stream *s, bool lzma)
{
	return lzma ? open_state(s, &suit_inflater_lzma,
				 SUIT_LZMA_STATE(SUIT_LZMA_LCLP_MAX, STREAM_LZMA_DICT))
		    : open_state(s, &suit_inflater_heatshrink,
				 SUIT_HEATSHRINK_STATE(SUIT_HEATSHRINK_WINDOW_MAX));
}

static enum suit_rc open_inflate(struct stream *s)
{
	bool lzma = s->job->format == FORMAT_LZMA;
	enum suit_rc rc = open_inflater(s, lzma);
	if (s->job->size > UINT32_MAX)
		return SUIT_TOO_LARGE;
	return rc ? rc
		  : suit_inflate_open(&s->inflate, &s->io,
				      lzma ? SUIT_CODEC_LZMA : SUIT_CODEC_HEATSHRINK,
				      (uint32_t)s->job->size);
}

static enum suit_rc open_patch(struct stream *s)
{
	enum suit_rc rc = open_inflater(s, s->job->format == FORMAT_PATCH_LZMA);
	return rc ? rc : suit_patch_open(&s->patch, s->job->old_size, s->job->size);
}

static enum suit_rc open_zstd(struct stream *s)
{
	struct suit_bytes old = { 0 };
	if (s->job->format == FORMAT_PATCH_ZSTD && s->job->old_size > 0) {
		s->old = mapped_open(s->job->old_fd, s->job->old_size);
		if (!s->old)
			return SUIT_OPERATION;
		old = (struct suit_bytes){ s->old, s->job->old_size };
	}
	return suit_zstd_open(old, s->job->size, &s->zstd);
}

static enum suit_rc open_plain(struct stream *s)
{
	(void)s;
	return SUIT_OK;
}

static enum suit_rc feed_plain(struct stream *s, struct suit_bytes b)
{
	return write_new(s, b);
}

static enum suit_rc feed_inflate(struct stream *s, struct suit_bytes b)
{
	return suit_inflate_feed(&s->inflate, &s->io, b);
}

static enum suit_rc feed_patch(struct stream *s, struct suit_bytes b)
{
	return suit_patch_feed(&s->patch, &s->io, b);
}

static enum suit_rc feed_zstd(struct stream *s, struct suit_bytes b)
{
	struct suit_zstd_io io = { write_new, s };
	return suit_zstd_feed(s->zstd, &io, b);
}

static enum suit_rc end_plain(struct stream *s)
{
	(void)s;
	return SUIT_OK;
}

static enum suit_rc end_inflate(struct stream *s)
{
	return suit_inflate_finish(&s->inflate, &s->io);
}

static enum suit_rc end_patch(struct stream *s)
{
	return suit_patch_finish(&s->patch, &s->io);
}

static enum suit_rc end_zstd(struct stream *s)
{
	return suit_zstd_finish(s->zstd);
}

struct decoder {
	enum suit_rc (*open)(struct stream *s);
	enum suit_rc (*feed)(struct stream *s, struct suit_bytes b);
	enum suit_rc (*end)(struct stream *s);
};

static const struct decoder *decoder_of(enum format f)
{
	static const struct decoder plain = { open_plain, feed_plain, end_plain };
	static const struct decoder inflate = { open_inflate, feed_inflate, end_inflate };
	static const struct decoder patch = { open_patch, feed_patch, end_patch };
	static const struct decoder zstd = { open_zstd, feed_zstd, end_zstd };
	switch (f) {
	case FORMAT_PLAIN:
		return &plain;
	case FORMAT_HEATSHRINK:
	case FORMAT_LZMA:
		return &inflate;
	case FORMAT_PATCH_HEATSHRINK:
	case FORMAT_PATCH_LZMA:
		return &patch;
	case FORMAT_ZSTD:
	case FORMAT_PATCH_ZSTD:
		return &zstd;
	case FORMAT_AES_KW:
	case FORMAT_CHACHA20:
	case FORMAT_CTR:
	case FORMAT_ECDH_ES:
	case FORMAT_GCM:
		break;
	}
	return NULL;
}

/* --- the payload -------------------------------------------------------------------------- */

static enum suit_rc open_decrypt(struct stream *s)
{
	const struct stream_job *j = s->job;
	struct suit_content_key key;
	s->encrypted = j->info.n > 0;
	if (!s->encrypted)
		return SUIT_OK;
	enum suit_rc rc = keys_open(j->keys, j->crypto, j->allowed, j->info, &key);
	if (rc != SUIT_OK)
		return rc;
	rc = suit_decrypt_open(&s->decrypt, j->crypto, &key);
	suit_content_key_wipe(&key);
	return rc;
}

static enum suit_rc push(struct stream *s, const struct decoder *d, struct suit_bytes piece)
{
	size_t n = 0;
	enum suit_rc rc = SUIT_OK;
	if (s->encrypted) {
		rc = suit_decrypt_update(&s->decrypt, piece, s->plain, &n);
		piece = (struct suit_bytes){ s->plain, n };
	}
	if (rc == SUIT_OK && piece.n > 0)
		rc = d->feed(s, piece);
	heap_look(s);
	return rc;
}

/* The next piece; empty at the end. */
static bool next_piece(struct stream *s, uint64_t at, struct suit_bytes *ret)
{
	const struct suit_bytes *c = &s->job->content;
	if (s->job->in_fd < 0) {
		size_t left = c->n - at;
		*ret = (struct suit_bytes){ c->p + at,
					    left < STREAM_PIECE ? left : STREAM_PIECE };
		return true;
	}
	ssize_t n;
	do
		n = pread(s->job->in_fd, s->in, sizeof(s->in), (off_t)at);
	while (n < 0 && errno == EINTR);
	*ret = (struct suit_bytes){ s->in, n < 0 ? 0 : (size_t)n };
	return n >= 0;
}

static enum suit_rc push_all(struct stream *s, const struct decoder *d)
{
	struct suit_bytes piece;
	enum suit_rc rc;
	uint64_t at = 0;
	for (;;) {
		if (!next_piece(s, at, &piece))
			return SUIT_OPERATION;
		if (piece.n == 0)
			return SUIT_OK;
		at += piece.n;
		rc = push(s, d, piece);
		if (rc != SUIT_OK)
			return rc;
	}
}

/* The tag first: what is not authentic is not even finished. */
static enum suit_rc finish(struct stream *s, const struct decoder *d)
{
	uint64_t size;
	enum suit_rc rc = s->encrypted ? suit_decrypt_finish(&s->decrypt, &size) : SUIT_OK;
	if (rc == SUIT_OK)
		rc = d->end(s);
	if (rc == SUIT_OK && s->written != s->job->size)
		rc = SUIT_MISSING;
	return rc == SUIT_OK ? flush(s) : rc;
}

/* errno stays, but when the old image could not be read: then it is all there is to say. */
static enum suit_rc stream_free(struct stream *s, enum suit_rc rc)
{
	int number = errno;
	suit_decrypt_close(&s->decrypt);
	suit_zstd_free(s->zstd);
	if (s->old && !mapped_close()) {
		rc = SUIT_OPERATION;
		number = errno;
	}
	free(s->io.state.p);
	free(s);
	errno = number;
	return rc;
}

enum suit_rc stream_run(const struct stream_job *job, size_t *ret_heap)
{
	const struct decoder *d = decoder_of(job->format);
	size_t before = heap_now();
	if (!d)
		return SUIT_UNSUPPORTED;
	struct stream *s = calloc(1, sizeof(*s));
	if (!s)
		return SUIT_NO_SPACE;
	s->job = job;
	heap_look(s);
	enum suit_rc rc = open_decrypt(s);
	if (rc == SUIT_OK)
		rc = d->open(s);
	heap_look(s);
	if (rc == SUIT_OK)
		rc = push_all(s, d);
	if (rc == SUIT_OK)
		rc = finish(s, d);
	*ret_heap = s->heap_worst > before ? s->heap_worst - before : 0;
	return stream_free(s, rc);
}
