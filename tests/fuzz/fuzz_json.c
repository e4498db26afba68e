/* Bodies of REST requests: whatever comes, the readers say what is wrong and every text that
 * they let through is clean and within its bounds. */

#include "api/json.h"
#include "base/clean.h"
#include "tests/fuzz/target.h"

#include <stdlib.h>
#include <string.h>

static void check_text(const char *text, size_t min, size_t max)
{
	if (text &&
	    (strlen(text) < min || strlen(text) > max || !text_is_clean(bytes_of(text))))
		abort();
}

static void read_members(struct js *in)
{
	static const struct js_map map = { "m", 4, 8, 8, true };
	struct js_pair pairs[4];
	struct js inner;
	struct uuid id;

	check_text(js_text(in, "t", JS_REQUIRED, 1, 8), 1, 8);
	int64_t i = js_i64(in, "i", 5, 1, 9);
	if (i < 1 || i > 9)
		abort();
	i = js_fixed(in, "f", 2, 0, 10000);
	if (i < 0 || i > 10000)
		abort();
	if (js_base64(in, "x", JS_OPTIONAL, 2, 8).n > 8)
		abort();
	js_uuid(in, "u", JS_OPTIONAL, &id);
	int n = js_pairs(in, &map, pairs);
	for (int p = 0; p < n; p++) {
		check_text(pairs[p].name, 1, 8);
		check_text(pairs[p].value, 0, 8);
	}
	n = js_array(in, "a", JS_OPTIONAL, 4);
	for (int a = 0; a < n; a++)
		if (js_item_object(in, "a", a, &inner))
			check_text(js_text(&inner, "t", JS_OPTIONAL, 0, 8), 0, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct req *req = req_create();
	struct call c = { .mem = req->mem };

	req->format = FORMAT_JSON;
	req->body = (struct bytes){ data, size };
	{
		CLEAN(js_body) struct js in = { 0 };
		if (js_open(&c, req, &in) == RC_OK) {
			read_members(&in);
			if (js_done(&in) == RC_OK && c.fields)
				abort();
		}
	}
	req_free(req);
	return 0;
}
