/* A CoAP message from anybody, through the library's parser and ours; what is taken must be
 * sound, and any answer must fit into a message. */

#include "server/coap/coap_answer.h"
#include "server/coap/coap_code.h"
#include "tests/fuzz/target.h"

#include <stdlib.h>
#include <string.h>

#define PDU_SIZE 1152

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	coap_startup();
	coap_set_log_level(LOG_EMERG);
	return 0;
}

static void answer(struct req *req, const struct inquiry *q)
{
	static const uint8_t body[3000];
	struct res res = { .format = FORMAT_OCTETS,
			   .body = { body, sizeof(body) },
			   .max_age_s = 1 };
	struct reply_wish wish = { .block = q->has_block2 ? &q->block2 : NULL,
				   .wire_max = q->wire_size * 3,
				   .token_size = q->token_size };
	coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_ACK, 0, q->mid, PDU_SIZE);
	struct reply reply;

	reply_make(&res, req, &wish, &reply);
	if (reply_size(&reply, q->token_size) > wish.wire_max)
		abort();
	if (!pdu || !coap_add_token(pdu, q->token_size, q->token) || !reply_write(&reply, pdu))
		abort();
	coap_delete_pdu(pdu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, 0, 0, PDU_SIZE);
	struct req *req = req_create();
	struct block_body body = { 0 };
	struct refusal why = { 0 };
	struct inquiry q;
	bool done = false;

	if (size <= PDU_SIZE && coap_pdu_parse(COAP_PROTO_UDP, data, size, pdu)) {
		inquiry_head(pdu, &q);
		if (!inquiry_read(pdu, &q, req, &why)) {
			if (code_class(why.code) != 4)
				abort();
		} else {
			struct block_part part = { q.block1, q.payload, q.body_key, 8192 };

			if (req->path[0] != '/' || q.wire_size > size)
				abort();
			if (q.has_block1 && block_body_add(&body, &part, &done) == RC_OK &&
			    body.n != q.payload.n)
				abort();
			answer(req, &q);
		}
	}
	block_body_drop(&body);
	coap_delete_pdu(pdu);
	req_free(req);
	return 0;
}
