/* From a CoAP message to struct req.  The one thing to know: libcoap has refused critical
 * options that it does not know itself; those that it knows and we do not, such as If-Match,
 * are refused here by not being in the table. */

#include "server/coap/coap_request.h"

#include "server/coap/coap_code.h"

#include <string.h>

#define PATH_TEXT_MAX 1280 /* a message is shorter */
#define FNV_START     UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME     UINT64_C(0x100000001b3)

#define OPTION_REQUEST_TAG 292 /* RFC 9175; not in every libcoap's headers */

struct reading {
	struct inquiry *q;
	struct req *req;
	char path[PATH_TEXT_MAX];
	size_t path_size;
	const char *wrong; /* set by a taker */
};

typedef void taker(struct reading *r, struct bytes value);

static void key_mix(struct reading *r, uint8_t kind, struct bytes value)
{
	uint64_t h = (r->q->body_key ^ kind) * FNV_PRIME;

	/* FNV by eight bytes at a time, because a digest in a path is long. */
	for (size_t i = 0; i < value.n; i += sizeof(h)) {
		uint64_t word = 0;

		memcpy(&word, value.p + i,
		       value.n - i < sizeof(word) ? value.n - i : sizeof(word));
		h = (h ^ word) * FNV_PRIME;
		h ^= h >> 29;
	}
	r->q->body_key = (h ^ value.n) * FNV_PRIME;
}

static uint32_t number(struct bytes value)
{
	uint32_t v = 0;

	for (size_t i = 0; i < value.n; i++)
		v = v << 8 | value.p[i];
	return v;
}

static void take_path(struct reading *r, struct bytes value)
{
	if (!text_is_clean(value) || memchr(value.p, '/', value.n)) {
		r->wrong = "a path segment is not plain text";
		return;
	}
	if (r->path_size + value.n + 2 > sizeof(r->path)) {
		r->wrong = "the path is too long";
		return;
	}
	r->path[r->path_size++] = '/';
	memcpy(r->path + r->path_size, value.p, value.n);
	r->path_size += value.n;
	key_mix(r, 1, value);
}

static void take_query(struct reading *r, struct bytes value)
{
	struct req *req = r->req;

	if (!text_is_clean(value) || req->query_count == REQ_QUERY_MAX) {
		r->wrong = "the query is too long or not plain text";
		return;
	}
	char *name = bytes_text(req->mem, value);
	char *equals = strchr(name, '=');
	if (equals)
		*equals = '\0';
	req->query[req->query_count++] =
		(struct req_pair){ .name = name, .value = equals ? equals + 1 : "" };
	key_mix(r, 2, value);
}

static enum format format_of(uint32_t n)
{
	static const enum format known[] = { FORMAT_TEXT,       FORMAT_LINK,
					     FORMAT_OCTETS,     FORMAT_JSON,
					     FORMAT_CBOR,       FORMAT_PROBLEM_CBOR,
					     FORMAT_SUIT_REPORT };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if ((uint32_t)known[i] == n)
			return known[i];
	}
	return FORMAT_UNKNOWN;
}

static void take_format(struct reading *r, struct bytes value)
{
	r->req->format = format_of(number(value));
	key_mix(r, 3, value);
}

static void take_accept(struct reading *r, struct bytes value)
{
	r->req->accept = format_of(number(value));
}

static void take_etag(struct reading *r, struct bytes value)
{
	if (r->req->etag.n == 0)
		r->req->etag =
			(struct bytes){ arena_copy(r->req->mem, value.p, value.n), value.n };
}

static void take_observe(struct reading *r, struct bytes value)
{
	uint32_t n = number(value);

	if (n == 0)
		r->q->observe = OBSERVE_START;
	else if (n == 1)
		r->q->observe = OBSERVE_STOP;
}

static void take_block1(struct reading *r, struct bytes value)
{
	r->q->has_block1 = true;
	if (block_parse(value, &r->q->block1) != RC_OK)
		r->wrong = "Block1 has a reserved size";
}

static void take_block2(struct reading *r, struct bytes value)
{
	r->q->has_block2 = true;
	if (block_parse(value, &r->q->block2) != RC_OK)
		r->wrong = "Block2 has a reserved size";
}

static void take_request_tag(struct reading *r, struct bytes value)
{
	key_mix(r, 4, value);
}

static void take_nothing(struct reading *r, struct bytes value)
{
	(void)r;
	(void)value;
}

static const struct option_rule {
	uint16_t number;
	uint16_t min, max; /* bytes */
	bool repeats;
	taker *take;
} rules[] = {
	{ COAP_OPTION_URI_HOST, 1, 255, false, take_nothing },
	{ COAP_OPTION_ETAG, 1, 8, true, take_etag },
	{ COAP_OPTION_OBSERVE, 0, 3, false, take_observe },
	{ COAP_OPTION_URI_PORT, 0, 2, false, take_nothing },
	{ COAP_OPTION_URI_PATH, 0, 255, true, take_path },
	{ COAP_OPTION_CONTENT_FORMAT, 0, 2, false, take_format },
	{ COAP_OPTION_URI_QUERY, 0, 255, true, take_query },
	{ COAP_OPTION_ACCEPT, 0, 2, false, take_accept },
	{ COAP_OPTION_BLOCK2, 0, 3, false, take_block2 },
	{ COAP_OPTION_BLOCK1, 0, 3, false, take_block1 },
	{ OPTION_REQUEST_TAG, 0, 8, true, take_request_tag },
};

static const struct option_rule *rule_of(uint16_t option)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (rules[i].number == option)
			return &rules[i];
	}
	return NULL;
}

static bool refuse(struct refusal *ret, uint8_t code, const char *detail)
{
	*ret = (struct refusal){ .code = code, .err = ERR_BAD_REQUEST, .detail = detail };
	return false;
}

static bool take_option(struct reading *r, uint16_t option, struct bytes value, bool again,
			struct refusal *ret_why)
{
	const struct option_rule *rule = rule_of(option);
	bool critical = option & 1;

	if (!rule || value.n < rule->min || value.n > rule->max || (again && !rule->repeats))
		return !critical || refuse(ret_why, CODE_BAD_OPTION,
					   "a critical option cannot be used here");
	rule->take(r, value);
	return !r->wrong || refuse(ret_why, CODE(4, 0), r->wrong);
}

static bool take_options(struct reading *r, const coap_pdu_t *pdu, struct refusal *ret_why)
{
	coap_opt_iterator_t it;
	coap_opt_t *opt;
	int last = -1;

	coap_option_iterator_init(pdu, &it, COAP_OPT_ALL);
	while ((opt = coap_option_next(&it))) {
		struct bytes value = { coap_opt_value(opt), coap_opt_length(opt) };

		r->q->wire_size += 1 + value.n;
		if (!take_option(r, it.number, value, it.number == last, ret_why))
			return false;
		last = it.number;
	}
	return true;
}

/* False for methods that no route has. */
static bool take_method(uint8_t code, struct req *req)
{
	static const enum method methods[] = {
		[COAP_REQUEST_CODE_GET] = METHOD_GET,
		[COAP_REQUEST_CODE_POST] = METHOD_POST,
		[COAP_REQUEST_CODE_PUT] = METHOD_PUT,
		[COAP_REQUEST_CODE_DELETE] = METHOD_DELETE,
		[COAP_REQUEST_CODE_PATCH] = METHOD_PATCH,
	};

	if (code >= ARRAY_LEN(methods) || !methods[code])
		return false;
	req->method = methods[code];
	return true;
}

void inquiry_head(const coap_pdu_t *pdu, struct inquiry *ret)
{
	coap_bin_const_t token = coap_pdu_get_token(pdu);

	*ret = (struct inquiry){
		.code = (uint8_t)coap_pdu_get_code(pdu),
		.confirmable = coap_pdu_get_type(pdu) == COAP_MESSAGE_CON,
		.mid = (uint16_t)coap_pdu_get_mid(pdu),
		.token_size = token.length < TOKEN_MAX ? (uint8_t)token.length : TOKEN_MAX,
		.body_key = FNV_START,
	};
	if (ret->token_size)
		memcpy(ret->token, token.s, ret->token_size);
}

bool inquiry_read(const coap_pdu_t *pdu, struct inquiry *q, struct req *req,
		  struct refusal *ret_why)
{
	struct reading r = { .q = q, .req = req };
	size_t size = 0;
	const uint8_t *data = NULL;

	req->via = VIA_COAP;
	req->format = FORMAT_NONE;
	req->accept = FORMAT_NONE;
	q->wire_size = 4u + q->token_size;
	if (!take_options(&r, pdu, ret_why))
		return false;
	if (coap_get_data(pdu, &size, &data)) {
		q->payload = (struct bytes){ data, size };
		q->wire_size += 1 + size;
	}
	if (!take_method(q->code, req)) {
		*ret_why = (struct refusal){ CODE(4, 5), ERR_METHOD, NULL };
		return false;
	}
	r.path[r.path_size] = '\0';
	if (req_set_path(req, r.path_size ? r.path : "/") != RC_OK) {
		*ret_why = (struct refusal){ CODE(4, 4), ERR_NOT_FOUND, NULL };
		return false;
	}
	return true;
}
