/* One set of functions for both runs; a run to look has no struct platform_work. */
#include "agent/platform.h"

#include "agent/asks.h"
#include "agent/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a place of the run holds by this run: an area what was fetched, a part what was put into
 * its other slot. */
struct holding {
	bool filled;
	bool old;    /* swapped out: what the part `payload` holds now */
	int payload; /* -1: content */
	struct suit_bytes content;
	struct suit_digest digest; /* as the manifest says */
	uint64_t size;
	bool matched; /* a condition has compared it since */
};

/* A dependency's envelope; one that is fetched again into the same place is another. */
struct dependency {
	uint8_t place;
	bool judged;
	enum suit_rc rc; /* then: may it be run? */
	bool delegated;
	struct suit_bytes content;
	struct suit_envelope envelope;
};

struct platform {
	const struct ability *ability;
	const struct facts *facts;
	const struct platform_work *work; /* NULL: only look */
	void *ctx;
	struct asks asks;
	struct update *update; /* being filled, or when it works: as it was filled */
	size_t fetched;        /* payloads so far */
	struct holding area[SUIT_TARGETS_MAX]; /* by place */
	struct holding part[UPDATE_PARTS_MAX];
	bool base[UPDATE_PARTS_MAX]; /* what the part holds has been compared */
	const struct suit_component_id *id[UPDATE_PARTS_MAX];
	const struct suit_envelope *by[UPDATE_PARTS_MAX]; /* the manifest that filled it */
	const struct suit_envelope *root;
	bool delegated;     /* the root */
	bool delegate_seen; /* some manifest is */
	struct dependency dependency[PLATFORM_DEPENDENCIES_MAX];
	size_t dependency_count;
	struct payload elsewhere; /* a dependency that is to be fetched first */
	enum proto_cause cause;
	const char *why;
};

static enum suit_rc refuse(struct platform *p, enum suit_rc rc, enum proto_cause cause,
			   const char *why)
{
	p->cause = cause;
	p->why = why;
	return rc;
}

/* --- components --------------------------------------------------------------------------- */

/* Its number, or UPDATE_NO_PART. */
static int part_of(const struct platform *p, const struct suit_target *t)
{
	char name[256];
	if (!t->id || t->dependency || !platform_name(t->id, name))
		return UPDATE_NO_PART;
	for (size_t i = 0; i < p->facts->count; i++)
		if (strcmp(name, p->facts->part[i].name) == 0)
			return (int)i;
	return UPDATE_NO_PART;
}

/* dl, dl/full, or dl/WORD; any word, as a manifest may have ways that others go. */
static bool is_area(const struct suit_target *t)
{
	return t->id && !t->dependency && (t->id->count == 1 || t->id->count == 2) &&
	       t->id->segment[0].n == 2 && memcmp(t->id->segment[0].p, "dl", 2) == 0;
}

static bool area_format(const struct platform *p, const struct suit_target *t, enum format *ret)
{
	const struct suit_bytes *word = &t->id->segment[1];
	*ret = FORMAT_PLAIN;
	if (t->id->count == 1 || (word->n == 4 && memcmp(word->p, "full", 4) == 0))
		return true;
	return format_find((const char *)word->p, word->n, ret) &&
	       FORMAT_BIT(*ret) & FORMAT_STREAMS & p->ability->formats;
}

static enum suit_rc on_component(void *ctx, const struct suit_target *t)
{
	struct platform *p = ctx;
	if (t->dependency || part_of(p, t) != UPDATE_NO_PART || is_area(t))
		return SUIT_OK;
	return refuse(p, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS, "for another component");
}

/* --- conditions --------------------------------------------------------------------------- */

/* As it was refused there. */
static enum suit_rc asked(struct platform *p, enum suit_rc rc)
{
	return p->asks.why ? refuse(p, rc, p->asks.cause, p->asks.why) : rc;
}

static enum suit_rc on_identity(void *ctx, const struct suit_target *t, enum suit_parameter key,
				struct suit_bytes id, struct scbor_out *measured)
{
	struct platform *p = ctx;
	const struct suit_uuid *is =
		key == SUIT_PARAM_VENDOR ? &p->ability->vendor_id : &p->ability->class_id;
	(void)t;
	if (key != SUIT_PARAM_VENDOR && key != SUIT_PARAM_CLASS)
		return SUIT_UNSUPPORTED;
	scbor_put_int(measured, key);
	scbor_put_bytes(measured, (struct suit_bytes){ is->b, sizeof(is->b) });
	return id.n == sizeof(is->b) && memcmp(id.p, is->b, sizeof(is->b)) == 0
		       ? SUIT_OK
		       : SUIT_CONDITION;
}

/* What the part holds as long as this update is not confirmed. */
static enum suit_rc measure_old(struct platform *p, size_t part, struct suit_digest *ret,
				uint64_t *ret_size)
{
	const struct part *now = &p->facts->part[part];
	if (p->work)
		return p->work->measure(p->ctx, part, false, ret, ret_size);
	*ret = now->digest;
	*ret_size = now->size;
	return now->has ? SUIT_OK : SUIT_MISSING;
}

static enum suit_rc measure_area(struct platform *p, const struct holding *h,
				 struct suit_digest *ret, uint64_t *ret_size)
{
	struct suit_message m = { .piece = { h->content }, .count = 1 };
	if (!h->filled)
		return SUIT_MISSING;
	if (h->old)
		return measure_old(p, (size_t)h->payload, ret, ret_size);
	*ret_size = h->size;
	if (h->payload < 0)
		return p->ability->crypto->sha256(&m, ret);
	*ret = h->digest;
	return p->work ? p->work->payload(p->ctx, (size_t)h->payload, ret, ret_size) : SUIT_OK;
}

static enum suit_rc measure_part(struct platform *p, size_t part, struct suit_digest *ret,
				 uint64_t *ret_size)
{
	const struct holding *h = &p->part[part];
	if (!h->filled)
		return measure_old(p, part, ret, ret_size);
	if (p->work)
		return p->work->measure(p->ctx, part, true, ret, ret_size);
	*ret = h->digest;
	*ret_size = h->size;
	return SUIT_OK;
}

/* For a report: what is there. */
static void put_measured(struct scbor_out *o, const struct suit_digest *digest, uint64_t size)
{
	uint8_t bytes[40];
	struct scbor_out wrapped;
	scbor_out_init(&wrapped, bytes, sizeof(bytes));
	scbor_put_array(&wrapped, 2);
	scbor_put_int(&wrapped, SUIT_ALG_SHA256);
	scbor_put_bytes(&wrapped, (struct suit_bytes){ digest->b, sizeof(digest->b) });
	scbor_put_int(o, SUIT_PARAM_DIGEST);
	scbor_put_bytes(o, scbor_out_bytes(&wrapped));
	if (size == UINT64_MAX)
		return;
	scbor_put_int(o, SUIT_PARAM_SIZE);
	scbor_put_uint(o, size);
}

static enum suit_rc on_image(void *ctx, const struct suit_target *t,
			     const struct suit_digest *digest, const uint64_t *size,
			     struct scbor_out *measured)
{
	struct platform *p = ctx;
	struct suit_digest is;
	uint64_t is_size = 0;
	int part = part_of(p, t);
	enum suit_rc rc = part == UPDATE_NO_PART
				  ? measure_area(p, &p->area[t->place], &is, &is_size)
				  : measure_part(p, (size_t)part, &is, &is_size);
	if (rc == SUIT_MISSING)
		return SUIT_CONDITION;
	if (rc != SUIT_OK)
		return rc;
	put_measured(measured, &is, is_size);
	if (!suit_digest_equal(digest, &is) ||
	    (size && is_size != UINT64_MAX && *size != is_size))
		return SUIT_CONDITION;
	if (part == UPDATE_NO_PART)
		return SUIT_OK;
	if (p->part[part].filled)
		p->part[part].matched = true;
	else
		p->base[part] = true;
	return SUIT_OK;
}

static enum suit_rc on_slot(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	struct platform *p = ctx;
	int part = part_of(p, t);
	if (part == UPDATE_NO_PART)
		return SUIT_UNSUPPORTED;
	*ret = p->facts->part[part].slot;
	return SUIT_OK;
}

/* Numbers with dots between them, as 1.2.0; what has more to it cannot be compared. */
static enum suit_rc on_version(void *ctx, const struct suit_target *t,
			       int64_t ret[SUIT_VERSION_MAX], size_t *ret_n)
{
	struct platform *p = ctx;
	const char *s = p->facts->version;
	char digits[16];
	uint64_t v;
	if (part_of(p, t) != 0)
		return SUIT_UNSUPPORTED;
	for (size_t n = 0; n < SUIT_VERSION_MAX; n++) {
		size_t length = strspn(s, "0123456789");
		if (length == 0 || length >= sizeof(digits))
			return SUIT_UNSUPPORTED;
		memcpy(digits, s, length);
		digits[length] = '\0';
		if (!text_number(digits, INT64_MAX, &v))
			return SUIT_UNSUPPORTED;
		ret[n] = (int64_t)v;
		s += length;
		if (!*s) {
			*ret_n = n + 1;
			return SUIT_OK;
		}
		if (*s++ != '.')
			return SUIT_UNSUPPORTED;
	}
	return SUIT_UNSUPPORTED;
}

static enum suit_rc on_now(void *ctx, const struct suit_target *t, uint64_t *ret)
{
	struct platform *p = ctx;
	(void)t;
	*ret = p->asks.now > 0 ? (uint64_t)p->asks.now : 0;
	return SUIT_OK;
}

static enum suit_rc on_battery(void *ctx, const struct suit_target *t, uint64_t *ret_mwh)
{
	struct platform *p = ctx;
	(void)t;
	return asked(p, asks_battery(&p->asks, ret_mwh));
}

static enum suit_rc on_authorized(void *ctx, const struct suit_target *t, int64_t priority)
{
	struct platform *p = ctx;
	(void)t;
	return asked(p, asks_authorized(&p->asks, priority));
}

static enum suit_rc on_wait(void *ctx, const struct suit_target *t, struct suit_bytes info)
{
	struct platform *p = ctx;
	(void)t;
	return asked(p, asks_wait(&p->asks, info, p->fetched));
}

/* --- dependencies ------------------------------------------------------------------------- */

/* The dependency of a dependency lies in the envelope of that: it was signed by somebody else,
 * and one manifest alone says what is fetched here. */
static enum suit_rc seek_dependency(struct platform *p, const struct suit_target *t,
				    struct suit_bytes uri)
{
	struct payload is = { .part = UPDATE_NO_PART };
	if (p->work || t->envelope != p->root || !update_take_uri(uri, &is.file) ||
	    !suit_parameter_uint(t, SUIT_PARAM_SIZE, &is.size) || is.size == 0)
		return refuse(p, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS,
			      "a dependency that is not in the envelope");
	is.digest = is.file;
	p->elsewhere = is;
	return refuse(p, SUIT_MISSING, PROTO_CAUSE_MANIFEST,
		      "a dependency's envelope is not here");
}

/* The bytes are kept where they are.  What they must be is said by the digest of the manifest
 * in them, which the processor compares. */
static enum suit_rc fetch_dependency(struct platform *p, const struct suit_target *t,
				     struct suit_bytes uri, struct suit_bytes content)
{
	uint64_t size = 0;
	if (!content.p)
		return seek_dependency(p, t, uri);
	if (suit_parameter_uint(t, SUIT_PARAM_SIZE, &size) && size != content.n)
		return SUIT_DIGEST;
	if (p->dependency_count == PLATFORM_DEPENDENCIES_MAX)
		return refuse(p, SUIT_TOO_LARGE, PROTO_CAUSE_SPACE, "too many dependencies");
	struct dependency *d = &p->dependency[p->dependency_count++];
	d->place = t->place;
	d->judged = false;
	d->delegated = false;
	d->content = content;
	return SUIT_OK;
}

static enum suit_rc judge_dependency(struct platform *p, struct dependency *d)
{
	const struct ability *a = p->ability;
	enum suit_rc rc = suit_envelope_decode(a->crypto, d->content, &d->envelope);
	if (rc != SUIT_OK)
		return refuse(p, rc, PROTO_CAUSE_MANIFEST, "a dependency cannot be read");
	enum platform_signer by = a->signer(a->signer_arg, &d->envelope);
	if (by == PLATFORM_NOBODY)
		return refuse(p, SUIT_SIGNATURE, PROTO_CAUSE_SIGNATURE,
			      "a dependency is not signed by an author this device trusts");
	d->delegated = by == PLATFORM_DELEGATE;
	if (d->envelope.sequence <= p->facts->sequence)
		return refuse(p, SUIT_CONDITION, PROTO_CAUSE_SEQUENCE,
			      "a dependency is not newer than what was confirmed here");
	return SUIT_OK;
}

static enum suit_rc on_dependency(void *ctx, const struct suit_target *t,
				  const struct suit_envelope **ret)
{
	struct platform *p = ctx;
	if (!p->ability->signer)
		return SUIT_UNSUPPORTED;
	for (size_t i = p->dependency_count; i-- > 0;) {
		struct dependency *d = &p->dependency[i];
		if (d->place != t->place)
			continue;
		if (!d->judged)
			d->rc = judge_dependency(p, d);
		d->judged = true;
		*ret = &d->envelope;
		return d->rc;
	}
	return SUIT_MISSING;
}

static bool on_delegated(void *ctx, const struct suit_envelope *e)
{
	struct platform *p = ctx;
	bool delegated = e == p->root && p->delegated;
	for (size_t i = 0; i < p->dependency_count; i++)
		delegated |= e == &p->dependency[i].envelope && p->dependency[i].delegated;
	p->delegate_seen |= delegated;
	return delegated;
}

/* --- what is put there -------------------------------------------------------------------- */

static bool has_foreign(const struct suit_target *t)
{
	struct suit_bytes b;
	return suit_parameter_encoded(t, SUIT_PARAM_FETCH_ARGS, &b) ||
	       suit_parameter_encoded(t, SUIT_PARAM_METADATA, &b);
}

static enum suit_rc check_size(struct platform *p, uint64_t size)
{
	if (size > 0 && size <= p->ability->image_max)
		return SUIT_OK;
	return refuse(p, SUIT_TOO_LARGE, PROTO_CAUSE_SPACE, "the image does not fit the slot");
}

/* Digest and size of what the command brings. */
static enum suit_rc take_size(struct platform *p, const struct suit_target *t,
			      struct holding *ret)
{
	*ret = (struct holding){ .filled = true, .payload = -1 };
	if (has_foreign(t))
		return SUIT_UNSUPPORTED;
	if (!suit_parameter_digest(t, &ret->digest) ||
	    !suit_parameter_uint(t, SUIT_PARAM_SIZE, &ret->size))
		return SUIT_MISSING;
	return check_size(p, ret->size);
}

/* May this part be written now? */
static enum suit_rc may_write(struct platform *p, size_t part, bool encrypted)
{
	if (p->part[part].filled)
		return refuse(p, SUIT_UNSUPPORTED, PROTO_CAUSE_MANIFEST,
			      "a component is written twice");
	if (p->ability->only_encrypted && !encrypted)
		return refuse(p, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS,
			      "not encrypted, and this device takes nothing else");
	if (p->facts->part[part].needs_base && !p->facts->part[part].has)
		return refuse(p, SUIT_UNSUPPORTED, PROTO_CAUSE_STORAGE,
			      "there is nothing to fall back to in this component");
	return SUIT_OK;
}

static void put_there(struct platform *p, size_t part, const struct suit_target *t,
		      const struct holding *h)
{
	p->part[part] = *h;
	p->id[part] = t->id;
	p->by[part] = t->envelope;
	if (!p->work)
		p->update->touched |= 1u << part;
}

/* Notes the payload, or finds it as it was noted. */
static enum suit_rc take_payload(struct platform *p, struct suit_bytes uri, int part,
				 struct holding *h)
{
	struct update *u = p->update;
	struct payload is = { .digest = h->digest, .size = h->size, .part = part };
	if (!update_take_uri(uri, &is.file))
		return refuse(p, SUIT_UNSUPPORTED, PROTO_CAUSE_MANIFEST,
			      "the image's address is not img/<digest>");
	if (p->fetched == UPDATE_PAYLOADS_MAX)
		return SUIT_TOO_LARGE;
	struct payload *noted = &u->payload[p->fetched];
	if (!p->work) {
		*noted = is;
		u->payload_count = p->fetched + 1;
	} else if (p->fetched >= u->payload_count || noted->part != part ||
		   noted->size != is.size || !suit_digest_equal(&noted->digest, &is.digest) ||
		   !suit_digest_equal(&noted->file, &is.file)) {
		return refuse(p, SUIT_OPERATION, PROTO_CAUSE_INSTALL,
			      "the manifest wants something else than before");
	}
	h->payload = (int)p->fetched++;
	return SUIT_OK;
}

static enum suit_rc copy_now(struct platform *p, const struct platform_copy *c)
{
	return p->work ? p->work->copy(p->ctx, c) : SUIT_OK;
}

static enum suit_rc fetch_into_area(struct platform *p, const struct suit_target *t,
				    struct suit_bytes uri, struct holding *h)
{
	enum format format;
	if (!is_area(t) || !area_format(p, t, &format))
		return refuse(p, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS,
			      "in a format that this device does not read");
	enum suit_rc rc = h->content.p ? SUIT_OK : take_payload(p, uri, UPDATE_NO_PART, h);
	if (rc == SUIT_OK)
		p->area[t->place] = *h;
	return rc;
}

/* What is in the envelope beside the manifest is not signed.  Nothing reads it, and nothing
 * takes it apart, before it is known to be what was meant. */
static enum suit_rc check_content(const struct platform *p, const struct holding *h)
{
	struct suit_message m = { .piece = { h->content }, .count = 1 };
	struct suit_digest is;
	if (h->content.n != h->size)
		return SUIT_DIGEST;
	enum suit_rc rc = p->ability->crypto->sha256(&m, &is);
	if (rc == SUIT_OK && !suit_digest_equal(&is, &h->digest))
		rc = SUIT_DIGEST;
	return rc;
}

static enum suit_rc on_fetch(void *ctx, const struct suit_target *t, struct suit_bytes uri,
			     struct suit_bytes content)
{
	struct platform *p = ctx;
	struct holding h;
	if (t->dependency)
		return fetch_dependency(p, t, uri, content);
	struct suit_bytes info;
	int part = part_of(p, t);
	enum suit_rc rc = take_size(p, t, &h);
	h.content = content;
	if (rc == SUIT_OK && content.p)
		rc = check_content(p, &h);
	if (rc != SUIT_OK)
		return rc;
	if (part == UPDATE_NO_PART)
		return fetch_into_area(p, t, uri, &h);
	if (suit_parameter_encoded(t, SUIT_PARAM_ENCRYPTION, &info))
		return SUIT_UNSUPPORTED; /* a fetch does not decrypt */
	rc = may_write(p, (size_t)part, false);
	if (rc == SUIT_OK && !content.p)
		rc = take_payload(p, uri, part, &h);
	if (rc == SUIT_OK && content.p)
		rc = copy_now(p, &(struct platform_copy){ .part = (size_t)part,
							  .payload = -1,
							  .content = content,
							  .format = FORMAT_PLAIN,
							  .size = h.size });
	if (rc == SUIT_OK)
		put_there(p, (size_t)part, t, &h);
	return rc;
}

/* Could it be decrypted?  Asked before anything is fetched. */
static enum suit_rc may_open(struct platform *p, struct suit_bytes info)
{
	static const struct keys none;
	const struct ability *a = p->ability;
	struct suit_content_key key;
	enum suit_rc rc =
		keys_open(a->keys ? a->keys : &none, a->crypto, a->formats, info, &key);
	if (rc == SUIT_OK)
		suit_content_key_wipe(&key);
	if (rc == SUIT_MISSING || rc == SUIT_DECRYPT || rc == SUIT_UNSUPPORTED)
		return refuse(p, rc, PROTO_CAUSE_CLASS,
			      "encrypted for others, or by a cipher that is not known here");
	if (rc == SUIT_CRYPTO)
		return refuse(p, rc, PROTO_CAUSE_INSTALL,
			      "the device's own key cannot be used: its token, or the library, "
			      "fails");
	if (rc == SUIT_KEY) /* the device's, not that of who signed */
		return refuse(p, rc, PROTO_CAUSE_MANIFEST, suit_rc_text(rc));
	return rc;
}

/* From an area, or from the manifest itself. */
static enum suit_rc put_image(struct platform *p, const struct suit_target *t,
			      const struct holding *from, enum format format)
{
	struct platform_copy c = { .payload = from->payload,
				   .content = from->content,
				   .format = format };
	struct holding h;
	int part = part_of(p, t);
	if (part == UPDATE_NO_PART)
		return SUIT_UNSUPPORTED;
	c.part = (size_t)part;
	enum suit_rc rc = take_size(p, t, &h);
	bool encrypted = suit_parameter_bytes(t, SUIT_PARAM_ENCRYPTION, &c.info);
	if (!encrypted)
		c.info = (struct suit_bytes){ 0 };
	if (rc == SUIT_OK)
		rc = may_write(p, c.part, encrypted);
	if (rc == SUIT_OK && encrypted)
		rc = may_open(p, c.info);
	if (rc == SUIT_OK && format_is_patch(format) && !p->base[part])
		rc = refuse(p, SUIT_MISSING, PROTO_CAUSE_MANIFEST,
			    "a patch, and nothing was compared with its base");
	c.size = h.size;
	if (rc == SUIT_OK)
		rc = copy_now(p, &c);
	if (rc == SUIT_OK)
		put_there(p, c.part, t, &h);
	return rc;
}

static enum suit_rc on_copy(void *ctx, const struct suit_target *t,
			    const struct suit_target *source)
{
	struct platform *p = ctx;
	enum format format;
	const struct holding *from = &p->area[source->place];
	if (!is_area(source) || part_of(p, source) != UPDATE_NO_PART || !from->filled)
		return SUIT_MISSING;
	if (from->old || !area_format(p, source, &format))
		return SUIT_UNSUPPORTED;
	return put_image(p, t, from, format);
}

/* The part's other file gets what the area holds, as by a copy; its file in use is not touched,
 * and is what the area holds then.  Bytes as they are: a swap does not decrypt or unpack. */
static enum suit_rc on_swap(void *ctx, const struct suit_target *t,
			    const struct suit_target *source)
{
	struct platform *p = ctx;
	struct holding *area = &p->area[source->place];
	int part = part_of(p, t);
	struct suit_bytes info;
	enum format format;
	if (is_area(source) && area_format(p, source, &format) && format != FORMAT_PLAIN)
		return SUIT_UNSUPPORTED;
	if (suit_parameter_encoded(t, SUIT_PARAM_ENCRYPTION, &info))
		return SUIT_UNSUPPORTED;
	enum suit_rc rc = on_copy(ctx, t, source);
	if (rc == SUIT_OK)
		*area = (struct holding){ .filled = p->facts->part[part].has,
					  .old = true,
					  .payload = part };
	return rc;
}

/* An area has one reference: it holds nothing then.  Its file goes when the update is over, as
 * a cut until then would have it fetched once more. */
static enum suit_rc on_unlink(void *ctx, const struct suit_target *t)
{
	struct platform *p = ctx;
	if (!is_area(t) || part_of(p, t) != UPDATE_NO_PART)
		return refuse(p, SUIT_UNSUPPORTED, PROTO_CAUSE_CLASS,
			      "what is in use cannot be unlinked");
	p->area[t->place] = (struct holding){ 0 };
	return SUIT_OK;
}

/* Bytes of the manifest itself: they are what was signed, and need no digest of their own. */
static enum suit_rc write_signed(struct platform *p, const struct suit_target *t, size_t part,
				 struct suit_bytes content)
{
	struct suit_message m = { .piece = { content }, .count = 1 };
	struct holding h = { .filled = true, .payload = -1, .size = content.n };
	enum suit_rc rc = has_foreign(t) ? SUIT_UNSUPPORTED : check_size(p, content.n);
	if (rc == SUIT_OK)
		rc = may_write(p, part, false);
	if (rc == SUIT_OK)
		rc = p->ability->crypto->sha256(&m, &h.digest);
	if (rc == SUIT_OK)
		rc = copy_now(p, &(struct platform_copy){ .part = part,
							  .payload = -1,
							  .content = content,
							  .format = FORMAT_PLAIN,
							  .size = content.n });
	h.matched = true;
	if (rc == SUIT_OK)
		put_there(p, part, t, &h);
	return rc;
}

static enum suit_rc on_write(void *ctx, const struct suit_target *t, struct suit_bytes content)
{
	struct platform *p = ctx;
	struct holding from = { .filled = true, .payload = -1, .content = content };
	struct suit_bytes info;
	int part = part_of(p, t);
	if (part == UPDATE_NO_PART)
		return SUIT_UNSUPPORTED;
	if (suit_parameter_encoded(t, SUIT_PARAM_ENCRYPTION, &info))
		return put_image(p, t, &from, FORMAT_PLAIN);
	return write_signed(p, t, (size_t)part, content);
}

static const struct suit_platform functions = {
	.identity_first = true,
	.component = on_component,
	.identity = on_identity,
	.image = on_image,
	.slot = on_slot,
	.version = on_version,
	.battery = on_battery,
	.now = on_now,
	.authorized = on_authorized,
	.fetch = on_fetch,
	.write = on_write,
	.copy = on_copy,
	.swap = on_swap,
	.unlink = on_unlink,
	.wait = on_wait,
	.dependency = on_dependency,
	.delegated = on_delegated,
};

/* --- the runs ----------------------------------------------------------------------------- */

/* Everything that was put somewhere was compared since, and something was. */
static enum suit_rc check_end(struct platform *p)
{
	bool some = false;
	for (size_t i = 0; i < p->facts->count; i++) {
		some = some || p->part[i].filled;
		if (p->part[i].filled && !p->part[i].matched)
			return refuse(p, SUIT_MISSING, PROTO_CAUSE_MANIFEST,
				      "what is installed is not compared");
	}
	if (!some)
		return refuse(p, SUIT_MISSING, PROTO_CAUSE_MANIFEST, "nothing is installed");
	if (p->work && p->fetched != p->update->payload_count)
		return refuse(p, SUIT_OPERATION, PROTO_CAUSE_INSTALL,
			      "the manifest wants less than before");
	return SUIT_OK;
}

static enum suit_rc run(struct platform *p, const struct suit_envelope *e,
			struct platform_result *result)
{
	const struct ability *a = p->ability;
	enum platform_signer by = a->signer ? a->signer(a->signer_arg, e) : PLATFORM_AUTHOR;
	if (by == PLATFORM_NOBODY) { /* a certificate may have ended since it was looked at */
		*result = (struct platform_result){
			.cause = PROTO_CAUSE_SIGNATURE,
			.why = "not signed by an author this device trusts any more",
			.run.reason = SUIT_REASON_UNAUTHORISED,
		};
		return SUIT_SIGNATURE;
	}
	asks_begin(&p->asks, a, p->update, p->work != NULL);
	p->root = e;
	p->delegated = by == PLATFORM_DELEGATE;
	enum suit_rc rc = suit_process(e, SUIT_UPDATE_PROCEDURE, &functions, p, &result->run);
	if (rc == SUIT_OK) {
		rc = check_end(p);
		if (rc != SUIT_OK)
			result->run.reason = SUIT_REASON_OPERATION;
	}
	p->update->ahead = p->asks.ahead;
	result->put_off = false;
	result->elsewhere = p->elsewhere;
	result->cause = PROTO_CAUSE_NONE;
	result->why = "";
	if (rc == SUIT_OK)
		return rc;
	result->put_off = rc == SUIT_CONDITION && result->run.not_yet && !p->why;
	if (result->put_off)
		rc = refuse(p, rc, PROTO_CAUSE_INSTALL, asks_text(result->run.not_yet));
	if (rc == SUIT_KEY && p->delegate_seen && !p->why)
		rc = refuse(p, rc, PROTO_CAUSE_SIGNATURE,
			    "a delegate lets this device in, and may do nothing else");
	result->why = p->why ? p->why : suit_rc_text(rc);
	if (p->cause != PROTO_CAUSE_NONE)
		result->cause = p->cause;
	else if (p->work)
		result->cause = rc == SUIT_CONDITION ? PROTO_CAUSE_DIGEST : PROTO_CAUSE_INSTALL;
	else
		result->cause = rc == SUIT_CONDITION ? PROTO_CAUSE_CLASS : PROTO_CAUSE_MANIFEST;
	return rc;
}

static void take_version(const struct suit_envelope *e, const struct suit_component_id *id,
			 char ret[UPDATE_VERSION_MAX])
{
	struct suit_bytes text = suit_text_version(e, id);
	int at = 0;
	ret[0] = '\0';
	if (text.n > 0 && text.n < UPDATE_VERSION_MAX) {
		memcpy(ret, text.p, text.n);
		ret[text.n] = '\0';
		return;
	}
	for (size_t i = 0; i < e->version_count && e->version[i] >= 0; i++) {
		at += snprintf(ret + at, UPDATE_VERSION_MAX - (size_t)at, "%s%" PRId64,
			       i ? "." : "", e->version[i]);
		if (at >= UPDATE_VERSION_MAX)
			break;
	}
}

enum suit_rc platform_look(const struct ability *a, const struct facts *facts,
			   const struct suit_envelope *e, struct update *ret,
			   struct platform_result *ret_result)
{
	struct update u = { .job = ret->job,
			    .attempt = ret->attempt,
			    .manifest = e->digest,
			    .waited = ret->waited };
	memcpy(u.over, ret->over, sizeof(u.over));
	struct platform p = { .ability = a, .facts = facts, .update = &u };
	enum suit_rc rc = run(&p, e, ret_result);
	if (rc != SUIT_OK)
		return rc;
	u.sequence = p.delegated ? 0 : e->sequence;
	for (size_t i = facts->count; i-- > 0;) {
		if (!p.part[i].filled)
			continue;
		u.image = p.part[i].digest;
		take_version(p.by[i], p.id[i], u.version);
		if (p.by[i]->sequence > u.sequence)
			u.sequence = p.by[i]->sequence;
	}
	*ret = u;
	return SUIT_OK;
}

enum suit_rc platform_work(const struct ability *a, const struct facts *facts,
			   const struct suit_envelope *e, const struct update *u,
			   const struct platform_work *work, void *ctx,
			   struct platform_result *ret_result)
{
	struct update looked = *u;
	struct platform p = {
		.ability = a, .facts = facts, .work = work, .ctx = ctx, .update = &looked
	};
	return run(&p, e, ret_result);
}
