/* Problems in both forms. */

#include "api/problem.h"
#include "core/call.h"
#include "tests/tap.h"

static void test_json(void)
{
	struct req *req = req_create();
	struct call_field second = { NULL, "q", "line\nbreak" };
	struct call_field first = { &second, "/a~1b", "no \"quotes\" \\ \x01" };
	struct res res;

	req->id = 0x123;
	problem_set(&res, ERR_NOT_FOUND, NULL);
	ok(bytes_equal_text(problem_json(req, &res, 404),
			    "{\"type\":\"urn:muster:error:not-found\",\"title\":\"There is no "
			    "such "
			    "thing\",\"status\":404,\"instance\":\"urn:muster:request:"
			    "0000000000000123\"}"),
	   "the least");
	problem_set(&res, ERR_VALIDATION, "some \xc3\xa9");
	res.fields = &first;
	ok(bytes_equal_text(
		   problem_json(req, &res, 422),
		   "{\"type\":\"urn:muster:error:validation\",\"title\":\"A field has a value "
		   "that cannot be used\",\"status\":422,\"detail\":\"some \xc3\xa9\","
		   "\"instance\":\"urn:muster:request:0000000000000123\",\"errors\":[{"
		   "\"pointer\":\"/a~1b\",\"detail\":\"no \\\"quotes\\\" \\\\ \\u0001\"},{"
		   "\"pointer\":\"q\",\"detail\":\"line\\u000abreak\"}]}"),
	   "the most");
	req_free(req);
}

static void test_every_code(void)
{
	struct req *req = req_create();
	struct res res;

	for (int e = ERR_NONE + 1; e < ERR_COUNT; e++) {
		problem_set(&res, (enum err)e, NULL);
		struct bytes b = problem_json(req, &res, 400);
		char *text = bytes_text(req->mem, b);
		ok(res.rc == err_rc((enum err)e) && strstr(text, err_code((enum err)e)), "%s",
		   err_code((enum err)e));
	}
	/* A result without a code still says something. */
	res = (struct res){ .rc = RC_STORAGE };
	ok(strstr(bytes_text(req->mem, problem_json(req, &res, 507)), "storage-full"),
	   "the general code of a result");
	req_free(req);
}

static void test_cbor(void)
{
	static const uint8_t wanted[] = "\xa2\x20\x76There is no such thing\x23\x78\x1a"
					"urn:muster:error:not-found";
	struct req *req = req_create();
	struct res res;

	problem_set(&res, ERR_NOT_FOUND, NULL);
	struct bytes b = problem_cbor(req, &res);
	is_bytes(b.p, b.n, wanted, sizeof(wanted) - 1, "the least");

	char *long_text = arena_alloc(req->mem, 2001);
	for (int i = 0; i < 2000; i += 2)
		memcpy(long_text + i, "\xc3\xa9", 2);
	problem_set(&res, ERR_NOT_FOUND, long_text);
	b = problem_cbor(req, &res);
	ok(b.n <= 512 && b.n > 500, "a long detail is cut");
	is_int(b.p[0], 0xa3, "three members");
	struct bytes tail = { b.p + b.n - 2, 2 };
	ok(bytes_equal_text(tail, "\xc3\xa9"), "between characters");
	req_free(req);
}

int main(void)
{
	test_json();
	test_every_code();
	test_cbor();
	return tap_done();
}
