/* Reading JSON strictly, and writing it. */

#include "api/json.h"
#include "base/clean.h"
#include "tests/tap.h"

static struct call c;
static struct req *req;

static enum rc open_text(const char *text, struct js *in)
{
	call_clear(&c);
	req->body = bytes_of(text);
	req->format = FORMAT_JSON;
	return js_open(&c, req, in);
}

/* The fields that were noted, as "pointer pointer ...". */
static const char *noted(void)
{
	const char *text = "";

	for (const struct call_field *f = c.fields; f; f = f->next)
		text = arena_printf(c.mem, "%s%s%s", text, *text ? " " : "", f->pointer);
	return text;
}

static void test_open(void)
{
	static const char *const bad[] = { "{",
					   "[]",
					   "1",
					   "null",
					   "\"a\"",
					   "{\"a\":1,\"a\":2}",
					   "{\"a\":\"\xff\"}",
					   "{\"a\":\"\\u0000\"}",
					   "{} {}",
					   "{'a':1}",
					   "{\"a\":01}",
					   "\xef\xbb\xbf{}" };
	CLEAN(js_body) struct js in = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		is_int(open_text(bad[i], &in), RC_INVALID, bad[i]);
		is_int(c.err, ERR_BAD_REQUEST, "  is malformed");
		js_close(&in);
	}
	is_int(open_text("", &in), RC_OK, "nothing is an empty object");
	is_int(js_done(&in), RC_OK, "  with no member");
	js_close(&in);
	req->body = bytes_of("{}");
	req->format = FORMAT_CBOR;
	is_int(js_open(&c, req, &in), RC_MEDIA, "another content type");
}

static void test_depth(void)
{
	char text[2 * 40 * 6 + 8] = "";
	CLEAN(js_body) struct js in = { 0 };

	for (int depth = 1; depth <= 40; depth++) {
		size_t n = 0;
		for (int i = 0; i < depth; i++, n += 5)
			memcpy(text + n, "{\"a\":", 5);
		text[n++] = '1';
		for (int i = 0; i < depth; i++)
			text[n++] = '}';
		text[n] = 0;
		if (depth == JS_DEPTH_MAX || depth == JS_DEPTH_MAX + 1)
			is_int(open_text(text, &in), depth <= JS_DEPTH_MAX ? RC_OK : RC_INVALID,
			       "depth");
		else
			is_int(open_text(text, &in) == RC_OK, depth < JS_DEPTH_MAX, "depth");
		js_close(&in);
	}
}

static void test_values(void)
{
	static const char *const words[] = { "red", "green", NULL };
	CLEAN(js_body) struct js in = { 0 };
	struct uuid id;
	struct digest d;

	is_int(open_text("{\"t\":\"h\xc3\xa9llo\",\"i\":-3,\"f\":12.34,\"b\":true,\"w\":"
			 "\"green\","
			 "\"u\":\"01234567-89ab-cdef-0123-456789ABCDEF\",\"x\":\"aGk=\",\"n\":"
			 "null,"
			 "\"l\":\"a\\nb\\tc\",\"d\":"
			 "\"00112233445566778899aabbccddeeff00112233445566"
			 "778899aabbccddeeff\"}",
			 &in),
	       RC_OK, "opens");
	is_str(js_text(&in, "t", JS_REQUIRED, 1, 6), "h\xc3\xa9llo", "text");
	is_str(js_lines(&in, "l", JS_REQUIRED, 1, 6), "a\nb\tc", "lines");
	is_int(js_i64(&in, "i", 0, -3, 3), -3, "number");
	is_int(js_fixed(&in, "f", 2, 0, 10000), 1234, "number with decimals");
	ok(js_bool(&in, "b", false), "bool");
	is_int(js_word(&in, "w", JS_REQUIRED, words), 1, "word");
	ok(js_uuid(&in, "u", JS_REQUIRED, &id) && id.b[15] == 0xef, "uuid");
	ok(js_digest(&in, "d", JS_REQUIRED, &d) && d.b[31] == 0xff, "digest");
	ok(bytes_equal_text(js_base64(&in, "x", JS_REQUIRED, 1, 2), "hi"), "base64");
	ok(!js_text(&in, "n", JS_OPTIONAL, 0, 9), "null is absent");
	ok(js_is_null(&in, "n") && !js_has(&in, "n") && js_has(&in, "t"), "null is told");
	is_int(js_i64(&in, "absent", 7, 0, 9), 7, "the value when absent");
	is_int(js_done(&in), RC_OK, "nothing is left");
	js_close(&in);
}

static void test_wrong_values(void)
{
	static const char *const words[] = { "red", NULL };
	CLEAN(js_body) struct js in = { 0 };
	struct uuid id;
	struct digest d;

	is_int(open_text(
		       "{\"t\":1,\"c\":\"a\\u0007\",\"s\":\"\",\"l\":\"a\\u0007\\n\",\"i\":1.5,"
		       "\"big\":10,\"f\":1.234,\"b\":1,\"w\":\"blue\",\"u\":\"x\",\"x\":\"a\","
		       "\"d\":\"00\",\"a/b~\":0,\"huge\":1e30}",
		       &in),
	       RC_OK, "opens");
	js_text(&in, "t", JS_REQUIRED, 0, 9);
	js_text(&in, "c", JS_REQUIRED, 0, 9);
	js_text(&in, "s", JS_REQUIRED, 1, 9);
	js_lines(&in, "l", JS_REQUIRED, 1, 9);
	js_i64(&in, "i", 0, 0, 9);
	js_i64(&in, "big", 0, 0, 9);
	js_fixed(&in, "f", 2, 0, 10000);
	js_bool(&in, "b", false);
	js_word(&in, "w", JS_REQUIRED, words);
	js_uuid(&in, "u", JS_REQUIRED, &id);
	js_base64(&in, "x", JS_REQUIRED, 0, 9);
	js_digest(&in, "d", JS_REQUIRED, &d);
	js_text(&in, "missing", JS_REQUIRED, 0, 9);
	js_fixed(&in, "huge", 2, 0, 10000);
	is_int(js_done(&in), RC_UNPROCESSABLE, "all of it is wrong");
	is_str(noted(), "/t /c /s /l /i /big /f /b /w /u /x /d /missing /huge /a~1b~0",
	       "and each is named, the one that nobody asked for last");
	is_int(c.err, ERR_VALIDATION, "as validation");
}

static void test_lists(void)
{
	static const struct js_map map = { "m", 2, 3, 4, false },
				   maybe = { "m", 3, 3, 4, true };
	CLEAN(js_body) struct js in = { 0 };
	struct js_pair pairs[3];
	struct js o;

	is_int(open_text("{\"a\":[\"x\",\"yy\",3],\"o\":{\"k\":{\"n\":1}},\"m\":{\"k1\":\"v\","
			 "\"k2\":null}}",
			 &in),
	       RC_OK, "opens");
	is_int(js_array(&in, "a", JS_REQUIRED, 3), 3, "a list");
	is_str(js_item_text(&in, "a", 1, 1, 2), "yy", "its text");
	ok(js_object(&in, "o", JS_REQUIRED, &o), "an object");
	is_int(js_pairs(&in, &maybe, pairs), 2, "a map");
	ok(strcmp(pairs[0].name, "k1") == 0 ? !pairs[1].value : !pairs[0].value,
	   "null where it may be");
	is_str(noted(), "", "all good so far");
	js_item_text(&in, "a", 2, 1, 2);
	is_int(js_array(&in, "a", JS_REQUIRED, 2), -1, "too long a list");
	is_int(js_pairs(&in, &map, pairs), -1, "null where it may not be");
	is_int(js_done(&o), RC_UNPROCESSABLE, "a member that nobody asked for");
	is_str(noted(), "/a/2 /a /m/k2 /o/k", "pointers");
}

static void test_write(void)
{
	struct res res = { 0 };
	struct uuid zero = { 0 };
	json_t *o = json_object();

	js_put_text(o, "t", "a\"b");
	js_put_text(o, "none", NULL);
	js_put_i64(o, "i", INT64_MAX);
	js_put_bool(o, "b", false);
	js_put_time(o, "at", 1);
	js_put_time(o, "never", 0);
	js_put_uuid(o, "zero", &zero);
	js_put_hex(o, "h", bytes_of("hi"));
	js_put_base64(o, "x", bytes_of("hi"));
	js_put_raw(o, "r", "{\"k\":\"v\"}");
	js_put_raw(o, "empty", "");
	js_answer(&c, &res, o);
	ok(bytes_equal_text(
		   res.body,
		   "{\"t\":\"a\\\"b\",\"i\":9223372036854775807,\"b\":false,"
		   "\"at\":\"1970-01-01T00:00:00.000001Z\",\"h\":\"6869\",\"x\":\"aGk=\","
		   "\"r\":{\"k\":\"v\"},\"empty\":{}}"),
	   "written as it should be");
	is_int(res.format, FORMAT_JSON, "as JSON");
	js_answer_page(&c, &res, json_array(), "next");
	ok(bytes_equal_text(res.body, "{\"items\":[],\"next_page_token\":\"next\"}"), "a page");
}

int main(void)
{
	req = req_create();
	c.mem = req->mem;
	test_open();
	test_depth();
	test_values();
	test_wrong_values();
	test_lists();
	test_write();
	req_free(req);
	return tap_done();
}
