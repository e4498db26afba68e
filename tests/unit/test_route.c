/* The route table and its lookup; requests' paths. */

#include "api/route.h"
#include "tests/tap.h"

static struct req *request(enum method method, enum via via, const char *path)
{
	struct req *req = req_create();

	req->method = method;
	req->via = via;
	if (req_set_path(req, path) != RC_OK)
		req->segment_count = -1;
	return req;
}

struct find_case {
	enum method method;
	enum via via;
	const char *path;
	enum rc rc;
	const char *operation; /* or the methods allowed */
	const char *param;
};

static const struct find_case cases[] = {
	{ METHOD_GET, VIA_HTTP, "/livez", RC_OK, "livez", NULL },
	{ METHOD_GET, VIA_HTTP, "/v1/campaigns/abc", RC_OK, "getCampaign", "abc" },
	{ METHOD_POST, VIA_HTTP, "/v1/campaigns/abc/start", RC_OK, "startCampaign", "abc" },
	{ METHOD_GET, VIA_HTTP, "/v1/devices/a%2Fb", RC_OK, "getDevice", "a%2Fb" },
	{ METHOD_GET, VIA_HTTP, "/v1/devices/{endpoint}", RC_OK, "getDevice", "{endpoint}" },
	{ METHOD_POST, VIA_COAP, "/report/7/1", RC_OK, "report", "7" },
	{ METHOD_GET, VIA_COAP, "/.well-known/core", RC_OK, "wellKnownCore", NULL },
	{ METHOD_PUT, VIA_HTTP, "/v1/operators", RC_METHOD, "GET, POST", NULL },
	{ METHOD_GET, VIA_HTTP, "/v1/bootstrap", RC_METHOD, "POST", NULL },
	{ METHOD_GET, VIA_COAP, "/report/7/1", RC_METHOD, "POST", NULL },
	{ METHOD_POST, VIA_HTTP, "/report/7/1", RC_NOT_FOUND, "", NULL },
	{ METHOD_GET, VIA_COAP, "/livez", RC_NOT_FOUND, "", NULL },
	{ METHOD_GET, VIA_HTTP, "/", RC_NOT_FOUND, "", NULL },
	{ METHOD_GET, VIA_HTTP, "/livez/", RC_NOT_FOUND, "", NULL },
	{ METHOD_GET, VIA_HTTP, "/v1/devices/", RC_NOT_FOUND, "", NULL },
	{ METHOD_GET, VIA_HTTP, "/v1/devices//why", RC_NOT_FOUND, "", NULL },
	{ METHOD_GET, VIA_HTTP, "/livezz", RC_NOT_FOUND, "", NULL },
	{ METHOD_GET, VIA_HTTP, "/live", RC_NOT_FOUND, "", NULL },
	{ METHOD_GET, VIA_HTTP, "/v1/campaigns/a/start/b", RC_NOT_FOUND, "", NULL },
};

static void test_find(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct find_case *f = &cases[i];
		struct req *req = request(f->method, f->via, f->path);

		is_int(route_find(req), f->rc, f->path);
		if (f->rc == RC_OK) {
			is_str(req->route->operation, f->operation, "  its operation");
			is_str(req->params[0], f->param, "  its first parameter");
		} else {
			is_str(route_allow(req), f->operation, "  the methods allowed");
		}
		req_free(req);
	}
}

static bool same_shape(const char *a, const char *b)
{
	while (*a && *b) {
		if (*a == '{' && *b == '{') {
			a += strcspn(a, "}");
			b += strcspn(b, "}");
		}
		if (*a++ != *b++)
			return false;
	}
	return *a == *b;
}

static void test_table(void)
{
	size_t n = 0, doubles = 0, bad = 0;

	for (const struct route *r; (r = route_at(n)); n++) {
		bad += !r->handler || !r->path || r->path[0] != '/' || !r->operation;
		bad += (r->via & ~(unsigned)(VIA_HTTP | VIA_COAP)) != 0 || r->via == 0;
		/* A batch runs devices' calls; operators' calls have keys and roles to check.
		 */
		bad += r->need == NEED_BATCH && r->roles != ROLE_DEVICE;
		bad += r->need == NEED_MEMORY && r->memory;
		for (size_t j = 0; j < n; j++) {
			const struct route *o = route_at(j);
			doubles += o->method == r->method && (o->via & r->via) &&
				   same_shape(o->path, r->path);
			doubles += strcmp(o->operation, r->operation) == 0;
		}
	}
	ok(n > 50, "the table has all operations");
	is_int((int64_t)bad, 0, "rows are complete");
	is_int((int64_t)doubles, 0, "no operation twice");
}

static void test_path(void)
{
	struct req *req = request(METHOD_GET, VIA_HTTP, "/a/b//c");

	is_int(req->segment_count, 4, "segments");
	is_str(req->segments[2], "", "an empty one");
	is_str(req->segments[3], "c", "the last one");
	is_int(req_set_path(req, "/"), RC_OK, "the root");
	is_int(req->segment_count, 0, "has none");
	is_int(req_set_path(req, "/1/2/3/4/5/6/7/8/9/10/11/12"), RC_OK, "as many as fit");
	is_int(req->segment_count, REQ_SEGMENTS_MAX, "are all there");
	is_int(req_set_path(req, "/1/2/3/4/5/6/7/8/9/10/11/12/13"), RC_INVALID, "too many");
	is_int(req_set_path(req, "a"), RC_INVALID, "no slash");
	is_int(req_set_path(req, ""), RC_INVALID, "nothing");
	req->query[0] = (struct req_pair){ "a", "1" };
	req->query[1] = (struct req_pair){ "a", "2" };
	req->query_count = 2;
	is_str(req_query(req, "a"), "1", "the first of a parameter");
	is_str(req_query(req, "b"), NULL, "none of another");
	req_free(req);
}

static void test_ids(void)
{
	struct req *a = req_create(), *b = req_create();

	ok(a->id != b->id && a->id && b->id, "requests have ids of their own");
	req_free(a);
	req_free(b);
	req_free(NULL);
}

int main(void)
{
	test_find();
	test_table();
	test_path();
	test_ids();
	return tap_done();
}
