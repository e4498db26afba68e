/* Decodes COSE_Sign1, COSE_Sign and COSE_Mac0.  A COSE_Sign is one message with several
 * signatures, of which each becomes a block: whoever verifies sees no difference. */

#include "suit/block.h"

#include "suit/cbor.h"

enum label { LABEL_ALG = 1, LABEL_KID = 4, LABEL_X5CHAIN = 33, LABEL_X5T = 34 };
#define LABELS  4
#define TAG_MAC 97 /* with recipients: nobody needs it beside Mac0 */

static enum suit_rc kid_read(struct scbor *c, struct suit_block *b)
{
	b->kid = scbor_bytes(c);
	if (!scbor_ok(c) || b->kid.n == 0)
		return SUIT_MALFORMED;
	return b->kid.n <= SUIT_KID_MAX ? SUIT_OK : SUIT_TOO_LARGE;
}

static enum suit_rc certificate_check(struct scbor *c)
{
	size_t n = scbor_bytes(c).n;

	if (!scbor_ok(c) || n == 0)
		return SUIT_MALFORMED;
	return n <= SUIT_CERT_MAX ? SUIT_OK : SUIT_TOO_LARGE;
}

/* One certificate, or an array of several. */
static enum suit_rc chain_check(struct scbor *c)
{
	enum suit_rc rc = SUIT_OK;

	if (scbor_peek(c) != SCBOR_ARRAY)
		return certificate_check(c);
	size_t n = scbor_array(c, SUIT_CHAIN_MAX);
	if (!scbor_ok(c) || n < 2)
		return SUIT_MALFORMED;
	for (size_t i = 0; i < n && rc == SUIT_OK; i++)
		rc = certificate_check(c);
	return rc;
}

static struct suit_bytes x5t_read(struct scbor *c, int64_t *ret_alg)
{
	size_t n = scbor_array(c, 2);

	*ret_alg = scbor_int(c);
	struct suit_bytes hash = scbor_bytes(c);
	return scbor_ok(c) && n == 2 ? hash : (struct suit_bytes){ 0 };
}

static enum suit_rc x5t_check(struct scbor *c)
{
	int64_t alg = 0;
	struct suit_bytes hash = x5t_read(c, &alg);

	if (hash.n == 0)
		return SUIT_MALFORMED;
	if (alg != SUIT_ALG_SHA256)
		return SUIT_UNSUPPORTED;
	return hash.n == sizeof(struct suit_digest) ? SUIT_OK : SUIT_MALFORMED;
}

/* seen: the labels of both headers, none of which may come twice. */
static enum suit_rc value_read(struct scbor *c, int64_t label, bool is_protected,
			       struct suit_block *b, uint64_t *seen)
{
	if (label < 0 || label > LABEL_X5T)
		return SUIT_UNKNOWN;
	if ((*seen >> label & 1) != 0)
		return SUIT_MALFORMED;
	*seen |= UINT64_C(1) << label;
	switch (label) {
	case LABEL_ALG:
		b->alg = scbor_int(c);
		return is_protected ? SUIT_OK : SUIT_UNKNOWN;
	case LABEL_KID:
		return kid_read(c, b);
	case LABEL_X5CHAIN:
		return chain_check(c);
	case LABEL_X5T:
		return x5t_check(c);
	default:
		return SUIT_UNKNOWN;
	}
}

static enum suit_rc header_read(struct scbor *c, bool is_protected, struct suit_block *b,
				uint64_t *seen)
{
	struct scbor_order order = { 0 };
	size_t n = scbor_map(c, LABELS);

	for (size_t i = 0; i < n; i++) {
		const uint8_t *start = c->p;
		int64_t label = scbor_int(c);
		scbor_key(c, &order, start);
		if (!scbor_ok(c))
			return SUIT_MALFORMED;
		enum suit_rc rc = value_read(c, label, is_protected, b, seen);
		if (rc != SUIT_OK)
			return rc;
	}
	return scbor_ok(c) ? SUIT_OK : SUIT_MALFORMED;
}

/* Both headers of a signature or MAC. */
static enum suit_rc headers_read(struct scbor *c, struct suit_block *b)
{
	struct scbor header;
	uint64_t seen = 0;

	b->protected_ = scbor_bytes(c);
	scbor_init(&header, b->protected_);
	enum suit_rc rc = header_read(&header, true, b, &seen);
	if (rc == SUIT_OK && !scbor_done(&header))
		rc = SUIT_MALFORMED;
	if (rc != SUIT_OK)
		return rc;
	const uint8_t *start = c->p;
	rc = header_read(c, false, b, &seen);
	b->unprotected = (struct suit_bytes){ start, (size_t)(c->p - start) };
	return rc == SUIT_OK && b->alg == SUIT_ALG_NONE ? SUIT_MALFORMED : rc;
}

static enum suit_rc signature_read(struct scbor *c, struct suit_block *b)
{
	b->signature = scbor_bytes(c);
	if (!scbor_ok(c))
		return SUIT_MALFORMED;
	return b->signature.n <= SUIT_SIGNATURE_MAX ? SUIT_OK : SUIT_TOO_LARGE;
}

static enum suit_rc block_add(struct suit_envelope *e, const struct suit_block *b)
{
	if (e->block_count == SUIT_BLOCKS_MAX)
		return SUIT_TOO_LARGE;
	e->block[e->block_count++] = *b;
	return SUIT_OK;
}

/* [protected, unprotected, nil, signature or tag] */
static enum suit_rc single_read(struct scbor *c, enum suit_block_kind kind,
				struct suit_envelope *e)
{
	struct suit_block b = { .kind = kind };

	if (scbor_array(c, 4) != 4)
		return SUIT_MALFORMED;
	enum suit_rc rc = headers_read(c, &b);
	if (rc != SUIT_OK)
		return rc;
	scbor_null(c);
	rc = signature_read(c, &b);
	return rc == SUIT_OK ? block_add(e, &b) : rc;
}

/* [h'', {}, nil, [+ [protected, unprotected, signature]]]: the body says nothing by itself. */
static enum suit_rc several_read(struct scbor *c, struct suit_envelope *e)
{
	if (scbor_array(c, 4) != 4 || scbor_bytes(c).n != 0 || scbor_map(c, 0) != 0)
		return SUIT_MALFORMED;
	scbor_null(c);
	size_t n = scbor_array(c, SUIT_BLOCKS_MAX);
	enum suit_rc rc = n > 0 ? SUIT_OK : SUIT_MALFORMED;
	for (size_t i = 0; i < n && rc == SUIT_OK; i++) {
		struct suit_block b = { .kind = SUIT_BLOCK_SIGN };
		if (scbor_array(c, 3) != 3)
			return SUIT_MALFORMED;
		rc = headers_read(c, &b);
		if (rc == SUIT_OK)
			rc = signature_read(c, &b);
		if (rc == SUIT_OK)
			rc = block_add(e, &b);
	}
	return rc;
}

/* The tag that the message starts with; 0 when it is none of ours. */
static uint64_t tag_peek(struct suit_bytes message)
{
	static const uint8_t tags[] = { SUIT_BLOCK_MAC0, SUIT_BLOCK_SIGN1, TAG_MAC,
					SUIT_BLOCK_SIGN };
	struct scbor c;

	for (size_t i = 0; i < sizeof(tags); i++) {
		scbor_init(&c, message);
		scbor_tag(&c, tags[i]);
		if (scbor_ok(&c))
			return tags[i];
	}
	return 0;
}

enum suit_rc suit_block_decode(struct suit_bytes message, struct suit_envelope *e)
{
	uint64_t tag = tag_peek(message);
	enum suit_rc rc = SUIT_MALFORMED;
	struct scbor c;

	scbor_init(&c, message);
	scbor_tag(&c, tag);
	if (tag == TAG_MAC)
		return SUIT_UNSUPPORTED;
	if (tag == SUIT_BLOCK_SIGN)
		rc = several_read(&c, e);
	else if (tag != 0)
		rc = single_read(&c, (enum suit_block_kind)tag, e);
	return rc == SUIT_OK && !scbor_done(&c) ? SUIT_MALFORMED : rc;
}

/* [protected, unprotected, payload, signature] */
enum suit_rc suit_block_attached(struct suit_bytes message, struct suit_block *ret,
				 struct suit_bytes *ret_payload)
{
	struct scbor c;

	*ret = (struct suit_block){ .kind = SUIT_BLOCK_SIGN1 };
	scbor_init(&c, message);
	scbor_tag(&c, SUIT_BLOCK_SIGN1);
	if (scbor_array(&c, 4) != 4)
		return SUIT_MALFORMED;
	enum suit_rc rc = headers_read(&c, ret);
	if (rc != SUIT_OK)
		return rc;
	*ret_payload = scbor_bytes(&c);
	rc = signature_read(&c, ret);
	return rc == SUIT_OK && !scbor_done(&c) ? SUIT_MALFORMED : rc;
}

/* The value of a label in either header, at which c then stands.  Both were checked. */
static bool header_find(const struct suit_block *b, int64_t label, struct scbor *c)
{
	struct suit_bytes headers[] = { b->unprotected, b->protected_ };

	for (size_t h = 0; h < 2; h++) {
		scbor_init(c, headers[h]);
		size_t n = scbor_map(c, LABELS);
		for (size_t i = 0; i < n && scbor_ok(c); i++) {
			if (scbor_int(c) == label)
				return scbor_ok(c);
			scbor_any(c);
		}
	}
	return false;
}

struct suit_bytes suit_block_certificate(const struct suit_block *block, size_t i)
{
	struct suit_bytes none = { 0 };
	struct scbor c;
	size_t n = 1;

	if (!header_find(block, LABEL_X5CHAIN, &c))
		return none;
	if (scbor_peek(&c) == SCBOR_ARRAY)
		n = scbor_array(&c, SUIT_CHAIN_MAX);
	if (i >= n)
		return none;
	for (size_t k = 0; k < i; k++)
		scbor_bytes(&c);
	return scbor_bytes(&c);
}

struct suit_bytes suit_block_x5t(const struct suit_block *block)
{
	struct scbor c;
	int64_t alg = 0;

	return header_find(block, LABEL_X5T, &c) ? x5t_read(&c, &alg)
						 : (struct suit_bytes){ 0 };
}
