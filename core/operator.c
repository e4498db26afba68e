/* Operators: made, changed and deleted by administrators.  There is always an administrator
 * left: whoever could take the last one away locks all of them first. */

#include "core/operator.h"

#include "certs/certs.h"
#include "core/audit.h"
#include "core/core.h"
#include "db/operator_store.h"

#include <string.h>

#define OPERATOR_CERT_DAYS 365

bool operator_name_valid(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._-@";
	size_t n = strlen(name);

	return n > 0 && n <= OPERATOR_NAME_MAX && strspn(name, good) == n;
}

static enum rc audit_operator(struct call *c, const char *action, const struct operator_item *o)
{
	char id[UUID_TEXT_SIZE];
	struct audit_act act = {
		.action = action,
		.object_kind = "operator",
		.object_id = uuid_format(&o->operator_id, id),
		.detail = audit_detail(c->mem, "role", role_name(o->role), "disabled",
				       o->disabled ? "true" : "false", NULL),
	};

	return audit_add(c, &act);
}

/* Signs the request and notes the fingerprint in o. */
static enum rc operator_certify(struct call *c, const char *csr_pem, struct operator_item *o,
				struct operator_issued *ret)
{
	struct cert_request request = { .common_name = o->name, .days = OPERATOR_CERT_DAYS };
	struct bytes csr, der;
	const char *why = NULL;

	if (cert_csr_from_pem(csr_pem, c->mem, &csr) != RC_OK)
		return call_field(c, "/csr", "is no certificate request in PEM");
	enum rc rc = certs_sign_operator(c->core->certs, csr, &request, c->mem, &der, &why);
	if (rc == RC_INVALID)
		return call_field(c, "/csr", "%s", why ? why : "cannot be signed");
	if (rc != RC_OK)
		return rc;
	cert_fingerprint(der, &o->certificate);
	o->has_certificate = true;
	ret->certificate_pem = cert_pem(c->mem, der);
	ret->chain_pem = certs_chain_pem(c->core->certs);
	return RC_OK;
}

enum rc operator_create(struct call *c, const struct operator_new *in,
			struct operator_item *ret, struct operator_issued *ret_issued)
{
	struct operator_item o = {
		.name = in->name, .role = in->role, .created_at = c->now, .revision = 1
	};
	struct operator_issued issued = { 0 };

	if (!operator_name_valid(in->name))
		return call_field(c, "/name", "may hold letters, digits and . _ - @");
	uuid_random(&o.operator_id);
	enum rc rc = RC_OK;
	if (in->csr_pem)
		rc = operator_certify(c, in->csr_pem, &o, &issued);
	if (rc == RC_OK)
		rc = operator_store_insert(c->db, c->tenant, &o);
	if (rc == RC_CONFLICT)
		return call_fail(c, ERR_ALREADY_EXISTS, "there is an operator %s", in->name);
	if (rc == RC_OK)
		rc = audit_operator(c, "operator.create", &o);
	if (rc != RC_OK)
		return rc;
	*ret = o;
	*ret_issued = issued;
	return RC_OK;
}

enum rc operator_get(struct call *c, const struct uuid *id, struct operator_item *ret)
{
	enum rc rc = operator_store_get(c->db, c->tenant, id, c->mem, ret);

	return rc == RC_NOT_FOUND ? call_fail(c, ERR_NOT_FOUND, "there is no such operator")
				  : rc;
}

enum rc operator_list(struct call *c, const char *after, int limit, struct operator_item **ret,
		      int *ret_count)
{
	struct operator_page page = { .after = after, .limit = limit, .mem = c->mem };

	return operator_store_list(c->db, c->tenant, &page, ret, ret_count);
}

static bool is_admin(const struct operator_item *o)
{
	return o->role == ROLE_ADMIN && !o->disabled;
}

/* Before an administrator goes: another one must stay. */
static enum rc others_must_stay(struct call *c)
{
	int64_t admins = 0;

	enum rc rc = operator_store_lock_admins(c->db, c->tenant, &admins);
	if (rc != RC_OK)
		return rc;
	if (admins < 2)
		return call_fail(c, ERR_IN_USE, "it is the last administrator");
	return RC_OK;
}

static enum rc changed_meanwhile(struct call *c)
{
	return call_fail(c, ERR_PRECONDITION_FAILED, "the operator has changed since");
}

enum rc operator_update(struct call *c, const struct operator_change *in,
			struct operator_item *ret)
{
	struct operator_item old, new;
	int64_t rows = 0;

	enum rc rc = operator_get(c, &in->operator_id, &old);
	if (rc != RC_OK)
		return rc;
	if (old.revision != in->revision)
		return changed_meanwhile(c);
	new = old;
	if (in->has_role)
		new.role = in->role;
	if (in->has_disabled)
		new.disabled = in->disabled;
	if (is_admin(&old) && !is_admin(&new))
		rc = others_must_stay(c);
	if (rc == RC_OK)
		rc = operator_store_update(c->db, c->tenant, &new, &rows);
	if (rc != RC_OK)
		return rc;
	if (rows == 0)
		return changed_meanwhile(c);
	new.revision++;
	rc = audit_operator(c, "operator.update", &new);
	if (rc == RC_OK)
		*ret = new;
	return rc;
}

enum rc operator_delete(struct call *c, const struct uuid *id, int64_t revision)
{
	struct operator_item old;
	int64_t rows = 0;

	enum rc rc = operator_get(c, id, &old);
	if (rc != RC_OK)
		return rc;
	if (old.revision != revision)
		return changed_meanwhile(c);
	if (is_admin(&old))
		rc = others_must_stay(c);
	if (rc == RC_OK)
		rc = operator_store_delete(c->db, c->tenant, id, revision, &rows);
	if (rc != RC_OK)
		return rc;
	return rows == 0 ? changed_meanwhile(c) : audit_operator(c, "operator.delete", &old);
}
