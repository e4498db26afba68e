/* Signature first, then everything else; an unsigned envelope gets no answer but "signature".
 */
#include "agent/verify.h"

#include "agent/file.h"
#include "agent/wait_rules.h"
#include "suit/trust.h"
#include "suit/wipe.h"

#include <time.h>

/* A public key, or the certificate of an authority whose authors are believed. */
static bool anchor_add(struct verify_side *v, struct suit_bytes pem)
{
	if (v->key_count < VERIFY_ANCHORS_MAX &&
	    suit_key_from_public_pem(pem, &v->key[v->key_count]) == SUIT_OK) {
		v->key_count++;
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

bool verify_anchors(struct verify_side *side, const char (*path)[256], size_t count,
		    size_t *ret_bad)
{
	char pem[2 * SUIT_CERT_MAX];
	size_t n;
	for (size_t i = 0; i < count; i++) {
		*ret_bad = i;
		if (!file_read(path[i], pem, sizeof(pem), &n) ||
		    !anchor_add(side, (struct suit_bytes){ (const uint8_t *)pem, n }))
			return false;
	}
	return true;
}

static void side_finish(struct verify_side *side)
{
	for (size_t i = 0; i < side->key_count; i++)
		suit_key_free(side->key[i]);
	side->key_count = 0;
	side->authority_count = 0;
}

void verify_finish(struct verify *v)
{
	side_finish(&v->author);
	side_finish(&v->delegate);
	suit_wipe(&v->mac, sizeof(v->mac));
}

/* While an envelope's signatures are looked at. */
struct search {
	const struct verify *v;
	const struct verify_side *side;
	struct suit_key *certified; /* of the block last looked at */
};

/* A block that names a key is checked with that key alone, so that no bit of it is without
 * meaning; one that names none may be by any anchor, but by no delegate: who fails to be one
 * would be a forger, and an author is none. */
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
	struct suit_certificates trusted = { s->side->authority, s->side->authority_count };
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
	if (block->kid.n == 0 && (by_certificate || s->side == &s->v->delegate))
		return NULL;
	for (size_t i = 0; i < s->side->key_count; i++)
		if (may_be_by(s->side->key[i], block) && nth-- == 0)
			return s->side->key[i];
	return NULL;
}

/* The one there is, under its own name, or under none; see may_be_by(). */
static struct suit_bytes mac_key_of(void *arg, const struct suit_block *block, size_t nth)
{
	const struct shared_key *mac = &((struct search *)arg)->v->mac;
	struct suit_bytes id = { mac->id, mac->id_n };
	bool may_be = block->kid.n == 0 || suit_bytes_equal(block->kid, id);
	return nth == 0 && may_be ? (struct suit_bytes){ mac->b, mac->n }
				  : (struct suit_bytes){ 0 };
}

/* MACs are an author's; see mac in struct verify. */
static enum suit_rc side_verify(const struct verify *v, const struct verify_side *side,
				const struct suit_envelope *e, struct suit_verdict *ret)
{
	struct search search = { .v = v, .side = side };
	struct suit_trust trust = { .key = anchor_of,
				    .mac_key = side == &v->author ? mac_key_of : NULL,
				    .arg = &search,
				    .pass_unknown = true };
	enum suit_rc rc = suit_envelope_verify(v->can.crypto, e, &trust, ret);
	suit_key_free(search.certified);
	return rc;
}

/* Others may have signed too; it is enough that each author and delegate this device trusts
 * has, who is there at all. */
static enum platform_signer signer_of(const void *arg, const struct suit_envelope *e)
{
	const struct verify *v = arg;
	struct suit_verdict author, delegate;
	enum suit_rc by_author = side_verify(v, &v->author, e, &author);
	enum suit_rc by_delegate = side_verify(v, &v->delegate, e, &delegate);
	if ((by_author != SUIT_OK && by_author != SUIT_MISSING) ||
	    (by_delegate != SUIT_OK && by_delegate != SUIT_MISSING))
		return PLATFORM_NOBODY;
	bool has_anchors = v->author.key_count + v->author.authority_count > 0;
	if (by_author == SUIT_OK && (author.signatures > 0 || !has_anchors))
		return PLATFORM_AUTHOR;
	return by_delegate == SUIT_OK ? PLATFORM_DELEGATE : PLATFORM_NOBODY;
}

void verify_dependencies(struct verify *v)
{
	v->can.signer = signer_of;
	v->can.signer_arg = v;
}

static enum suit_rc refuse(struct platform_result *r, enum suit_rc rc, enum suit_reason reason,
			   enum proto_cause cause, const char *why)
{
	*r = (struct platform_result){ .cause = cause, .why = why, .run.reason = reason };
	return rc;
}

/* By a clock that was never set no certificate holds yet.  That says nothing about the author:
 * until it is set, who signed is not known. */
static bool cannot_date(const struct verify *v)
{
	return v->author.authority_count + v->delegate.authority_count > 0 &&
	       time(NULL) < WAIT_CLOCK_SET_S;
}

static enum suit_rc look(const struct verify *v, struct suit_bytes envelope,
			 const struct facts *facts, struct update *ret,
			 struct platform_result *ret_result)
{
	struct suit_envelope e;
	enum suit_rc rc = suit_envelope_decode(v->can.crypto, envelope, &e);
	if (rc != SUIT_OK)
		return refuse(ret_result, rc, SUIT_REASON_CBOR, PROTO_CAUSE_MANIFEST,
			      suit_rc_text(rc));
	if (signer_of(v, &e) == PLATFORM_NOBODY)
		return refuse(ret_result, SUIT_SIGNATURE, SUIT_REASON_UNAUTHORISED,
			      PROTO_CAUSE_SIGNATURE,
			      "not signed by an author this device trusts");
	if (e.sequence <= facts->sequence)
		return refuse(ret_result, SUIT_CONDITION, SUIT_REASON_CONDITION,
			      PROTO_CAUSE_SEQUENCE, "not newer than what was confirmed here");
	return platform_look(&v->can, facts, &e, ret, ret_result);
}

enum suit_rc verify_envelope(const struct verify *v, struct suit_bytes envelope,
			     const struct facts *facts, struct update *ret,
			     struct platform_result *ret_result)
{
	enum suit_rc rc = look(v, envelope, facts, ret, ret_result);
	if (rc != SUIT_SIGNATURE || !cannot_date(v))
		return rc;
	ret_result->put_off = true;
	ret_result->why = "the clock was never set";
	return rc;
}
