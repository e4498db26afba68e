/* Messages: codes, requests from options, answers to options, and what was answered lately. */

#include "core/images.h"
#include "server/coap/coap_answer.h"
#include "server/coap/coap_code.h"
#include "server/coap/coap_recent.h"
#include "tests/tap.h"

#include <stdlib.h>

#define PDU_SIZE 1152

static coap_pdu_t *message(uint8_t code, const char *token)
{
	coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, code, 0x1234, PDU_SIZE);

	if (!pdu || !coap_add_token(pdu, strlen(token), (const uint8_t *)token))
		abort();
	return pdu;
}

static void option(coap_pdu_t *pdu, uint16_t number, const char *value, size_t n)
{
	if (!coap_add_option(pdu, number, n, (const uint8_t *)value))
		abort();
}

static void text_option(coap_pdu_t *pdu, uint16_t number, const char *value)
{
	option(pdu, number, value, strlen(value));
}

static void test_codes(void)
{
	static const struct {
		enum rc rc;
		int class, detail;
	} cases[] = {
		{ RC_INVALID, 4, 0 },        { RC_UNAUTHENTICATED, 4, 1 },
		{ RC_DENIED, 4, 3 },         { RC_NOT_FOUND, 4, 4 },
		{ RC_METHOD, 4, 5 },         { RC_NOT_ACCEPTABLE, 4, 6 },
		{ RC_INCOMPLETE, 4, 8 },     { RC_CONFLICT, 4, 9 },
		{ RC_GONE, 4, 4 },           { RC_STALE, 4, 12 },
		{ RC_TOO_LARGE, 4, 13 },     { RC_MEDIA, 4, 15 },
		{ RC_UNPROCESSABLE, 4, 22 }, { RC_PRECONDITION, 4, 12 },
		{ RC_LIMIT, 4, 29 },         { RC_UNAVAILABLE, 5, 3 },
		{ RC_STORAGE, 5, 0 },        { RC_INTERNAL, 5, 0 },
	};
	struct res res = { .rc = RC_OK };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		is_int(code_of_rc(cases[i].rc), cases[i].class << 5 | cases[i].detail,
		       rc_name(cases[i].rc));
	is_int(code_of_answer(METHOD_GET, &res), CODE(2, 5), "GET");
	is_int(code_of_answer(METHOD_POST, &res), CODE(2, 4), "POST");
	is_int(code_of_answer(METHOD_DELETE, &res), CODE(2, 2), "DELETE");
	res.status = 201;
	is_int(code_of_answer(METHOD_POST, &res), CODE(2, 1), "POST that made something");
	res.valid = true;
	is_int(code_of_answer(METHOD_GET, &res), CODE(2, 3), "still valid");
}

static void test_request(void)
{
	coap_pdu_t *pdu = message(COAP_REQUEST_CODE_POST, "tok");
	struct req *req = req_create();
	struct refusal why;
	struct inquiry q;

	text_option(pdu, COAP_OPTION_URI_HOST, "example");
	option(pdu, COAP_OPTION_ETAG, "\1\2\3", 3);
	text_option(pdu, COAP_OPTION_URI_PATH, "report");
	text_option(pdu, COAP_OPTION_URI_PATH, "17");
	option(pdu, COAP_OPTION_CONTENT_FORMAT, "\x01\x0e", 2);
	text_option(pdu, COAP_OPTION_URI_QUERY, "a=b=c");
	text_option(pdu, COAP_OPTION_URI_QUERY, "Q");
	option(pdu, COAP_OPTION_ACCEPT, "\x3c", 1);
	option(pdu, COAP_OPTION_BLOCK1, "\x1e", 1);
	option(pdu, 258, "\x02", 1); /* No-Response: elective, left aside */
	coap_add_data(pdu, 4, (const uint8_t *)"body");
	inquiry_head(pdu, &q);
	ok(q.mid == 0x1234 && q.token_size == 3 && q.confirmable, "head");
	ok(inquiry_read(pdu, &q, req, &why), "taken");
	is_str(req->path, "/report/17", "path");
	ok(req->segment_count == 2 && req->method == METHOD_POST, "segments and method");
	is_str(req_query(req, "a"), "b=c", "query");
	is_str(req_query(req, "Q"), "", "query without a value");
	ok(req->format == FORMAT_SUIT_REPORT && req->accept == FORMAT_CBOR, "formats");
	is_bytes(req->etag.p, req->etag.n, "\1\2\3", 3, "ETag");
	ok(q.has_block1 && q.block1.num == 1 && q.block1.more && !q.has_block2, "Block1");
	is_bytes(q.payload.p, q.payload.n, "body", 4, "payload");
	coap_delete_pdu(pdu);
	req_free(req);
}

#define DROPPED 255 /* the library finds it malformed by itself, and says RST */

/* A whole message by hand: libcoap's own writer refuses what we want to see refused. */
static size_t raw_message(uint8_t *out, uint16_t number, const char *value, size_t n, int times)
{
	size_t at = 4;

	memcpy(out, "\x40\x01\x12\x34", 4);
	for (int i = 0; i < times; i++) {
		uint16_t delta = i ? 0 : number;

		out[at++] = (uint8_t)((delta < 13 ? delta : delta < 269 ? 13 : 14) << 4 | n);
		if (delta >= 269) {
			out[at++] = (uint8_t)((delta - 269) >> 8);
			out[at++] = (uint8_t)(delta - 269);
		} else if (delta >= 13) {
			out[at++] = (uint8_t)(delta - 13);
		}
		memcpy(out + at, value, n);
		at += n;
	}
	return at;
}

/* What comes of GET / with this option; 0: it is taken. */
static uint8_t code_with(uint16_t number, const char *value, size_t n, int times)
{
	coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, 0, 0, PDU_SIZE);
	struct req *req = req_create();
	struct refusal why = { .code = DROPPED };
	struct inquiry q;
	uint8_t raw[256];
	size_t size = raw_message(raw, number, value, n, times);
	bool taken = false;

	if (coap_pdu_parse(COAP_PROTO_UDP, raw, size, pdu)) {
		inquiry_head(pdu, &q);
		taken = inquiry_read(pdu, &q, req, &why);
	}
	coap_delete_pdu(pdu);
	req_free(req);
	return taken ? 0 : why.code;
}

static void test_options_strict(void)
{
	is_int(code_with(COAP_OPTION_IF_MATCH, "x", 1, 1), CODE(4, 2), "If-Match");
	is_int(code_with(COAP_OPTION_IF_NONE_MATCH, "", 0, 1), CODE(4, 2), "If-None-Match");
	is_int(code_with(9, "", 0, 1), CODE(4, 2), "OSCORE");
	is_int(code_with(65001, "", 0, 1), CODE(4, 2), "a critical option nobody knows");
	is_int(code_with(65002, "", 0, 1), 0, "an elective one");
	is_int(code_with(COAP_OPTION_ACCEPT, "\x3c", 1, 2), CODE(4, 2), "Accept twice");
	is_int(code_with(COAP_OPTION_CONTENT_FORMAT, "\x3c", 1, 2), 0,
	       "Content-Format twice: the first counts");
	is_int(code_with(COAP_OPTION_ACCEPT, "\0\0\x3c", 3, 1), DROPPED, "Accept too long");
	is_int(code_with(COAP_OPTION_OBSERVE, "\0\0\0\0", 4, 1), DROPPED, "Observe too long");
	is_int(code_with(COAP_OPTION_BLOCK2, "\x07", 1, 1), CODE(4, 0), "Block2 of size 7");
	is_int(code_with(COAP_OPTION_BLOCK1, "\x07", 1, 1), CODE(4, 0), "Block1 of size 7");
	is_int(code_with(COAP_OPTION_URI_PATH, "a/b", 3, 1), CODE(4, 0),
	       "a slash in a segment");
	is_int(code_with(COAP_OPTION_URI_PATH, "a\0b", 3, 1), CODE(4, 0), "a NUL in a segment");
	is_int(code_with(COAP_OPTION_URI_PATH, "\xff", 1, 1), CODE(4, 0), "no UTF-8");
	is_int(code_with(COAP_OPTION_URI_PATH, "a", 1, 13), CODE(4, 4), "too many segments");
	is_int(code_with(COAP_OPTION_URI_QUERY, "a", 1, 17), CODE(4, 0), "too many queries");
}

static void test_methods(void)
{
	for (int code = COAP_REQUEST_CODE_GET; code <= COAP_REQUEST_CODE_IPATCH; code++) {
		coap_pdu_t *pdu = message((uint8_t)code, "");
		struct req *req = req_create();
		struct refusal why = { 0 };
		struct inquiry q;

		inquiry_head(pdu, &q);
		bool taken = inquiry_read(pdu, &q, req, &why);
		if (code == COAP_REQUEST_CODE_FETCH || code == COAP_REQUEST_CODE_IPATCH)
			ok(!taken && why.code == CODE(4, 5), "0.%02d: 4.05", code);
		else
			ok(taken, "0.%02d is taken", code);
		coap_delete_pdu(pdu);
		req_free(req);
	}
}

static uint64_t key_with(uint16_t number, const char *value)
{
	coap_pdu_t *pdu = message(COAP_REQUEST_CODE_POST, "");
	struct req *req = req_create();
	struct refusal why;
	struct inquiry q;

	text_option(pdu, COAP_OPTION_URI_PATH, "register");
	if (number)
		text_option(pdu, number, value);
	inquiry_head(pdu, &q);
	if (!inquiry_read(pdu, &q, req, &why))
		abort();
	coap_delete_pdu(pdu);
	req_free(req);
	return q.body_key;
}

static void test_B05_transfer_keys(void)
{
	uint64_t plain = key_with(0, NULL);

	ok(plain == key_with(0, NULL), "the same transfer has the same key");
	ok(plain != key_with(292, ""), "a Request-Tag makes another");
	ok(key_with(292, "a") != key_with(292, "b"), "each tag its own");
	ok(plain != key_with(COAP_OPTION_URI_QUERY, "x"), "a query makes another");
	ok(plain != key_with(COAP_OPTION_URI_PATH, "x"), "a path makes another");
	ok(plain == key_with(COAP_OPTION_ACCEPT, "\x3c"), "Accept does not");
}

/* --- answers ------------------------------------------------------------------------------ */

static void test_answer(void)
{
	struct req *req = req_create();
	coap_pdu_t *pdu = message(0, "tok");
	struct block asked = { .num = 2, .szx = 2 };
	struct reply_wish wish = { .block = &asked, .token_size = 3 };
	uint8_t body[1000] = { [128] = 'x' };
	struct res res = { .format = FORMAT_OCTETS,
			   .body = { body, sizeof(body) },
			   .coap_etag = bytes_of("etag"),
			   .max_age_s = 30,
			   .retry_after_s = -1 };
	struct reply r;
	const uint8_t *data;
	size_t n;

	req->method = METHOD_GET;
	reply_make(&res, req, &wish, &r);
	ok(r.code == CODE(2, 5) && r.has_block2 && r.block2.num == 2 && r.block2.more &&
		   r.payload.n == 64 && r.payload.p[0] == 'x',
	   "block 2 of 64");
	ok(r.size2 == REPLY_NONE, "Size2 is in the first block only");
	ok(reply_write(&r, pdu) && coap_get_data(pdu, &n, &data) && n == 64, "written");
	struct reply *copy = reply_copy(&r);
	ok(copy->payload.p != r.payload.p && bytes_equal(copy->payload, r.payload) &&
		   bytes_equal(copy->etag, r.etag),
	   "a copy stands by itself");
	free(copy);
	asked.num = 16;
	reply_make(&res, req, &wish, &r);
	ok(r.code == CODE(4, 0) && r.format == FORMAT_PROBLEM_CBOR, "past the end: 4.00");
	req->accept = FORMAT_CBOR;
	reply_make(&res, req, &wish, &r);
	is_int(r.code, CODE(4, 6), "another format than the one that is accepted");
	coap_delete_pdu(pdu);
	req_free(req);
}

static bool holds(struct bytes b, const char *text)
{
	return b.p && memmem(b.p, b.n, text, strlen(text));
}

static void test_answer_too_small_blocks(void)
{
	struct req *req = req_create();
	struct block asked = { .num = 0, .szx = 0 };
	struct reply_wish wish = { .block = &asked };
	size_t size = ((size_t)16 << 20) + 1;
	struct res res = { .format = FORMAT_OCTETS, .max_age_s = -1 };
	struct reply r;
	uint8_t *body = calloc(1, size);

	req->method = METHOD_GET;
	res.body = (struct bytes){ body, size };
	reply_make(&res, req, &wish, &r);
	ok(r.code == CODE(4, 0) && holds(r.payload, "32 bytes") &&
		   holds(r.payload, "block-too-small"),
	   "4.00 names the smallest size");
	free(body);
	req_free(req);
}

static void test_failure(void)
{
	struct req *req = req_create();
	struct reply_wish wish = { 0 };
	struct res res = { .rc = RC_UNAVAILABLE, .err = ERR_UNAVAILABLE, .retry_after_s = 12 };
	struct refusal why = { CODE_BAD_OPTION, ERR_BAD_REQUEST, "because" };
	struct reply r;

	req->method = METHOD_POST;
	reply_make(&res, req, &wish, &r);
	ok(r.code == CODE(5, 3) && r.max_age_s == 12, "5.03 with Max-Age");
	reply_refuse(&why, req, &r);
	ok(r.code == CODE(4, 2) && holds(r.payload, "because") &&
		   holds(r.payload, "urn:muster:error:bad-request"),
	   "a refusal says why");
	req_free(req);
}

/* B01: whatever the answer, no more than three times what was asked. */
static void test_B01_amplification(void)
{
	struct req *req = req_create();
	uint8_t body[5000] = { 0 };
	struct res res = { .format = FORMAT_LINK,
			   .body = { body, sizeof(body) },
			   .max_age_s = 60 };
	bool good = true, useful = false;

	req->method = METHOD_GET;
	for (size_t asked = 4; asked < 400; asked++) {
		struct reply_wish wish = { .wire_max = asked * 3, .token_size = 0 };
		struct reply r;

		reply_make(&res, req, &wish, &r);
		good = good && reply_size(&r, 0) <= asked * 3;
		useful = useful || (asked == 21 && r.code == CODE(2, 5) && r.payload.n == 32);
	}
	ok(good, "never more than three times");
	ok(useful, "GET /.well-known/core is still served, in small blocks");
	req_free(req);
}

/* --- duplicates --------------------------------------------------------------------------- */

static struct inquiry asked(uint16_t mid, const char *token)
{
	struct inquiry q = { .mid = mid, .token_size = (uint8_t)strlen(token) };

	memcpy(q.token, token, q.token_size);
	return q;
}

static void test_B06_recent(void)
{
	struct recent r = { 0 };
	struct inquiry a = asked(1, "a"), b = asked(2, "a"), c = asked(1, "b");
	struct reply reply = { .code = CODE(2, 4), .payload = bytes_of("done") };
	struct recent_entry *e = recent_add(&r, &a, 1000);

	ok(recent_find(&r, &a, 2000) == e, "the same message");
	ok(!recent_find(&r, &b, 2000) && !recent_find(&r, &c, 2000), "no other");
	recent_answered(e, &reply);
	ok(e->reply && e->reply->code == CODE(2, 4) &&
		   bytes_equal_text(e->reply->payload, "done"),
	   "its answer is kept");
	ok(!recent_find(&r, &a, 1000 + RECENT_LIFE_US), "not for ever");
	for (uint16_t i = 0; i < RECENT_MAX; i++)
		recent_add(&r, &(struct inquiry){ .mid = 100 + i }, 3000);
	ok(!recent_find(&r, &a, 3000), "the oldest gives way");
	for (int i = 0; i < RECENT_MAX; i++)
		r.entries[i].running = (struct exchange *)&r;
	ok(!recent_add(&r, &a, 3000), "but not one that is running");
	for (int i = 0; i < RECENT_MAX; i++)
		r.entries[i].running = NULL;
	recent_clear(&r);
}

int main(void)
{
	coap_startup();
	coap_set_log_level(LOG_EMERG);
	test_codes();
	test_request();
	test_options_strict();
	test_methods();
	test_B05_transfer_keys();
	test_answer();
	test_answer_too_small_blocks();
	test_failure();
	test_B01_amplification();
	test_B06_recent();
	coap_cleanup();
	return tap_done();
}
