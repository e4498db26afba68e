/* From a CoAP message to struct req.  Strict: a critical option that we do not know, or that
 * comes twice or with a wrong length, is 4.02; an elective one is left aside (RFC 7252 5.4). */
#pragma once

#include "api/req.h"
#include "server/coap/coap_block.h"

#include <coap3/coap.h>

#define TOKEN_MAX 8

enum observe_wish { OBSERVE_NONE = 0, OBSERVE_START, OBSERVE_STOP };

/* What a message holds besides struct req. */
struct inquiry {
	uint8_t code; /* 0.01 to 0.31 */
	bool confirmable;
	uint16_t mid;
	uint8_t token[TOKEN_MAX];
	uint8_t token_size;
	bool has_block1, has_block2;
	struct block block1, block2;
	enum observe_wish observe;
	uint64_t body_key;    /* which Block1 transfer: path, query, format, Request-Tag */
	struct bytes payload; /* in the message */
	size_t wire_size;     /* bytes of the message, rather too few than too many */
};

/* Why a request is not taken. */
struct refusal {
	uint8_t code;
	enum err err;
	const char *detail; /* static; may be NULL */
};

/* Type, message id and token alone: enough to know a duplicate. */
void inquiry_head(const coap_pdu_t *pdu, struct inquiry *ret);
/* The rest; fills req's method, path, query, formats and ETag, with texts in req->mem.
 * False: *ret_why says why; what was filled is not to be used. */
bool inquiry_read(const coap_pdu_t *pdu, struct inquiry *q, struct req *req,
		  struct refusal *ret_why) MUST_CHECK;
