/* The route table and its lookup.  One row is one operation: api/routes.def. */

#include "api/route.h"

#include "api/device/device.h"
#include "api/rest/rest.h"

#include <assert.h>
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

/* Rows by transport, so that a device's request is not compared with what operators ask. */
static struct {
	uint8_t rows[ARRAY_LEN(routes)];
	uint8_t count;
} by_via[VIA_COAP + 1];

__attribute__((constructor)) static void sort_rows(void)
{
	static const enum via vias[] = { VIA_HTTP, VIA_COAP };

	static_assert(ARRAY_LEN(routes) < UINT8_MAX, "rows are numbered by bytes");
	for (size_t v = 0; v < ARRAY_LEN(vias); v++)
		for (size_t i = 0; i < ARRAY_LEN(routes); i++)
			if (routes[i].via & vias[v])
				by_via[vias[v]].rows[by_via[vias[v]].count++] = (uint8_t)i;
}

/* Compares one path of the table with the request's segments; collects the parameters. */
static bool path_fits(const char *path, const struct req *req, const char **params)
{
	int param = 0, segment = 0;

	while (*path == '/') {
		const char *part = path + 1;

		if (segment == req->segment_count)
			return false;
		const char *got = req->segments[segment++];
		if (*part != '{' && *part != *got && *part != '/' && *part)
			return false; /* most rows differ in their first letter */
		size_t len = strcspn(part, "/");
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

	for (size_t i = 0; i < by_via[req->via].count; i++) {
		const struct route *row = &routes[by_via[req->via].rows[i]];
		const char *params[REQ_PARAMS_MAX] = { 0 };

		if (!path_fits(row->path, req, params))
			continue;
		path_known = true;
		if (row->method != req->method)
			continue;
		req->route = row;
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
