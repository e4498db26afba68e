/* Problems in JSON and in CBOR.  Both are small and flat, so both are written by hand: the
 * answer to an error must not depend on anything that can fail. */

#include "api/problem.h"

#include "core/call.h"

#include <string.h>

#define CBOR_MAX 512

void problem_set(struct res *res, enum err err, const char *detail)
{
	*res = (struct res){ .rc = err_rc(err),
			     .err = err,
			     .format = FORMAT_NONE,
			     .detail = detail,
			     .max_age_s = -1,
			     .retry_after_s = -1 };
}

/* A JSON string without its quotes (RFC 8259 section 7).  What is no clean UTF-8 never gets
 * here; other control characters are escaped. */
static const char *escape(struct arena *mem, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t len = strlen(text), n = 0;
	char *out = arena_array(mem, len + 1, 6);

	for (size_t i = 0; i < len; i++) {
		unsigned char b = (unsigned char)text[i];
		if (b == '"' || b == '\\')
			out[n++] = '\\';
		if (b >= 0x20) {
			out[n++] = (char)b;
			continue;
		}
		memcpy(out + n, "\\u00", 4);
		out[n + 4] = hex[b >> 4];
		out[n + 5] = hex[b & 15];
		n += 6;
	}
	out[n] = 0;
	return out;
}

static const char *fields_json(struct arena *mem, const struct call_field *fields)
{
	const char *text = "";

	for (const struct call_field *f = fields; f; f = f->next)
		text = arena_printf(mem, "%s%s{\"pointer\":\"%s\",\"detail\":\"%s\"}", text,
				    *text ? "," : "", escape(mem, f->pointer),
				    escape(mem, f->detail));
	return *text ? arena_printf(mem, ",\"errors\":[%s]", text) : "";
}

static enum err problem_err(const struct res *res)
{
	return res->err == ERR_NONE ? err_of_rc(res->rc) : res->err;
}

struct bytes problem_json(const struct req *req, const struct res *res, int status)
{
	struct arena *mem = req->mem;
	enum err err = problem_err(res);
	const char *detail =
		res->detail ? arena_printf(mem, ",\"detail\":\"%s\"", escape(mem, res->detail))
			    : "";

	return bytes_of(
		arena_printf(mem,
			     "{\"type\":\"" ERR_URN_PREFIX "%s\",\"title\":\"%s\","
			     "\"status\":%d%s,\"instance\":\"urn:muster:request:%016llx\"%s}",
			     err_code(err), err_title(err), status, detail,
			     (unsigned long long)req->id, fields_json(mem, res->fields)));
}

/* Appends a CBOR text of at most 64 KiB, cut between characters to what fits. */
static size_t put_text(uint8_t out[CBOR_MAX], size_t at, const char *text)
{
	size_t n = strlen(text), room = CBOR_MAX - at - 3;

	if (n > room) {
		n = room;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	if (n < 24) {
		out[at++] = (uint8_t)(0x60 | n);
	} else if (n < 256) {
		out[at++] = 0x78;
		out[at++] = (uint8_t)n;
	} else {
		out[at++] = 0x79;
		out[at++] = (uint8_t)(n >> 8);
		out[at++] = (uint8_t)n;
	}
	memcpy(out + at, text, n);
	return at + n;
}

struct bytes problem_cbor(const struct req *req, const struct res *res)
{
	enum err err = problem_err(res);
	uint8_t *out = arena_alloc(req->mem, CBOR_MAX);
	size_t n = 0;

	out[n++] = res->detail ? 0xa3 : 0xa2;
	out[n++] = 0x20; /* -1, title */
	n = put_text(out, n, err_title(err));
	out[n++] = 0x23; /* -4, our code */
	n = put_text(out, n, arena_printf(req->mem, ERR_URN_PREFIX "%s", err_code(err)));
	if (res->detail) {
		out[n++] = 0x21; /* -2, detail; last, because it may be cut */
		n = put_text(out, n, res->detail);
	}
	return (struct bytes){ out, n };
}
