/* What operators prove themselves with: tokens, client certificates, and the one-time secret of
 * the first administrator.  Secrets are 256 random bits, so a plain SHA-256 of one is as good
 * as any slow hash, and can be looked up. */

#include "core/operator.h"

#include "base/hash.h"
#include "core/audit.h"
#include "db/operator_store.h"
#include "db/token_store.h"

#include <string.h>

#define SECRET_SIZE     32
#define SECRET_TEXT_MAX 128
/* So that a secret that got lost in a file can be recognised by a scanner. */
#define TOKEN_PREFIX      "muster_t_"
#define BOOTSTRAP_PREFIX  "muster_b_"
#define FIRST_TOKEN_LABEL "bootstrap"

static const char *secret_make(struct arena *mem, const char *prefix, struct digest *ret_hash)
{
	uint8_t raw[SECRET_SIZE];

	random_bytes(raw, sizeof(raw));
	const char *text = arena_printf(
		mem, "%s%s", prefix, base64url_encode(mem, (struct bytes){ raw, sizeof(raw) }));
	sha256_of(bytes_of(text), ret_hash);
	return text;
}

/* --- who speaks --- */

enum rc operator_authenticate(struct call *c, const struct operator_proof *proof)
{
	struct operator_item o;
	struct digest hash;
	enum rc rc = RC_NOT_FOUND;

	if (proof->bearer && strlen(proof->bearer) <= SECRET_TEXT_MAX) {
		sha256_of(bytes_of(proof->bearer), &hash);
		rc = operator_store_by_token(c->db, c->tenant, &hash, c->now, c->mem, &o);
	} else if (!proof->bearer && proof->certificate) {
		rc = operator_store_by_certificate(c->db, c->tenant, proof->certificate, c->mem,
						   &o);
	}
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_UNAUTHENTICATED,
				 "send a valid token or client certificate");
	if (rc != RC_OK)
		return rc;
	c->actor = (struct actor){
		.kind = ACTOR_OPERATOR, .role = o.role, .id = o.operator_id, .name = o.name
	};
	return RC_OK;
}

/* --- tokens --- */

static enum rc audit_token(struct call *c, const char *action, const struct token_item *t)
{
	char id[UUID_TEXT_SIZE], operator_id[UUID_TEXT_SIZE];
	struct audit_act act = {
		.action = action,
		.object_kind = "token",
		.object_id = uuid_format(&t->token_id, id),
		.detail = audit_detail(c->mem, "operator",
				       uuid_format(&t->operator_id, operator_id), NULL),
	};

	return audit_add(c, &act);
}

enum rc token_create(struct call *c, const struct token_new *in, struct token_item *ret,
		     const char **ret_token)
{
	struct operator_item owner;
	struct digest hash;
	struct token_item t = {
		.operator_id = in->operator_id,
		.label = in->label ? in->label : "",
		.created_at = c->now,
		.expires_at = in->expires_in_s ? c->now + in->expires_in_s * 1000000 : 0,
	};

	enum rc rc = operator_get(c, &in->operator_id, &owner);
	if (rc != RC_OK)
		return rc;
	uuid_random(&t.token_id);
	const char *token = secret_make(c->mem, TOKEN_PREFIX, &hash);
	rc = token_store_insert(c->db, c->tenant, &t, &hash);
	if (rc == RC_OK)
		rc = audit_token(c, "token.create", &t);
	if (rc != RC_OK)
		return rc;
	*ret = t;
	*ret_token = token;
	return RC_OK;
}

enum rc token_list(struct call *c, const struct uuid *operator_id, const struct uuid *after,
		   int limit, struct token_item **ret, int *ret_count)
{
	struct operator_item owner;
	struct token_page page = {
		.operator_id = *operator_id, .after = *after, .limit = limit, .mem = c->mem
	};

	enum rc rc = operator_get(c, operator_id, &owner);
	if (rc != RC_OK)
		return rc;
	return token_store_list(c->db, c->tenant, &page, ret, ret_count);
}

enum rc token_delete(struct call *c, const struct uuid *operator_id,
		     const struct uuid *token_id)
{
	struct token_item key = { .token_id = *token_id, .operator_id = *operator_id };
	int64_t rows = 0;

	enum rc rc = token_store_delete(c->db, c->tenant, &key, &rows);
	if (rc != RC_OK)
		return rc;
	if (rows == 0)
		return call_fail(c, ERR_NOT_FOUND, "the operator has no such token");
	return audit_token(c, "token.delete", &key);
}

/* --- the first administrator --- */

enum rc bootstrap_create(struct db *db, int32_t tenant, struct arena *mem,
			 const char **ret_secret)
{
	struct digest hash;
	int64_t admins = 0;

	enum rc rc = operator_store_lock_admins(db, tenant, &admins);
	if (rc != RC_OK)
		return rc;
	if (admins > 0)
		return RC_CONFLICT;
	const char *secret = secret_make(mem, BOOTSTRAP_PREFIX, &hash);
	rc = bootstrap_store_put(db, tenant, &hash);
	if (rc == RC_OK)
		*ret_secret = secret;
	return rc;
}

enum rc operator_bootstrap(struct call *c, const char *secret, const char *name,
			   struct operator_item *ret, const char **ret_token)
{
	struct operator_new new = { .name = name, .role = ROLE_ADMIN };
	struct operator_item admin;
	struct operator_issued issued;
	struct token_item token;
	struct digest hash;
	bool good = false;

	sha256_of(bytes_of(secret), &hash);
	enum rc rc = bootstrap_store_use(c->db, c->tenant, &hash, &good);
	if (rc != RC_OK)
		return rc;
	if (!good)
		return call_fail(c, ERR_BOOTSTRAP_USED,
				 "`musterd bootstrap` prints another one while there is no "
				 "administrator");
	rc = operator_create(c, &new, &admin, &issued);
	if (rc != RC_OK)
		return rc;

	struct token_new first = { .operator_id = admin.operator_id,
				   .label = FIRST_TOKEN_LABEL };
	rc = token_create(c, &first, &token, ret_token);
	if (rc == RC_OK)
		*ret = admin;
	return rc;
}
