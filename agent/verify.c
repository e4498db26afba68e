/* Signature first, then everything else; an unsigned envelope gets no answer but "signature".
 */
#include "agent/verify.h"

#include "agent/file.h"
#include "suit/ids.h"
#include "suit/plan.h"
#include "suit/trust.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A public key, or the certificate of an authority whose authors are believed. */
static bool anchor_add(struct verify *v, struct suit_bytes pem)
{
	if (v->anchor_count < VERIFY_ANCHORS_MAX &&
	    suit_key_from_public_pem(pem, &v->anchor[v->anchor_count]) == SUIT_OK) {
		v->anchor_count++;
		return true;
	}
	size_t n = 0;
	if (v->authority_count == VERIFY_ANCHORS_MAX ||
	    suit_certificate_from_pem(pem, v->authority_der[v->authority_count], &n) != SUIT_OK)
		return false;
	v->authority[v->authority_count] =
		(struct suit_bytes){ v->authority_der[v->authority_count], n };
	v->authority_count++;
	return true;
}

bool verify_anchors(struct verify *v, const char (*path)[256], size_t count, size_t *ret_bad)
{
	char pem[2 * SUIT_CERT_MAX];
	size_t n;
	for (size_t i = 0; i < count; i++) {
		*ret_bad = i;
		if (!file_read(path[i], pem, sizeof(pem), &n) ||
		    !anchor_add(v, (struct suit_bytes){ (const uint8_t *)pem, n }))
			return false;
	}
	return true;
}

void verify_finish(struct verify *v)
{
	for (size_t i = 0; i < v->anchor_count; i++)
		suit_key_free(v->anchor[i]);
	v->anchor_count = 0;
	v->authority_count = 0;
}

/* While an envelope's signatures are looked at. */
struct search {
	const struct verify *v;
	struct suit_key *certified; /* of the block last looked at */
};

/* A block that names a key is checked with that key alone, so that no bit of it is without
 * meaning; one that names none may be by any anchor. */
static bool may_be_by(const struct suit_key *key, const struct suit_block *block)
{
	uint8_t kid[SUIT_KID_SIZE];
	if (suit_key_kid(key, kid) != SUIT_OK)
		return false;
	struct suit_bytes named = { kid, sizeof(kid) };
	return block->kid.n == 0 || suit_bytes_equal(block->kid, named);
}

/* The key in the block's certificate, when an authority of ours answers for it today; by the
 * device's own clock, as it has no better one that its server could not set. */
static const struct suit_key *certified_key(struct search *s, const struct suit_block *block)
{
	struct suit_bytes chain[SUIT_CHAIN_MAX];
	struct suit_certificates given = { .der = chain };
	while (given.count < SUIT_CHAIN_MAX) {
		chain[given.count] = suit_block_certificate(block, given.count);
		if (chain[given.count].n == 0)
			break;
		given.count++;
	}
	suit_key_free(s->certified);
	s->certified = NULL;
	struct suit_certificates trusted = { s->v->authority, s->v->authority_count };
	if (given.count == 0 ||
	    suit_key_from_certificate(given, trusted, time(NULL), &s->certified) != SUIT_OK)
		return NULL;
	return may_be_by(s->certified, block) ? s->certified : NULL;
}

static const struct suit_key *anchor_of(void *arg, const struct suit_block *block, size_t nth)
{
	struct search *s = arg;
	bool by_certificate = suit_block_certificate(block, 0).n > 0;
	const struct suit_key *key = by_certificate ? certified_key(s, block) : NULL;
	if (key && nth-- == 0)
		return key;
	if (by_certificate && block->kid.n == 0)
		return NULL;
	for (size_t i = 0; i < s->v->anchor_count; i++)
		if (may_be_by(s->v->anchor[i], block) && nth-- == 0)
			return s->v->anchor[i];
	return NULL;
}

/* Others may have signed too; it is enough that each author this device trusts has, who is
 * there at all. */
static bool is_signed(const struct verify *v, const struct suit_envelope *e)
{
	struct search search = { .v = v };
	struct suit_trust trust = { .key = anchor_of, .arg = &search, .pass_unknown = true };
	struct suit_verdict verdict;
	enum suit_rc rc = suit_envelope_verify(v->crypto, e, &trust, &verdict);
	suit_key_free(search.certified);
	return rc == SUIT_OK;
}

/* A segment that is not of plain letters is written in hexadecimal (api/coap.md). */
static bool is_plain(struct suit_bytes s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-";
	if (s.n == 0 || (s.n > 1 && s.p[0] == '0' && s.p[1] == 'x'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(plain, s.p[i], sizeof(plain) - 1))
			return false;
	return true;
}

static bool component_is(const struct suit_component_id *id, const char *name)
{
	char text[256];
	char hex[SUIT_HEX_SIZE(64)];
	size_t at = 0;
	for (size_t i = 0; i < id->count; i++) {
		struct suit_bytes s = id->segment[i];
		const char *slash = i ? "/" : "";
		if (s.n > 64)
			return false;
		suit_hex(s, hex);
		int n = is_plain(s)
				? snprintf(text + at, sizeof(text) - at, "%s%.*s", slash,
					   (int)s.n, (const char *)s.p)
				: snprintf(text + at, sizeof(text) - at, "%s0x%s", slash, hex);
		at += (size_t)n;
		if (at >= sizeof(text))
			return false;
	}
	return id->count > 0 && strcmp(text, name) == 0;
}

/* img/<digest>, and nothing else: an envelope cannot make us ask for any other path. */
static bool take_path(struct suit_bytes uri, char ret[LINK_PATH_MAX])
{
	if (uri.n != 4 + 64 || memcmp(uri.p, "img/", 4) != 0)
		return false;
	for (size_t i = 4; i < uri.n; i++)
		if (!memchr("0123456789abcdef", uri.p[i], 16))
			return false;
	memcpy(ret, uri.p, uri.n);
	ret[uri.n] = '\0';
	return true;
}

static void take_version(const struct suit_envelope *e, const struct suit_component_id *id,
			 char ret[VERIFY_VERSION_MAX])
{
	struct suit_bytes text = suit_text_version(e, id);
	int at = 0;
	ret[0] = '\0';
	if (text.n > 0 && text.n < VERIFY_VERSION_MAX) {
		memcpy(ret, text.p, text.n);
		ret[text.n] = '\0';
		return;
	}
	for (size_t i = 0; i < e->version_count && e->version[i] >= 0; i++) {
		at += snprintf(ret + at, VERIFY_VERSION_MAX - (size_t)at, "%s%" PRId64,
			       i ? "." : "", e->version[i]);
		if (at >= VERIFY_VERSION_MAX)
			break;
	}
}

static enum proto_cause plan_cause(enum suit_rc rc)
{
	return rc == SUIT_CONDITION ? PROTO_CAUSE_CLASS : PROTO_CAUSE_MANIFEST;
}

static enum proto_cause check_plan(const struct verify *v, const struct suit_plan *plan,
				   uint64_t sequence, const char **ret_why)
{
	if (!component_is(&plan->component, v->component)) {
		*ret_why = "for another component";
		return PROTO_CAUSE_CLASS;
	}
	if (plan->sequence <= sequence) {
		*ret_why = "not newer than what was confirmed here";
		return PROTO_CAUSE_SEQUENCE;
	}
	if (plan->size == 0 || plan->size > v->image_max) {
		*ret_why = "the image does not fit the slot";
		return PROTO_CAUSE_SPACE;
	}
	return PROTO_CAUSE_NONE;
}

enum proto_cause verify_envelope(const struct verify *v, struct suit_bytes envelope,
				 uint64_t slot, uint64_t sequence, struct update *ret,
				 const char **ret_why)
{
	struct suit_envelope e;
	struct suit_plan plan;
	struct suit_facts facts = { &v->vendor_id, &v->class_id, slot };
	char path[LINK_PATH_MAX];
	enum suit_rc rc = suit_envelope_decode(v->crypto, envelope, &e);
	*ret_why = suit_rc_text(rc);
	if (rc != SUIT_OK)
		return PROTO_CAUSE_MANIFEST;
	if (!is_signed(v, &e)) {
		*ret_why = "not signed by an author this device trusts";
		return PROTO_CAUSE_SIGNATURE;
	}
	rc = suit_plan(&e, &facts, &plan);
	*ret_why = suit_rc_text(rc);
	if (rc != SUIT_OK)
		return plan_cause(rc);
	enum proto_cause cause = check_plan(v, &plan, sequence, ret_why);
	if (cause != PROTO_CAUSE_NONE)
		return cause;
	if (!take_path(plan.uri, path)) {
		*ret_why = "the image's address is not img/<digest>";
		return PROTO_CAUSE_MANIFEST;
	}
	ret->sequence = plan.sequence;
	ret->manifest = e.digest;
	ret->image = plan.digest;
	ret->size = plan.size;
	memcpy(ret->path, path, sizeof(path));
	take_version(&e, &plan.component, ret->version);
	return PROTO_CAUSE_NONE;
}
