/* The three functions that a manifest works with. */
#include "agent/install.h"

#include "agent/clean.h"
#include "agent/log.h"
#include "agent/stream.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

struct install {
	struct store *store;
	const struct ability *ability;
	const struct update *update;
	enum proto_cause cause; /* of a failure that the processor cannot tell */
	const char *why;
};

static enum suit_rc storage(struct install *w, const char *why)
{
	w->cause = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? PROTO_CAUSE_SPACE
									: PROTO_CAUSE_STORAGE;
	w->why = why;
	log_errno("%s", why);
	return SUIT_OPERATION;
}

static enum suit_rc measure(void *ctx, size_t part, bool staged, struct suit_digest *ret,
			    uint64_t *ret_size)
{
	struct install *w = ctx;
	char active = store_active(w->store, part);
	if (store_digest(w->store, part, staged ? boot_other(active) : active, ret, ret_size))
		return SUIT_OK;
	return errno == ENOENT ? SUIT_MISSING : storage(w, "a component cannot be read");
}

static enum suit_rc measure_payload(void *ctx, size_t nth, struct suit_digest *ret,
				    uint64_t *ret_size)
{
	struct install *w = ctx;
	if (store_payload_digest(w->store, w->update, nth, ret, ret_size))
		return SUIT_OK;
	return storage(w, "what was fetched cannot be read");
}

static bool open_base(const struct store *s, const struct platform_copy *c,
		      struct stream_job *job)
{
	struct stat st;
	if (!format_is_patch(c->format))
		return true;
	job->old_fd = store_part_open(s, c->part);
	if (job->old_fd < 0 || fstat(job->old_fd, &st) != 0)
		return false;
	job->old_size = (uint64_t)st.st_size;
	return true;
}

static enum suit_rc run_stream(struct install *w, const struct platform_copy *c,
			       const struct stream_job *job)
{
	size_t heap = 0;
	enum suit_rc rc = stream_run(job, &heap);
	if (rc == SUIT_OPERATION)
		return storage(
			w,
			"the slot cannot be written, or what it is made from cannot be read");
	if (rc == SUIT_NO_SPACE)
		w->why = "its window is larger than this device's memory for it";
	if (rc != SUIT_OK) {
		w->cause = PROTO_CAUSE_INSTALL;
		w->why = w->why ? w->why : suit_rc_text(rc);
		return rc;
	}
	log_line("component %zu: %" PRIu64 " bytes %s%s, %zu bytes of memory at most", c->part,
		 c->size, format_word(c->format), c->info.n ? ", encrypted" : "", heap);
	return fsync(job->out_fd) == 0 ? SUIT_OK : storage(w, "the slot cannot be written");
}

static enum suit_rc copy(void *ctx, const struct platform_copy *c)
{
	struct install *w = ctx;
	CLEAN(fd) int in = -1;
	CLEAN(fd) int out = -1;
	struct stream_job job = { .crypto = w->ability->crypto,
				  .keys = w->ability->keys,
				  .allowed = w->ability->formats,
				  .format = c->format,
				  .content = c->content,
				  .info = c->info,
				  .old_fd = -1,
				  .size = c->size };
	if (c->payload >= 0)
		in = store_payload_open(w->store, w->update, (size_t)c->payload);
	if (c->payload >= 0 && in < 0)
		return storage(w, "what was fetched cannot be read");
	bool based = open_base(w->store, c, &job);
	CLEAN(fd) int old = job.old_fd;
	if (!based)
		return storage(w, "the image to be patched cannot be read");
	out = store_stage(w->store, w->update, c->part, c->size);
	if (out < 0)
		return storage(w, "the slot cannot be written");
	job.in_fd = in;
	job.out_fd = out;
	(void)old; /* closed at the end */
	return run_stream(w, c, &job);
}

enum suit_rc install_run(struct store *s, const struct ability *a, const struct facts *facts,
			 const struct update *u, struct suit_bytes envelope,
			 struct platform_result *ret_result)
{
	static const struct platform_work work = { measure, measure_payload, copy };
	struct install w = { .store = s, .ability = a, .update = u };
	struct suit_envelope e;
	enum suit_rc rc = suit_envelope_decode(a->crypto, envelope, &e);
	if (rc != SUIT_OK || !suit_digest_equal(&e.digest, &u->manifest)) {
		*ret_result = (struct platform_result){ .cause = PROTO_CAUSE_MANIFEST,
							.why = "the envelope has changed",
							.run.reason = SUIT_REASON_CBOR };
		return rc ? rc : SUIT_DIGEST;
	}
	rc = platform_work(a, facts, &e, u, &work, &w, ret_result);
	if (rc != SUIT_OK && w.why) {
		ret_result->cause = w.cause;
		ret_result->why = w.why;
	}
	return rc;
}
