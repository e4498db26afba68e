/* Typed query and path parameters, and entity tags (api/cursor.h). */

#include "api/cursor.h"

enum rc query_uuid(struct call *c, const struct req *req, const char *name, struct uuid *ret)
{
	const char *text = req_query(req, name);

	if (text && uuid_parse(text, ret) != RC_OK)
		return call_field(c, name, "must be a UUID");
	return RC_OK;
}

enum rc query_i64(struct call *c, const struct req *req, const char *name, int64_t min,
		  int64_t *ret)
{
	const char *text = req_query(req, name);

	if (text && parse_i64(bytes_of(text), min, INT64_MAX, ret) != RC_OK)
		return call_field(c, name, "must be a whole number of at least %lld",
				  (long long)min);
	return RC_OK;
}

enum rc param_uuid(struct call *c, const struct req *req, int i, struct uuid *ret)
{
	if (uuid_parse(req->params[i], ret) != RC_OK)
		return call_fail(c, ERR_NOT_FOUND, "an id in the path is no UUID");
	return RC_OK;
}

enum rc param_digest(struct call *c, const struct req *req, int i, struct digest *ret)
{
	if (digest_parse(req->params[i], ret) != RC_OK)
		return call_fail(c, ERR_NOT_FOUND,
				 "the digest in the path is not 64 hexadecimal digits");
	return RC_OK;
}

void entity_tag(struct call *c, struct res *res, int64_t revision)
{
	res->etag = arena_printf(c->mem, "%lld", (long long)revision);
}

enum rc entity_revision(struct call *c, const struct req *req, int64_t *ret)
{
	if (!req->if_match)
		return call_fail(c, ERR_PRECONDITION_REQUIRED,
				 "the ETag is in the answer to GET");
	if (parse_i64(bytes_of(req->if_match), 0, INT64_MAX, ret) != RC_OK)
		return call_fail(c, ERR_PRECONDITION_FAILED, "If-Match is no ETag of ours");
	return RC_OK;
}
