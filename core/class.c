/* Classes: which devices can run the same image, and what proves their updates. */
#include "core/class.h"

#include "core/audit.h"
#include "core/component_name.h"
#include "db/class_store.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"

#include <string.h>

static enum rc note(struct call *c, const char *action, const struct device_class *k)
{
	char vendor[UUID_TEXT_SIZE], class[UUID_TEXT_SIZE];
	struct audit_act act = {
		.action = action,
		.object_kind = "class",
		.object_id = arena_printf(c->mem, "%s/%s", uuid_format(&k->vendor_id, vendor),
					  uuid_format(&k->class_id, class)),
		.detail = audit_detail(c->mem, "confirm", class_confirm_name(k->confirm), NULL),
	};

	return audit_add(c, &act);
}

static bool text_fits(const char *text)
{
	return !text ||
	       (*text && strlen(text) <= CLASS_NAME_MAX && text_is_clean(bytes_of(text)));
}

static enum rc check_texts(struct call *c, const char *vendor, const char *name)
{
	if (!text_fits(vendor))
		return call_field(c, "/vendor", "must have 1 to %d bytes of text",
				  CLASS_NAME_MAX);
	if (!text_fits(name))
		return call_field(c, "/name", "must have 1 to %d bytes of text",
				  CLASS_NAME_MAX);
	return RC_OK;
}

static enum rc derive_ids(struct call *c, const struct class_new *in, struct device_class *k)
{
	struct suit_uuid vendor_id, class_id;

	if (!in->vendor)
		return call_field(c, "/vendor",
				  "give vendor and name, or vendor_id and class_id");
	if (!in->name)
		return call_field(c, "/name",
				  "give vendor and name, or vendor_id and class_id");
	if (suit_vendor_id(&suit_crypto_openssl, in->vendor, &vendor_id) != SUIT_OK ||
	    suit_class_id(&suit_crypto_openssl, &vendor_id, in->name, &class_id) != SUIT_OK)
		return RC_INTERNAL;
	memcpy(k->vendor_id.b, vendor_id.b, sizeof(k->vendor_id.b));
	memcpy(k->class_id.b, class_id.b, sizeof(k->class_id.b));
	return RC_OK;
}

enum rc class_create(struct call *c, const struct class_new *in, struct device_class *ret)
{
	struct device_class k = { .vendor_id = in->vendor_id,
				  .class_id = in->class_id,
				  .vendor = in->vendor ? in->vendor : "",
				  .name = in->name ? in->name : "",
				  .confirm = in->confirm,
				  .revision = 1,
				  .created_at = c->now };

	enum rc rc = check_texts(c, in->vendor, in->name);
	if (rc == RC_OK && !in->has_ids)
		rc = derive_ids(c, in, &k);
	if (rc != RC_OK)
		return rc;
	rc = class_store_insert(c->db, c->tenant, &k);
	if (rc == RC_CONFLICT)
		return call_fail(c, ERR_ALREADY_EXISTS, "the class is there already");
	if (rc == RC_OK)
		rc = note(c, "class.create", &k);
	if (rc == RC_OK)
		*ret = k;
	return rc;
}

enum rc class_get(struct call *c, const struct uuid *vendor_id, const struct uuid *class_id,
		  struct device_class *ret)
{
	struct device_class key = { .vendor_id = *vendor_id, .class_id = *class_id };

	enum rc rc = class_store_get(c->db, c->tenant, &key, c->mem, ret);
	return rc == RC_NOT_FOUND ? call_fail(c, ERR_NOT_FOUND, "there is no such class") : rc;
}

enum rc class_list(struct call *c, const struct device_class *after, int limit,
		   struct device_class **ret, int *ret_count)
{
	return class_store_list(c->db, c->tenant, after, limit, c->mem, ret, ret_count);
}

enum rc class_digests_of(struct call *c, const struct device_class *key, const char *component,
			 struct class_digests *ret)
{
	struct device_class k;

	if (!component_name_valid(component))
		return call_field(c, "component", "is no component's name");
	enum rc rc = class_get(c, &key->vendor_id, &key->class_id, &k);
	return rc == RC_OK ? class_store_digests(c->db, c->tenant, key, component, c->mem, ret)
			   : rc;
}

enum rc class_update(struct call *c, const struct class_update *in, struct device_class *ret)
{
	struct device_class k;

	enum rc rc = check_texts(c, NULL, in->name);
	if (rc == RC_OK)
		rc = class_get(c, &in->vendor_id, &in->class_id, &k);
	if (rc != RC_OK)
		return rc;
	if (in->name)
		k.name = in->name;
	if (in->has_confirm)
		k.confirm = in->confirm;
	k.revision = in->revision;
	rc = class_store_update(c->db, c->tenant, &k);
	if (rc == RC_STALE)
		return call_fail(c, ERR_PRECONDITION_FAILED,
				 "it has changed since you read it");
	if (rc == RC_OK)
		rc = note(c, "class.update", &k);
	if (rc != RC_OK)
		return rc;
	k.revision++;
	*ret = k;
	return RC_OK;
}
