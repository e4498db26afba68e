/* From struct res to an HTTP response. */

#include "server/http/http_inner.h"

#include "api/problem.h"
#include "core/images.h"
#include "server/http/http_status.h"

#include <string.h>
#include <strings.h>

#define IMAGE_PIECE 65536

static const char *content_type(enum format format)
{
	switch (format) {
	case FORMAT_TEXT:
		return "text/plain; charset=utf-8";
	case FORMAT_LINK:
		return "application/link-format";
	case FORMAT_OCTETS:
		return "application/octet-stream";
	case FORMAT_JSON:
		return "application/json";
	case FORMAT_CBOR:
		return "application/cbor";
	case FORMAT_PROBLEM_JSON:
		return "application/problem+json";
	case FORMAT_SUIT_ENVELOPE:
		return "application/suit-envelope+cose";
	case FORMAT_SUIT_REPORT:
		return "application/suit-report+cose";
	case FORMAT_METRICS:
		return "text/plain; version=0.0.4; charset=utf-8";
	case FORMAT_NONE:
	case FORMAT_PROBLEM_CBOR:
	case FORMAT_UNKNOWN:
		return NULL;
	}
	return NULL;
}

/* Is the word one of the list's, whatever its parameters?  Case does not matter. */
static bool list_has(const char *list, const char *word, size_t n)
{
	while (*list) {
		list += strspn(list, ", \t");
		size_t item = strcspn(list, ",;");
		while (item && (list[item - 1] == ' ' || list[item - 1] == '\t'))
			item--;
		if (item == n && strncasecmp(list, word, n) == 0)
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

static bool accepts(const char *accept, enum format format)
{
	const char *type = content_type(format);

	if (!accept || !type || list_has(accept, "*/*", 3))
		return true;
	size_t n = strcspn(type, ";"), family = strcspn(type, "/") + 1;
	char wild[32];
	memcpy(wild, type, family);
	wild[family] = '*';
	return list_has(accept, type, n) || list_has(accept, wild, family + 1);
}

/* If-None-Match compares weakly (RFC 9110 section 13.1.2). */
static bool none_match_fits(const char *list, const char *etag)
{
	size_t n = strlen(etag);

	if (strcmp(list, "*") == 0)
		return true;
	for (const char *p = strchr(list, '"'); p;) {
		const char *end = strchr(p + 1, '"');
		if (!end)
			return false;
		if ((size_t)(end - p - 1) == n && memcmp(p + 1, etag, n) == 0)
			return true;
		p = strchr(end + 1, '"');
	}
	return false;
}

/* What the client's conditions make of a good answer to GET. */
static void negotiate(const struct req *req, struct res *res, const struct http_head *head)
{
	if (res->rc != RC_OK || req->method != METHOD_GET)
		return;
	if (res->etag && !res->moves && head->if_none_match &&
	    none_match_fits(head->if_none_match, res->etag))
		res->valid = true;
	if (accepts(head->accept, res->format))
		return;
	image_close(res->image);
	problem_set(res, ERR_NOT_ACCEPTABLE, NULL);
}

/* An answer and whether all of it is there.  One that lacks a header is not sent. */
struct answer {
	struct MHD_Response *response;
	bool whole;
};

static void add(struct answer *a, const char *name, const char *value)
{
	if (value && MHD_add_response_header(a->response, name, value) != MHD_YES)
		a->whole = false;
}

static const char *cache_control(const struct req *req, const struct res *res)
{
	if (res->rc != RC_OK || res->max_age_s < 0)
		return "no-store";
	return arena_printf(req->mem, "max-age=%lld", (long long)res->max_age_s);
}

/* Every GET is a HEAD too (RFC 9110 section 9.1). */
static const char *allow_text(const struct req *req, const struct res *res)
{
	if (res->rc != RC_METHOD || !res->allow)
		return NULL;
	return strstr(res->allow, "GET") ? arena_printf(req->mem, "%s, HEAD", res->allow)
					 : res->allow;
}

static void add_headers(struct answer *a, const struct req *req, const struct res *res,
			int status)
{
	struct arena *mem = req->mem;

	add(a, "X-Content-Type-Options", "nosniff");
	add(a, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
	add(a, MHD_HTTP_HEADER_CACHE_CONTROL, cache_control(req, res));
	add(a, MHD_HTTP_HEADER_LOCATION, res->location);
	add(a, MHD_HTTP_HEADER_ALLOW, allow_text(req, res));
	if (res->etag)
		add(a, MHD_HTTP_HEADER_ETAG, arena_printf(mem, "\"%s\"", res->etag));
	if (res->retry_after_s >= 0)
		add(a, MHD_HTTP_HEADER_RETRY_AFTER,
		    arena_printf(mem, "%lld", (long long)res->retry_after_s));
	if (status == MHD_HTTP_UNAUTHORIZED)
		add(a, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"muster\"");
}

/* Body, format and status of what res says. */
static struct bytes body_of(const struct req *req, struct res *res, int *ret_status)
{
	if (res->rc != RC_OK) {
		*ret_status = http_status(res->rc);
		res->format = FORMAT_PROBLEM_JSON;
		return problem_json(req, res, *ret_status);
	}
	*ret_status = res->status ? res->status : MHD_HTTP_OK;
	if (res->valid)
		*ret_status = MHD_HTTP_NOT_MODIFIED;
	if (*ret_status == MHD_HTTP_NOT_MODIFIED || *ret_status == MHD_HTTP_NO_CONTENT) {
		res->format = FORMAT_NONE;
		return (struct bytes){ 0 };
	}
	return res->body;
}

/* Verified part by part as it leaves; whoever has less than was promised does not have it. */
static ssize_t read_image(void *cls, uint64_t at, char *to, size_t max)
{
	struct image *image = cls;
	size_t left = image_size(image) - (size_t)at, n = left < max ? left : max;

	return image_read(image, (size_t)at, n, to) ? (ssize_t)n
						    : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* The bytes live in the request or the image, which outlive the response. */
static struct MHD_Response *make_response(const struct res *res, struct bytes body)
{
	bool image = res->image && res->rc == RC_OK && res->format != FORMAT_NONE;

	if (image && image_size(res->image))
		return MHD_create_response_from_callback(image_size(res->image), IMAGE_PIECE,
							 read_image, res->image, NULL);
	return MHD_create_response_from_buffer(body.n, (void *)(uintptr_t)body.p,
					       MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result http_answer(struct MHD_Connection *connection, const struct req *req,
			    struct res *res, const struct http_head *head, bool close)
{
	int status = MHD_HTTP_OK;

	negotiate(req, res, head);
	struct bytes body = body_of(req, res, &status);
	struct answer a = { .response = make_response(res, body), .whole = true };
	if (!a.response)
		return MHD_NO;
	add(&a, MHD_HTTP_HEADER_CONTENT_TYPE, content_type(res->format));
	add_headers(&a, req, res, status);
	if (close)
		add(&a, MHD_HTTP_HEADER_CONNECTION, "close");
	enum MHD_Result queued =
		a.whole ? MHD_queue_response(connection, (unsigned)status, a.response) : MHD_NO;
	MHD_destroy_response(a.response);
	return queued;
}
