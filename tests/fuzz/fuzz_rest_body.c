/* A REST operation with any path, query and body, over a database that was lost: everything
 * that is decided before the first statement runs.  Input: "METHOD PATH?QUERY", a newline, the
 * body. */

#include "api/problem.h"
#include "api/route.h"
#include "certs/certs.h"
#include "certs/seal.h"
#include "core/core.h"
#include "core/images.h"
#include "core/roster.h"
#include "db/conn.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/target.h"

#include <jansson.h>
#include <string.h>

static const uint8_t key[SEAL_KEY_SIZE] = "a key of thirty-two bytes, fixed";
static struct core core = { .tenant_secret = { key, sizeof(key) },
			    .seal_key = { key, sizeof(key) } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct arena *mem = arena_create();
	const char *why = NULL;

	(void)argc;
	(void)argv;
	scratch_make();
	check(ca_init(scratch_path("ca"), "Fuzz", mem, &why) == RC_OK);
	check(certs_open(scratch_path("ca"), &core.certs) == RC_OK);
	check(images_create(scratch_path("images"), &core.images) == RC_OK);
	core.roster = roster_create();
	arena_free(mem);
	return 0;
}

static bool take_line(struct req *req, char *line)
{
	static const char *const methods[] = { [METHOD_GET] = "GET",
					       [METHOD_POST] = "POST",
					       [METHOD_PUT] = "PUT",
					       [METHOD_DELETE] = "DELETE",
					       [METHOD_PATCH] = "PATCH" };
	char *path = strchr(line, ' ');
	char *query = path ? strchr(path, '?') : NULL;

	if (!path)
		return false;
	*path++ = '\0';
	if (query)
		*query++ = '\0';
	for (int m = METHOD_GET; m <= METHOD_PATCH; m++)
		if (strcmp(methods[m], line) == 0)
			req->method = (enum method)m;
	for (char *one = strsep(&query, "&"); one && req->query_count < REQ_QUERY_MAX;
	     one = strsep(&query, "&")) {
		char *value = strchr(one, '=');
		if (value)
			*value++ = '\0';
		req->query[req->query_count++] = (struct req_pair){ one, value ? value : "" };
	}
	return req->method && req_set_path(req, path) == RC_OK;
}

static void run(struct req *req)
{
	struct db lost = { .broken = true };
	struct call c = { .core = &core,
			  .mem = req->mem,
			  .db = req->route->need == NEED_MEMORY ? NULL : &lost,
			  .tenant = 1,
			  .now = 1,
			  .actor = {
				  .kind = ACTOR_OPERATOR, .role = ROLE_ADMIN, .name = "f" } };
	struct res res = { .format = FORMAT_NONE, .max_age_s = -1, .retry_after_s = -1 };

	enum rc rc = req->route->handler(&c, req, &res);
	/* Nothing can succeed that has to be written, and nothing may go wrong inside. */
	check(rc != RC_INTERNAL && (rc != RC_OK || req->route->need == NEED_MEMORY));
	check(rc != RC_UNPROCESSABLE || c.fields || c.err);
	if (rc == RC_OK)
		return;
	res.rc = rc;
	res.err = c.err ? c.err : err_of_rc(rc);
	res.detail = c.detail;
	res.fields = c.fields;
	struct bytes problem = problem_json(req, &res, 400);
	json_t *parsed = json_loadb((const char *)problem.p, problem.n, 0, NULL);
	check(json_is_object(parsed));
	json_decref(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	struct req *req = req_create();

	req->via = VIA_HTTP;
	req->format = FORMAT_JSON;
	req->if_match = "1";
	size_t line = end ? (size_t)(end - data) : size;
	struct bytes head = { data, line };
	if (end)
		req->body = (struct bytes){ end + 1, size - line - 1 };
	if (text_is_clean(head) && take_line(req, bytes_text(req->mem, head)) &&
	    route_find(req) == RC_OK && !req->route->streams)
		run(req);
	req_free(req);
	return 0;
}
