/* Stored answers are sealed: some show a secret that the server itself keeps only as a hash. */

#include "api/idempotency.h"

#include "api/route.h"
#include "base/clean.h"
#include "base/hash.h"
#include "certs/seal.h"
#include "core/core.h"
#include "db/idempotency_store.h"

#include <string.h>

#define KEY_MAX      128
#define SEAL_CONTEXT "idempotency"

/* Before the first administrator nobody is an operator: the keys of that request belong to the
 * zero UUID.  Without the one-time secret nothing is stored, for only successes are; nor is
 * what is stored given out, for the fingerprint covers the secret. */
static bool applies(const struct call *c, const struct req *req)
{
	return req->idempotency_key && req->method == METHOD_POST &&
	       (c->actor.kind == ACTOR_OPERATOR || req->route->roles == ROLE_ANY);
}

static bool key_valid(const char *key)
{
	size_t n = strlen(key);

	if (n == 0 || n > KEY_MAX)
		return false;
	for (; *key; key++)
		if (*key < 0x21 || *key > 0x7e)
			return false;
	return true;
}

/* What makes two requests the same. */
static void fingerprint(const struct req *req, struct digest *ret)
{
	struct sha256 *s = sha256_create();

	sha256_update(s, bytes_of(req->route->operation));
	sha256_update(s, bytes_of(req->path));
	for (int i = 0; i < req->query_count; i++) {
		sha256_update(s, (struct bytes){ (const uint8_t *)"\0?", 2 });
		sha256_update(s, bytes_of(req->query[i].name));
		sha256_update(s, (struct bytes){ (const uint8_t *)"\0=", 2 });
		sha256_update(s, bytes_of(req->query[i].value));
	}
	sha256_update(s, (struct bytes){ (const uint8_t *)"\0\n", 2 });
	sha256_update(s, req->body);
	sha256_finish(s, ret);
}

static enum rc replay(struct call *c, const struct idempotency_row *row, struct res *res)
{
	struct bytes body;

	enum rc rc = unseal(c->core->seal_key, SEAL_CONTEXT, row->body, c->mem, &body);
	if (rc != RC_OK)
		return RC_INTERNAL;
	res->status = row->status;
	res->location = *row->location ? row->location : NULL;
	res->etag = *row->etag ? row->etag : NULL;
	res->body = body;
	res->format = body.n ? FORMAT_JSON : FORMAT_NONE;
	return RC_OK;
}

enum rc idempotency_open(struct call *c, const struct req *req, struct res *res,
			 bool *ret_replayed)
{
	struct idempotency_row row = { .operator_id = c->actor.id,
				       .key = req->idempotency_key };
	struct digest mine;
	bool got = false;

	*ret_replayed = false;
	if (!applies(c, req))
		return RC_OK;
	if (!key_valid(req->idempotency_key))
		return call_fail(c, ERR_BAD_REQUEST,
				 "Idempotency-Key has 1 to %d visible characters", KEY_MAX);
	enum rc rc = idempotency_store_lock(c->db, c->tenant, &row.operator_id, row.key, &got);
	if (rc != RC_OK)
		return rc;
	if (!got)
		return call_fail(c, ERR_IDEMPOTENCY_BUSY, "ask again in a moment");
	rc = idempotency_store_get(c->db, c->tenant, c->mem, c->now - IDEMPOTENCY_KEEP_US,
				   &row);
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	fingerprint(req, &mine);
	if (!digest_equal(&mine, &row.fingerprint))
		return call_fail(c, ERR_IDEMPOTENCY_MISMATCH, "take a new key for it");
	*ret_replayed = true;
	return replay(c, &row, res);
}

enum rc idempotency_close(struct call *c, const struct req *req, const struct res *res)
{
	struct idempotency_row row = {
		.operator_id = c->actor.id,
		.key = req->idempotency_key,
		.status = res->status ? res->status : 200,
		.location = res->location ? res->location : "",
		.etag = res->etag ? res->etag : "",
		.created_at = c->now,
	};

	if (!applies(c, req))
		return RC_OK;
	fingerprint(req, &row.fingerprint);
	enum rc rc = seal(c->core->seal_key, SEAL_CONTEXT, res->body, c->mem, &row.body);
	if (rc != RC_OK)
		return rc;
	return idempotency_store_put(c->db, c->tenant, &row);
}
