/* Plain CoAP: anybody may ask, from an address that may be forged.  So it serves what needs no
 * identity and no database, keeps nothing of who asked, and never sends more than three times
 * what came in (RFC 7252 11.3). */

#include "server/coap/coap_internal.h"

#include "api/route.h"
#include "base/log.h"
#include "server/coap/coap_code.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define AMPLIFICATION_MAX 3
#define UDP_HEADER_SIZE   8

/* libcoap answers a method that it does not know by itself, with ten letters of diagnostic: to
 * a message of four bytes that is more than three times as much, and no handler hears of it.
 * Nobody who means something asks so little, and the kernel drops it.  The filter sees the
 * datagram from its UDP header on. */
enum rc plain_filter(int fd)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, UDP_HEADER_SIZE + 4, 4, 0),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, UDP_HEADER_SIZE + 1),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, COAP_REQUEST_CODE_IPATCH, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CODE(1, 0), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { .len = ARRAY_LEN(rules), .filter = rules };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
		return RC_OK;
	log_error("plain CoAP cannot be bounded", "why", strerror(errno));
	return RC_UNAVAILABLE;
}

static bool may_ask(struct req *req, struct refusal *ret_why)
{
	enum rc rc = route_find(req);
	enum err err = ERR_UNAUTHENTICATED;

	if (rc == RC_OK && req->route->roles == ROLE_ANY && req->route->need == NEED_MEMORY)
		return true;
	if (rc != RC_OK)
		err = err_of_rc(rc);
	*ret_why = (struct refusal){ code_of_rc(err_rc(err)), err, NULL };
	return false;
}

static void answer(struct exchange *x, struct reply *ret)
{
	const struct inquiry *q = &x->q;
	struct reply_wish wish = {
		.block = q->has_block2 ? &q->block2 : NULL,
		.token_size = q->token_size,
		.wire_max = q->wire_size * AMPLIFICATION_MAX,
	};

	/* A memory route is answered at once, always. */
	if (exchange_dispatch(x))
		reply_make(x->res, x->req, &wish, ret);
	else
		abort();
}

void plain_handle(struct shard *shard, coap_session_t *session, const coap_pdu_t *pdu,
		  coap_pdu_t *response)
{
	struct req *req = request_create(shard->net);
	struct exchange *x = exchange_create(shard->net, NULL, req);
	struct refusal why;
	struct reply reply;

	(void)session;
	count(&shard->net->stats.requests, 1);
	inquiry_head(pdu, &x->q);
	if (inquiry_read(pdu, &x->q, req, &why) && may_ask(req, &why))
		answer(x, &reply);
	else
		reply_code(why.code, &reply);
	if (!reply_write(&reply, response))
		coap_pdu_set_code(response, COAP_RESPONSE_CODE_INTERNAL_ERROR);
	exchange_free(x);
}
