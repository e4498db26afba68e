/* An HTTP request's line and headers, as libmicrohttpd hands them over (this file plays its
 * part), and the answer's headers.  Input: "METHOD URL?QUERY", then "Name: value" lines. */

#include "api/problem.h"
#include "api/route.h"
#include "server/http/http_inner.h"
#include "tests/fuzz/target.h"

#include <string.h>
#include <strings.h>

#define FIELDS 128

struct field {
	enum MHD_ValueKind kind;
	const char *name, *value;
};

struct MHD_Connection {
	struct field fields[FIELDS];
	int count;
	unsigned status; /* queued */
};

/* --- libmicrohttpd's part --- */

int MHD_get_connection_values(struct MHD_Connection *c, enum MHD_ValueKind kind,
			      MHD_KeyValueIterator iterator, void *cls)
{
	int n = 0;

	for (int i = 0; i < c->count; i++)
		if (c->fields[i].kind == kind && ++n &&
		    iterator(cls, kind, c->fields[i].name, c->fields[i].value) == MHD_NO)
			break;
	return n;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *c, enum MHD_ValueKind kind,
					const char *name)
{
	for (int i = 0; i < c->count; i++)
		if (c->fields[i].kind == kind && strcasecmp(c->fields[i].name, name) == 0)
			return c->fields[i].value;
	return NULL;
}

static enum MHD_Result check_header(void *cls, enum MHD_ValueKind kind, const char *name,
				    const char *value)
{
	(void)cls;
	(void)kind;
	check(name[0] && !strpbrk(name, "\r\n:") && !strpbrk(value, "\r\n"));
	return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *c, unsigned status,
				   struct MHD_Response *response)
{
	c->status = status;
	MHD_get_response_headers(response, check_header, NULL);
	return MHD_YES;
}

/* --- the input --- */

static void add(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *name,
		const char *value)
{
	if (c->count < FIELDS)
		c->fields[c->count++] = (struct field){ kind, name, value };
}

static void split_query(struct MHD_Connection *c, char *query)
{
	for (char *one = strsep(&query, "&"); one; one = strsep(&query, "&")) {
		char *value = strchr(one, '=');
		if (value)
			*value++ = '\0';
		add(c, MHD_GET_ARGUMENT_KIND, one, value);
	}
}

static void split_headers(struct MHD_Connection *c, char *rest)
{
	for (char *one = strsep(&rest, "\n"); one; one = strsep(&rest, "\n")) {
		char *value = strchr(one, ':');
		if (!value)
			continue;
		*value++ = '\0';
		add(c, MHD_HEADER_KIND, one, value + strspn(value, " "));
	}
}

/* --- what must hold --- */

static bool is_clean(const char *text)
{
	return text_is_clean(bytes_of(text));
}

static void check_head(const struct req *req, const struct http_head *head)
{
	check(head->length >= -1 && head->has_body == (head->length != 0));
	check(!req->bearer || strlen(req->bearer) <= 256);
	check(req->query_count >= 0 && req->query_count <= REQ_QUERY_MAX);
	for (int i = 0; i < req->query_count; i++)
		check(is_clean(req->query[i].name) && is_clean(req->query[i].value));
	if (head->err != ERR_NONE)
		return;
	check(req->path[0] == '/' && is_clean(req->path));
	check(!req->reason || (is_clean(req->reason) && strlen(req->reason) <= 256));
}

static void answer(struct MHD_Connection *c, struct req *req, const struct http_head *head)
{
	static const uint8_t body[] = "{}";
	struct res res = { .rc = RC_OK,
			   .format = FORMAT_JSON,
			   .body = { body, 2 },
			   .etag = "7",
			   .max_age_s = -1,
			   .retry_after_s = -1 };

	if (head->err != ERR_NONE)
		problem_set(&res, head->err, head->detail);
	check(http_answer(c, req, &res, head, false) == MHD_YES);
	check(c->status >= 200 && c->status < 600);
	check(head->err == ERR_NONE || c->status >= 400);
	check(c->status != 304 || (req->method == METHOD_GET && head->if_none_match));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct req *req = req_create();
	struct MHD_Connection *c = arena_new(req->mem, struct MHD_Connection);
	char *rest = bytes_text(req->mem, (struct bytes){ data, size });
	char *url = strsep(&rest, "\n");
	const char *method = strsep(&url, " ");
	struct http_head head;

	if (url) {
		char *query = url;
		struct http_line line = { method, strsep(&query, "?") };
		split_query(c, query);
		split_headers(c, rest);
		http_request_read(c, &line, req, &head);
		check_head(req, &head);
		answer(c, req, &head);
	}
	req_free(req);
	return 0;
}
