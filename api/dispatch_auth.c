/* Who speaks, and what may they do. */

#include "api/dispatch_inner.h"

#include "base/hash.h"
#include "core/operator.h"
#include "core/roster.h"

#include <string.h>

static bool has_credential(const struct req *req)
{
	return req->bearer || req->has_certificate;
}

static void credential_digest(const struct req *req, struct digest *ret)
{
	if (req->bearer)
		sha256_of(bytes_of(req->bearer), ret);
	else
		*ret = req->certificate;
}

static enum rc device_before(struct call *c, const struct req *req)
{
	if (req->route->roles == ROLE_ANY)
		return RC_OK;
	if (!(req->route->roles & ROLE_DEVICE) || c->actor.kind != ACTOR_DEVICE)
		return call_fail(c, ERR_UNAUTHENTICATED, "only a device may ask for this");
	if (roster_lifecycle(c->actor.device) == DEVICE_REVOKED)
		return call_fail(c, ERR_REVOKED, "the device was revoked");
	return RC_OK;
}

/* A guess costs no worker while its address is blocked. */
static enum rc operator_before(struct dispatcher *d, struct call *c, const struct req *req)
{
	bool secret_in_body = req->route->roles == ROLE_ANY && req->method == METHOD_POST;
	struct digest credential = { 0 };

	if (req->route->roles == ROLE_ANY && !secret_in_body)
		return RC_OK;
	if (!secret_in_body && !has_credential(req))
		return call_fail(c, ERR_UNAUTHENTICATED, "send a token or client certificate");
	if (!secret_in_body)
		credential_digest(req, &credential);
	if (throttle_blocks(d->throttle, req->peer, &credential))
		return call_fail(c, ERR_TOO_MANY, "too many wrong credentials came from here");
	return RC_OK;
}

enum rc auth_before(struct dispatcher *d, struct call *c, const struct req *req)
{
	return req->via == VIA_COAP ? device_before(c, req) : operator_before(d, c, req);
}

enum rc auth_check(struct call *c, struct req *req)
{
	const struct route *route = req->route;

	if (req->via == VIA_COAP || route->roles == ROLE_ANY)
		return RC_OK;
	struct operator_proof proof = {
		.bearer = req->bearer,
		.certificate = req->has_certificate ? &req->certificate : NULL,
	};
	enum rc rc = operator_authenticate(c, &proof);
	if (rc != RC_OK)
		return rc;
	req->actor = c->actor;
	if (!(route->roles & (unsigned)c->actor.role))
		return call_fail(c, ERR_DENIED, "the role %s may not do this",
				 role_name(c->actor.role));
	if (route->if_match && !req->if_match)
		return call_fail(c, ERR_PRECONDITION_REQUIRED,
				 "the ETag is in the answer to GET");
	return RC_OK;
}

void auth_after(struct dispatcher *d, const struct req *req, const struct res *res)
{
	struct digest credential = { 0 };

	if (req->via != VIA_HTTP || !req->route)
		return;
	if (has_credential(req) && req->route->roles != ROLE_ANY)
		credential_digest(req, &credential);
	if (req->actor.kind == ACTOR_OPERATOR)
		throttle_passed(d->throttle, &credential);
	else if (res->err == ERR_BOOTSTRAP_USED || res->err == ERR_IDEMPOTENCY_MISMATCH ||
		 (res->err == ERR_UNAUTHENTICATED && has_credential(req)))
		throttle_failed(d->throttle, req->peer, &credential);
}
