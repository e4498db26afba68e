/* From struct res to a CoAP message, in two steps: a reply is what will stand in the message,
 * and can be kept for duplicates; writing it is all that needs the library. */
#pragma once

#include "api/req.h"
#include "server/coap/coap_block.h"
#include "server/coap/coap_request.h"

#include <coap3/coap.h>

#define REPLY_NONE (-1)

struct reply {
	uint8_t code;
	enum format format; /* of the payload; FORMAT_NONE: no option */
	struct bytes etag;  /* at most 8 bytes */
	int64_t max_age_s;  /* REPLY_NONE: no option, as in the next three */
	int64_t observe;    /* sequence number */
	int64_t size2;      /* of the whole body */
	int64_t size1;      /* of the largest body that is taken */
	bool has_block1, has_block2;
	struct block block1, block2;
	struct bytes payload; /* in the answer's memory */
};

/* How the peer wants it. */
struct reply_wish {
	const struct block *block; /* Block2 of the request, or NULL */
	size_t wire_max;           /* bytes of the whole message; 0: as much as a block takes */
	size_t token_size;
};

/* What it makes lives in req->mem; a payload that is no image's stays where res has it. */
void reply_make(const struct res *res, const struct req *req, const struct reply_wish *wish,
		struct reply *ret);
/* For what never reaches a handler; as concise problem details (RFC 9290). */
void reply_refuse(const struct refusal *why, const struct req *req, struct reply *ret);
/* A code and nothing else. */
void reply_code(uint8_t code, struct reply *ret);

/* Bytes of the message that it makes, rather too many than too few. */
size_t reply_size(const struct reply *r, size_t token_size);
/* Sets code, options and payload of a message that has its token.  False when it does not fit.
 */
bool reply_write(const struct reply *r, coap_pdu_t *pdu) MUST_CHECK;

/* A copy in one piece of memory; free() it. */
struct reply *reply_copy(const struct reply *r);
