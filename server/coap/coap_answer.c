/* From struct res to a CoAP message.  The one thing to know: blocks of an answer are cut from
 * the whole body each time (stateless), so any block can be asked for first, or again after a
 * restart, and the ETag says whether it is still the same body. */

#include "server/coap/coap_answer.h"

#include "api/problem.h"
#include "core/images.h"
#include "server/coap/coap_code.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_DEFAULT_S 5
#define RETRY_SPREAD_S  6 /* not everybody at the same second */
#define ETAG_MAX        8

void reply_code(uint8_t code, struct reply *ret)
{
	*ret = (struct reply){
		.code = code,
		.format = FORMAT_NONE,
		.max_age_s = REPLY_NONE,
		.size1 = REPLY_NONE,
		.size2 = REPLY_NONE,
		.observe = REPLY_NONE,
	};
}

void reply_refuse(const struct refusal *why, const struct req *req, struct reply *ret)
{
	struct res res;

	problem_set(&res, why->err, why->detail);
	reply_code(why->code, ret);
	ret->format = FORMAT_PROBLEM_CBOR;
	ret->payload = problem_cbor(req, &res);
	if (why->err == ERR_UNAVAILABLE || why->err == ERR_TOO_MANY)
		ret->max_age_s = RETRY_DEFAULT_S + (int64_t)(req->id % RETRY_SPREAD_S);
}

static void refuse(enum err err, const char *detail, const struct req *req, struct reply *ret)
{
	struct refusal why = { .code = code_of_rc(err_rc(err)), .err = err, .detail = detail };

	reply_refuse(&why, req, ret);
}

static size_t body_size(const struct res *res)
{
	return res->image ? image_size(res->image) : res->body.n;
}

static void make_failure(const struct res *res, const struct req *req, struct reply *ret)
{
	reply_code(code_of_rc(res->rc), ret);
	ret->format = FORMAT_PROBLEM_CBOR;
	ret->payload = problem_cbor(req, res);
	if (res->rc == RC_UNAVAILABLE || res->rc == RC_LIMIT)
		ret->max_age_s = res->retry_after_s >= 0 ? res->retry_after_s : RETRY_DEFAULT_S;
}

/* An image's bytes may change while they are sent, so a block of them is a copy. */
static enum rc take_slice(const struct res *res, struct arena *mem, const struct block_slice *s,
			  struct bytes *ret)
{
	if (!res->image) {
		*ret = (struct bytes){ res->body.n ? res->body.p + s->offset : NULL, s->size };
		return RC_OK;
	}
	uint8_t *copy = arena_alloc(mem, s->size);
	*ret = (struct bytes){ copy, s->size };
	return image_read(res->image, s->offset, s->size, copy) ? RC_OK : RC_INTERNAL;
}

/* The part of the body that the peer asked for, in blocks up to szx. */
static enum rc make_part(const struct res *res, const struct req *req,
			 const struct reply_wish *wish, uint8_t szx, struct reply *ret)
{
	size_t size = body_size(res);
	struct block_slice s;

	enum rc rc = block_slice(size, wish->block, szx, &s);
	if (rc == RC_OK)
		rc = take_slice(res, req->mem, &s, &ret->payload);
	if (rc != RC_OK)
		return rc;
	ret->has_block2 = !s.whole;
	ret->block2 = s.block;
	ret->size2 = s.block.more && s.offset == 0 ? (int64_t)size : REPLY_NONE;
	return RC_OK;
}

/* The peer has this very body already (RFC 7252 5.10.6.2); while it fetches blocks, it has not.
 */
static bool still_valid(const struct res *res, const struct req *req,
			const struct reply_wish *wish)
{
	bool first = !wish->block || wish->block->num == 0;

	return res->valid || (first && req->method == METHOD_GET && res->coap_etag.n &&
			      bytes_equal(res->coap_etag, req->etag));
}

static void make_success(const struct res *res, const struct req *req,
			 const struct reply_wish *wish, struct reply *ret)
{
	size_t size = body_size(res);
	uint8_t szx = BLOCK_SZX_MAX;

	reply_code(code_of_answer(req->method, res), ret);
	ret->max_age_s = res->max_age_s;
	if (res->coap_etag.n && res->coap_etag.n <= ETAG_MAX)
		ret->etag = res->coap_etag;
	if (still_valid(res, req, wish)) {
		ret->code = CODE_VALID;
		return;
	}
	ret->format = size ? res->format : FORMAT_NONE;
	enum rc rc = make_part(res, req, wish, szx, ret);
	while (rc == RC_OK && wish->wire_max && szx > 0 &&
	       reply_size(ret, wish->token_size) > wish->wire_max)
		rc = make_part(res, req, wish, --szx, ret);
	if (rc == RC_TOO_LARGE)
		refuse(ERR_BLOCK_TOO_SMALL,
		       arena_printf(req->mem,
				    "blocks of %zu bytes are the smallest that reach the end",
				    block_size(block_smallest_szx(size))),
		       req, ret);
	else if (rc == RC_INTERNAL)
		refuse(ERR_UNAVAILABLE, "the image has changed and is being put away", req,
		       ret);
	else if (rc != RC_OK)
		refuse(ERR_BAD_REQUEST, "there is no such block", req, ret);
}

static bool is_acceptable(const struct res *res, const struct req *req)
{
	return req->accept == FORMAT_NONE || req->accept == res->format ||
	       req->method != METHOD_GET || res->valid || body_size(res) == 0;
}

void reply_make(const struct res *res, const struct req *req, const struct reply_wish *wish,
		struct reply *ret)
{
	if (res->rc != RC_OK)
		make_failure(res, req, ret);
	else if (!is_acceptable(res, req))
		refuse(ERR_NOT_ACCEPTABLE, NULL, req, ret);
	else
		make_success(res, req, wish, ret);
	/* A peer that has not shown where it is gets no more than three times its own bytes. */
	if (wish->wire_max && reply_size(ret, wish->token_size) > wish->wire_max)
		reply_code(code_class(ret->code) == 2 ? CODE(4, 0) : ret->code, ret);
}

static bool add_number(coap_pdu_t *pdu, uint16_t option, uint32_t value)
{
	uint8_t b[4];
	size_t n = coap_encode_var_safe(b, sizeof(b), value);

	return coap_add_option(pdu, option, n, b) > 0;
}

static bool add_optional(coap_pdu_t *pdu, uint16_t option, int64_t value)
{
	return value == REPLY_NONE ||
	       add_number(pdu, option, value > UINT32_MAX ? UINT32_MAX : (uint32_t)value);
}

static bool add_block(coap_pdu_t *pdu, uint16_t option, const struct block *b)
{
	uint8_t value[3];
	size_t n = block_encode(b, value);

	return coap_add_option(pdu, option, n, value) > 0;
}

/* In ascending order, as they stand in the message. */
bool reply_write(const struct reply *r, coap_pdu_t *pdu)
{
	coap_pdu_set_code(pdu, (coap_pdu_code_t)r->code);
	if (r->etag.n && !coap_add_option(pdu, COAP_OPTION_ETAG, r->etag.n, r->etag.p))
		return false;
	if (!add_optional(pdu, COAP_OPTION_OBSERVE, r->observe))
		return false;
	if (r->format >= 0 && !add_number(pdu, COAP_OPTION_CONTENT_FORMAT, (uint32_t)r->format))
		return false;
	if (!add_optional(pdu, COAP_OPTION_MAXAGE, r->max_age_s))
		return false;
	if (r->has_block2 && !add_block(pdu, COAP_OPTION_BLOCK2, &r->block2))
		return false;
	if (r->has_block1 && !add_block(pdu, COAP_OPTION_BLOCK1, &r->block1))
		return false;
	if (!add_optional(pdu, COAP_OPTION_SIZE2, r->size2) ||
	    !add_optional(pdu, COAP_OPTION_SIZE1, r->size1))
		return false;
	return r->payload.n == 0 || coap_add_data(pdu, r->payload.n, r->payload.p);
}

size_t reply_size(const struct reply *r, size_t token_size)
{
	size_t n = 4 + token_size;

	n += r->etag.n ? 1 + r->etag.n : 0;
	n += r->observe != REPLY_NONE ? 1 + 3 : 0;
	n += r->format >= 0 ? 1 + 2 : 0;
	n += r->max_age_s != REPLY_NONE ? 1 + 4 : 0;
	n += r->has_block2 ? 1 + 3 : 0;
	n += r->has_block1 ? 1 + 3 : 0;
	n += r->size2 != REPLY_NONE ? 1 + 4 : 0;
	n += r->size1 != REPLY_NONE ? 2 + 4 : 0;
	n += r->payload.n ? 1 + r->payload.n : 0;
	return n;
}

struct reply *reply_copy(const struct reply *r)
{
	struct reply *copy = xmalloc(sizeof(*copy) + r->etag.n + r->payload.n);
	uint8_t *bytes = (uint8_t *)(copy + 1);

	*copy = *r;
	if (r->etag.n)
		memcpy(bytes, r->etag.p, r->etag.n);
	if (r->payload.n)
		memcpy(bytes + r->etag.n, r->payload.p, r->payload.n);
	copy->etag.p = bytes;
	copy->payload.p = bytes + r->etag.n;
	return copy;
}
