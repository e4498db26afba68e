/* A device for tests of the processor: it does nothing, and writes down every question and
 * every deed, as words that tests compare: "fetch 1 img/0 a1;" is a fetch into component 1 with
 * a digest that begins with a1. */
#pragma once

#include "suit/process.h"
#include "tests/tap.h"
#include "tests/unit/suit_seq.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct board {
	char trace[8192];
	size_t n;
	/* What begins with one of these does not hold, or fails. */
	const char *no[4];
	const char *absent; /* the same, until something was fetched */
	bool fetched;
	const char *fails;
	enum suit_rc failure; /* with this; SUIT_OK: SUIT_OPERATION */
	uint64_t slot, now, battery;
	int64_t version[SUIT_VERSION_MAX];
	size_t version_n;
	struct suit_bytes content;                 /* of every component */
	const struct suit_envelope *dependency[4]; /* by index of the root's; NULL: none */
};

__attribute__((format(printf, 2, 3))) static inline enum suit_rc board_say(struct board *b,
									   const char *fmt, ...)
{
	char word[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(word, sizeof(word), fmt, ap);
	va_end(ap);
	b->n += (size_t)snprintf(b->trace + b->n, sizeof(b->trace) - b->n, "%s;", word);
	if (b->n >= sizeof(b->trace))
		abort();
	for (int i = 0; i < 4 && b->no[i]; i++)
		if (strncmp(word, b->no[i], strlen(b->no[i])) == 0)
			return SUIT_CONDITION;
	b->fetched = b->fetched || strncmp(word, "fetch", 5) == 0;
	if (b->absent && !b->fetched && strncmp(word, b->absent, strlen(b->absent)) == 0)
		return SUIT_CONDITION;
	if (b->fails && strncmp(word, b->fails, strlen(b->fails)) == 0)
		return b->failure != SUIT_OK ? b->failure : SUIT_OPERATION;
	return SUIT_OK;
}

/* " a1", of the digest that is set, or nothing. */
static inline const char *board_digest(const struct suit_target *t)
{
	static char text[8];
	struct suit_digest digest;

	text[0] = '\0';
	if (suit_parameter_digest(t, &digest))
		snprintf(text, sizeof(text), " %02x", digest.b[0]);
	return text;
}

static inline enum suit_rc board_identity(void *ctx, const struct suit_target *t,
					  enum suit_parameter key, struct suit_bytes id,
					  struct scbor_out *measured)
{
	static const uint8_t actual[16] = { 0xac };
	const char *name = key == SUIT_PARAM_VENDOR  ? "vendor"
			   : key == SUIT_PARAM_CLASS ? "class"
						     : "device";
	enum suit_rc rc = board_say(ctx, "%s %u %02x", name, t->index, id.p[0]);

	scbor_put_int(measured, key);
	scbor_put_bytes(measured, (struct suit_bytes){ actual, sizeof(actual) });
	return rc;
}

static inline enum suit_rc board_image(void *ctx, const struct suit_target *t,
				       const struct suit_digest *digest, const uint64_t *size,
				       struct scbor_out *measured)
{
	(void)measured;
	if (!size)
		return board_say(ctx, "image %u %02x", t->index, digest->b[0]);
	return board_say(ctx, "image %u %02x %" PRIu64, t->index, digest->b[0], *size);
}

static inline enum suit_rc board_slot(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	struct board *b = ctx;

	*ret = b->slot;
	return board_say(b, "slot %u", t->index);
}

static inline enum suit_rc board_read(void *ctx, const struct suit_target *t, uint64_t offset,
				      uint8_t *buf, size_t n, size_t *ret_n)
{
	struct board *b = ctx;
	size_t left = offset < b->content.n ? b->content.n - (size_t)offset : 0;

	*ret_n = left < n ? left : n;
	if (*ret_n > 0)
		memcpy(buf, b->content.p + offset, *ret_n);
	return board_say(b, "read %u %" PRIu64, t->index, offset);
}

static inline enum suit_rc board_version(void *ctx, const struct suit_target *t,
					 int64_t ret[SUIT_VERSION_MAX], size_t *ret_n)
{
	struct board *b = ctx;

	memcpy(ret, b->version, sizeof(b->version));
	*ret_n = b->version_n;
	return board_say(b, "version %u", t->index);
}

static inline enum suit_rc board_battery(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	struct board *b = ctx;

	*ret = b->battery;
	return board_say(b, "battery %u", t->index);
}

static inline enum suit_rc board_now(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	struct board *b = ctx;

	*ret = b->now;
	return board_say(b, "now %u", t->index);
}

static inline enum suit_rc board_authorized(void *ctx, const struct suit_target *t,
					    int64_t priority)
{
	return board_say(ctx, "authorized %u %" PRId64, t->index, priority);
}

static inline enum suit_rc board_fetch(void *ctx, const struct suit_target *t,
				       struct suit_bytes uri, struct suit_bytes content)
{
	return board_say(ctx, "fetch %u %.*s%s%s", t->index, (int)uri.n, (const char *)uri.p,
			 board_digest(t), content.p ? " inside" : "");
}

static inline enum suit_rc board_write(void *ctx, const struct suit_target *t,
				       struct suit_bytes content)
{
	struct suit_bytes info;

	return board_say(ctx, "write %u %zu%s", t->index, content.n,
			 suit_parameter_bytes(t, SUIT_PARAM_ENCRYPTION, &info) ? " decrypt"
									       : "");
}

static inline enum suit_rc board_copy(void *ctx, const struct suit_target *t,
				      const struct suit_target *source)
{
	struct suit_bytes info;

	return board_say(ctx, "copy %u<%u%s%s", t->index, source->index, board_digest(t),
			 suit_parameter_bytes(t, SUIT_PARAM_ENCRYPTION, &info) ? " decrypt"
									       : "");
}

static inline enum suit_rc board_swap(void *ctx, const struct suit_target *t,
				      const struct suit_target *source)
{
	return board_say(ctx, "swap %u<>%u", t->index, source->index);
}

static inline enum suit_rc board_invoke(void *ctx, const struct suit_target *t,
					struct suit_bytes args)
{
	return board_say(ctx, "invoke %u %.*s", t->index, (int)args.n, (const char *)args.p);
}

static inline enum suit_rc board_unlink(void *ctx, const struct suit_target *t)
{
	return board_say(ctx, "unlink %u", t->index);
}

static inline enum suit_rc board_wait(void *ctx, const struct suit_target *t,
				      struct suit_bytes info)
{
	return board_say(ctx, "wait %u %zu", t->index, info.n);
}

static inline enum suit_rc board_dependency(void *ctx, const struct suit_target *t,
					    const struct suit_envelope **ret)
{
	struct board *b = ctx;
	enum suit_rc rc = board_say(b, "dependency %u", t->index);

	if (rc != SUIT_OK)
		return rc;
	*ret = t->index < 4 ? b->dependency[t->index] : NULL;
	return *ret ? SUIT_OK : SUIT_MISSING;
}

static inline enum suit_rc board_custom(void *ctx, const struct suit_target *t, int64_t command,
					struct suit_bytes arg)
{
	(void)arg;
	return board_say(ctx, "custom %u %" PRId64, t->index, command);
}

static inline const struct suit_platform *board_platform(void)
{
	static const struct suit_platform p = {
		.identity = board_identity,
		.image = board_image,
		.slot = board_slot,
		.read = board_read,
		.version = board_version,
		.battery = board_battery,
		.now = board_now,
		.authorized = board_authorized,
		.fetch = board_fetch,
		.write = board_write,
		.copy = board_copy,
		.swap = board_swap,
		.invoke = board_invoke,
		.unlink = board_unlink,
		.wait = board_wait,
		.dependency = board_dependency,
		.custom = board_custom,
	};

	return &p;
}

/* One manifest, run. */
static struct suit_run run_state;

static inline void plays(const struct draft *d, struct board *b, enum suit_procedure procedure,
			 enum suit_rc want, const char *trace, const char *name)
{
	static uint8_t buf[DRAFT_MAX];
	struct suit_envelope e;
	enum suit_rc rc = draft_decode(d, buf, &e);

	b->n = 0;
	b->trace[0] = '\0';
	if (!ok(rc == SUIT_OK, "%s: decodes: %s", name, suit_rc_text(rc)))
		return;
	rc = suit_process(&e, procedure, board_platform(), b, &run_state);
	ok(rc == want, "%s: %s", name, suit_rc_text(rc));
	is_str(b->trace, trace, name);
}

/* The commands as the install section of a manifest of n components. */
static inline void installs(const struct seq *install, size_t n, struct board *b,
			    enum suit_rc want, const char *trace, const char *name)
{
	struct draft d = { .components = n, .section = { { 20, install } } };

	plays(&d, b, SUIT_UPDATE_PROCEDURE, want, trace, name);
}
