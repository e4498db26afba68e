/* The route table and its lookup.  One row is one operation: api/routes.def. */

#include "api/route.h"

#include "api/device/device.h"
#include "api/rest/rest.h"

#include <string.h>

static const struct route routes[] = {
#define ROUTE(m, p, v, r, n, h, o, ...)                                                        \
	{ .method = METHOD_##m,                                                                \
	  .path = (p),                                                                         \
	  .via = (v),                                                                          \
	  .roles = (r),                                                                        \
	  .need = (n),                                                                         \
	  .handler = (h),                                                                      \
	  .operation = (o),                                                                    \
	  __VA_ARGS__ },
#include "api/routes.def"
#undef ROUTE
};

const struct route *route_at(size_t i)
{
	return i < ARRAY_LEN(routes) ? &routes[i] : NULL;
}

/* Compares one path of the table with the request's segments; collects the parameters. */
static bool path_fits(const char *path, const struct req *req, const char **params)
{
	int param = 0, segment = 0;

	while (*path == '/') {
		const char *part = path + 1;
		size_t len = strcspn(part, "/");

		if (segment == req->segment_count)
			return false;
		const char *got = req->segments[segment++];
		if (*part == '{' && *got)
			params[param++] = got;
		else if (strlen(got) != len || memcmp(got, part, len) != 0)
			return false;
		path = part + len;
	}
	return segment == req->segment_count;
}

enum rc route_find(struct req *req)
{
	bool path_known = false;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const char *params[REQ_PARAMS_MAX] = { 0 };

		if (!(routes[i].via & req->via) || !path_fits(routes[i].path, req, params))
			continue;
		path_known = true;
		if (routes[i].method != req->method)
			continue;
		req->route = &routes[i];
		memcpy(req->params, params, sizeof(params));
		return RC_OK;
	}
	return path_known ? RC_METHOD : RC_NOT_FOUND;
}

static const char *const method_names[] = {
	[METHOD_GET] = "GET",       [METHOD_POST] = "POST",   [METHOD_PUT] = "PUT",
	[METHOD_DELETE] = "DELETE", [METHOD_PATCH] = "PATCH",
};

const char *route_allow(const struct req *req)
{
	const char *allow = "";

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const char *params[REQ_PARAMS_MAX];

		if ((routes[i].via & req->via) && path_fits(routes[i].path, req, params))
			allow = arena_printf(req->mem, "%s%s%s", allow, *allow ? ", " : "",
					     method_names[routes[i].method]);
	}
	return allow;
}
