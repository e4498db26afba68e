/* Author keys: whose signature counts, per class and component. */
#include "core/author_key.h"

#include "base/clean.h"
#include "core/audit.h"
#include "core/component_name.h"
#include "core/public_key.h"
#include "db/class_store.h"
#include "suit/crypto_openssl.h"

#include <string.h>

CLEAN_DEFINE(suit_key, struct suit_key *, suit_key_free)

static enum rc check_scope(struct call *c, const struct author_key *k)
{
	struct device_class key = { .vendor_id = k->vendor_id, .class_id = k->class_id }, class;

	if (*k->component && !component_name_valid(k->component))
		return call_field(c, "/component", "is not a component name");
	if (strlen(k->name) > AUTHOR_NAME_MAX || !text_is_clean(bytes_of(k->name)))
		return call_field(c, "/name", "must have at most %d bytes of text",
				  AUTHOR_NAME_MAX);
	enum rc rc = class_store_get(c->db, c->tenant, &key, c->mem, &class);
	if (rc == RC_NOT_FOUND)
		return call_field(c, "/class_id", "there is no such class: create it first");
	return rc;
}

static enum rc note(struct call *c, const char *action, const struct author_key *k)
{
	char id[UUID_TEXT_SIZE], vendor[UUID_TEXT_SIZE], class[UUID_TEXT_SIZE];
	struct audit_act act = { .action = action,
				 .object_kind = "author-key",
				 .object_id = uuid_format(&k->author_key_id, id) };

	act.detail = audit_detail(
		c->mem, "class_id", uuid_format(&k->class_id, class), "component", k->component,
		"delegate", k->delegate ? "true" : NULL, "kid", hex_encode(c->mem, k->kid),
		"vendor_id", uuid_format(&k->vendor_id, vendor), NULL);
	return audit_add(c, &act);
}

enum rc author_key_create(struct call *c, const struct author_key_new *in,
			  struct author_key *ret)
{
	struct author_key k = { .vendor_id = in->vendor_id,
				.class_id = in->class_id,
				.component = in->component ? in->component : "",
				.name = in->name ? in->name : "",
				.delegate = in->delegate,
				.created_at = c->now };

	enum rc rc = public_key_read(c, "/public_key_pem", in->public_key_pem, &k.public_key,
				     &k.kid);
	if (rc == RC_OK)
		rc = check_scope(c, &k);
	if (rc != RC_OK)
		return rc;
	uuid_random(&k.author_key_id);
	rc = author_key_store_insert(c->db, c->tenant, &k);
	if (rc == RC_CONFLICT)
		return call_fail(c, ERR_ALREADY_EXISTS,
				 "this key was registered for the class and component before");
	if (rc == RC_OK)
		rc = note(c, "author-key.create", &k);
	if (rc == RC_OK)
		*ret = k;
	return rc;
}

enum rc author_key_list(struct call *c, const struct author_key_filter *f,
			struct author_key **ret, int *ret_count)
{
	return author_key_store_list(c->db, c->tenant, f, c->mem, ret, ret_count);
}

enum rc author_key_revoke(struct call *c, const struct uuid *author_key_id)
{
	struct author_key k;

	enum rc rc = author_key_store_get(c->db, c->tenant, author_key_id, c->mem, &k);
	if (rc == RC_NOT_FOUND)
		return call_fail(c, ERR_NOT_FOUND, "there is no such author key");
	if (rc != RC_OK || k.revoked_at)
		return rc;
	rc = author_key_store_revoke(c->db, c->tenant, author_key_id, c->now);
	if (rc != RC_OK)
		return rc;
	return note(c, "author-key.revoke", &k);
}

const char *author_key_algorithm(struct bytes public_key_der)
{
	CLEAN(suit_key) struct suit_key *key = NULL;
	struct suit_bytes der = { public_key_der.p, public_key_der.n };

	if (suit_key_from_spki(der, &key) != SUIT_OK)
		return NULL;
	return suit_key_type_text(suit_key_type(key));
}
