/* Problems: what a peer is told when a call fails.  The code is the registry's (base/err.def),
 * the same for both transports. */
#pragma once

#include "api/req.h"

/* application/problem+json (RFC 9457), in req->mem.  status is the transport's own mapping. */
struct bytes problem_json(const struct req *req, const struct res *res, int status);
/* application/concise-problem-details+cbor (RFC 9290): { -1: title, -2: detail, -4: code }, in
 * req->mem; at most 512 bytes, the detail is cut to fit. */
struct bytes problem_cbor(const struct req *req, const struct res *res);

/* Makes res a failure; detail is static or in req->mem, or NULL. */
void problem_set(struct res *res, enum err err, const char *detail);
