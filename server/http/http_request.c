/* From an HTTP request to struct req.  libmicrohttpd gives line and headers as they came (its
 * own decoding is off): what cannot be decoded cleanly is refused here. */

#include "server/http/http_inner.h"

#include <string.h>
#include <strings.h>

#define FIELDS_MAX     100
#define REASON_MAX     256
#define CREDENTIAL_MAX 256

struct word {
	const char *text;
	int value;
};

static const struct word methods[] = {
	{ "GET", METHOD_GET }, { "HEAD", METHOD_GET },      { "POST", METHOD_POST },
	{ "PUT", METHOD_PUT }, { "DELETE", METHOD_DELETE }, { "PATCH", METHOD_PATCH },
};

static const struct word formats[] = {
	{ "application/json", FORMAT_JSON },
	{ "application/octet-stream", FORMAT_OCTETS },
	{ "application/cbor", FORMAT_CBOR },
	{ "text/plain", FORMAT_TEXT },
	{ "application/problem+json", FORMAT_PROBLEM_JSON },
};

struct reading {
	struct MHD_Connection *connection;
	struct req *req;
	struct http_head *head;
	int fields, lengths, encodings;
};

static void refuse(struct http_head *head, enum err err, const char *detail)
{
	if (head->err == ERR_NONE) {
		head->err = err;
		head->detail = detail;
	}
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef0123456789ABCDEF",
		   *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -1;
}

/* Percent-decoded, or NULL when it cannot be: a bad escape, a control character, no UTF-8.
 * An escaped slash is refused too: it would change what a segment is. */
static const char *decode(struct arena *mem, const char *text, bool is_path)
{
	char *out = arena_alloc(mem, strlen(text) + 1);
	size_t n = 0;

	for (const char *p = text; *p; p++) {
		char c = *p;
		if (c == '%') {
			int high = hex_value(p[1]), low = high < 0 ? -1 : hex_value(p[2]);
			if (low < 0)
				return NULL;
			c = (char)(high << 4 | low);
			p += 2;
			if (c == 0 || (is_path && c == '/'))
				return NULL;
		}
		out[n++] = c;
	}
	return text_is_clean((struct bytes){ (const uint8_t *)out, n }) ? out : NULL;
}

static enum MHD_Result add_query(void *cls, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct reading *r = cls;
	struct req *req = r->req;

	(void)kind;
	if (req->query_count == REQ_QUERY_MAX) {
		refuse(r->head, ERR_BAD_REQUEST, "there are too many query parameters");
		return MHD_NO;
	}
	struct req_pair *pair = &req->query[req->query_count];
	pair->name = decode(req->mem, name, false);
	pair->value = decode(req->mem, value ? value : "", false);
	if (!pair->name || !pair->value)
		refuse(r->head, ERR_BAD_REQUEST, "the query cannot be decoded");
	else
		req->query_count++;
	return MHD_YES;
}

static enum MHD_Result count_field(void *cls, enum MHD_ValueKind kind, const char *name,
				   const char *value)
{
	struct reading *r = cls;

	(void)kind;
	(void)value;
	r->fields++;
	r->lengths += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
	r->encodings += strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
	return MHD_YES;
}

static const char *header(const struct reading *r, const char *name)
{
	const char *value = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);

	return value ? arena_text(r->req->mem, value) : NULL;
}

/* One parser must see one body: a length that comes twice, or together with chunks, is how
 * requests are smuggled past a proxy (RFC 9112 section 6.3). */
static void read_framing(struct reading *r)
{
	struct http_head *head = r->head;
	const char *length = header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *encoding = header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING);

	if (r->fields > FIELDS_MAX)
		refuse(head, ERR_BAD_REQUEST, "there are too many header fields");
	if (r->lengths + r->encodings > 1)
		refuse(head, ERR_BAD_REQUEST, "the length of the body is ambiguous");
	if (encoding && strcasecmp(encoding, "chunked") != 0)
		refuse(head, ERR_BAD_REQUEST, "the transfer encoding is not known");
	if (length && parse_i64(bytes_of(length), 0, INT64_MAX, &head->length) != RC_OK)
		refuse(head, ERR_BAD_REQUEST, "the length of the body is no number");
	if (encoding)
		head->length = -1;
	head->has_body = head->length != 0;
}

static enum format format_of(const char *type, size_t n)
{
	while (n && (type[n - 1] == ' ' || type[n - 1] == '\t'))
		n--;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (strlen(formats[i].text) == n && strncasecmp(formats[i].text, type, n) == 0)
			return (enum format)formats[i].value;
	return FORMAT_UNKNOWN;
}

/* "Bearer <token>" (RFC 6750).  Another scheme is no credential of ours. */
static const char *bearer(const char *authorization)
{
	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	authorization += 7 + strspn(authorization + 7, " ");
	return strlen(authorization) <= CREDENTIAL_MAX ? authorization : "";
}

/* The tag without quotes; the whole text when it is not one strong tag, so that it fits none.
 */
static const char *entity_tag_of(struct arena *mem, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n < 2 || text[0] != '"' || strchr(text + 1, '"') != text + n - 1)
		return text;
	char *tag = arena_text(mem, text + 1);
	tag[n - 2] = 0;
	return tag;
}

static void read_headers(struct reading *r)
{
	struct req *req = r->req;
	const char *type = header(r, MHD_HTTP_HEADER_CONTENT_TYPE);

	if (type)
		req->format = format_of(type, strcspn(type, ";"));
	req->bearer = bearer(header(r, MHD_HTTP_HEADER_AUTHORIZATION));
	req->if_match = entity_tag_of(req->mem, header(r, MHD_HTTP_HEADER_IF_MATCH));
	r->head->if_none_match = header(r, MHD_HTTP_HEADER_IF_NONE_MATCH);
	req->if_none_match = entity_tag_of(req->mem, r->head->if_none_match);
	r->head->accept = header(r, MHD_HTTP_HEADER_ACCEPT);
	r->head->expects = header(r, MHD_HTTP_HEADER_EXPECT) != NULL;
	req->idempotency_key = header(r, "Idempotency-Key");
	req->reason = header(r, "Muster-Reason");
	if (req->reason &&
	    (strlen(req->reason) > REASON_MAX || !text_is_clean(bytes_of(req->reason))))
		refuse(r->head, ERR_BAD_REQUEST, "Muster-Reason has at most 256 clean bytes");
}

static void read_line(struct reading *r, const struct http_line *line)
{
	const char *path = decode(r->req->mem, line->url, true);

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(methods[i].text, line->method) == 0)
			r->req->method = (enum method)methods[i].value;
	r->head->is_head = strcmp(line->method, "HEAD") == 0;
	if (!path || path[0] != '/')
		refuse(r->head, ERR_BAD_REQUEST, "the path cannot be decoded");
	else if (req_set_path(r->req, path) != RC_OK)
		refuse(r->head, ERR_NOT_FOUND, NULL);
}

void http_request_read(struct MHD_Connection *connection, const struct http_line *line,
		       struct req *req, struct http_head *ret)
{
	struct reading r = { .connection = connection, .req = req, .head = ret };

	*ret = (struct http_head){ .err = ERR_NONE };
	req->via = VIA_HTTP;
	read_line(&r, line);
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_query, &r);
	MHD_get_connection_values(connection, MHD_HEADER_KIND, count_field, &r);
	read_framing(&r);
	read_headers(&r);
}
