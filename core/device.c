/* Devices, the operator's side.  The database first; the roster and open sessions follow after
 * the commit, here by hooks and on other nodes by the outbox. */
#include "core/device.h"

#include "base/hash.h"
#include "core/audit.h"
#include "core/core.h"
#include "core/credential.h"
#include "core/event.h"
#include "core/offer.h"
#include "core/outbox.h"
#include "core/public_key.h"
#include "core/roster_update.h"

static void device_id(struct call *c, const char *endpoint, struct uuid *ret)
{
	device_id_derive(c->core->tenant_secret, endpoint, ret);
}

static enum rc not_found(struct call *c)
{
	return call_fail(c, ERR_NOT_FOUND, "there is no such device");
}

/* The roster knows signs of life that are not flushed yet. */
static void freshen(struct call *c, struct device_item *item)
{
	const struct roster_device *d = roster_find(c->core->roster, &item->d.device_id);
	struct roster_view view;

	if (!d)
		return;
	roster_view(d, &view);
	if (view.last_seen > item->d.last_seen_at)
		item->d.last_seen_at = view.last_seen;
}

static enum rc load(struct call *c, const struct uuid *id, struct device_item *ret)
{
	enum rc rc = device_store_get(c->db, c->tenant, id, c->mem, ret);

	if (rc == RC_OK)
		freshen(c, ret);
	return rc == RC_NOT_FOUND ? not_found(c) : rc;
}

/* Locks the device for the rest of the transaction. */
static enum rc lock(struct call *c, const char *endpoint, struct device_item *ret)
{
	struct uuid id;

	if (!endpoint_name_valid(endpoint))
		return not_found(c);
	device_id(c, endpoint, &id);
	enum rc rc = device_store_lock(c->db, c->tenant, &id);
	if (rc == RC_NOT_FOUND)
		return not_found(c);
	return rc == RC_OK ? load(c, &id, ret) : rc;
}

/* What was done goes to the device's events and to the audit, as the last writes. */
static enum rc note(struct call *c, enum event_kind kind, const struct uuid *id,
		    const char *detail)
{
	static const char *const actions[] = { [EVENT_PROVISIONED] = "device.create",
					       [EVENT_CREDENTIAL] = "device.credential",
					       [EVENT_REVOKED] = "device.revoke",
					       [EVENT_DELETED] = "device.delete",
					       [EVENT_ATTRIBUTES] = "device.update" };
	char text[UUID_TEXT_SIZE];
	struct event event = { .device_id = *id, .kind = kind, .detail = detail };
	struct audit_act act = { .action = actions[kind],
				 .object_kind = "device",
				 .object_id = uuid_format(id, text),
				 .detail = detail };

	enum rc rc = event_add(c, &event);
	return rc == RC_OK ? audit_add(c, &act) : rc;
}

/* --- the roster, after the commit --- */

static void hook_put(struct call *c, void *arg)
{
	struct roster_put *put = arg;

	put->turn = c->turn;
	roster_put_device(c->core->roster, put);
}

static void put_later(struct call *c, const struct device *d,
		      const struct credential_made *made, bool changed)
{
	struct roster_put *put = arena_new(c->mem, struct roster_put);

	*put = (struct roster_put){ .device_id = d->device_id,
				    .lifecycle = d->lifecycle,
				    .credential = made->stored.kind,
				    .psk = made->proof,
				    .credential_changed = changed };
	call_after_commit(c, hook_put, put);
}

static void revoke_later(struct call *c, const struct uuid *id)
{
	struct roster_put *put = arena_new(c->mem, struct roster_put);

	*put = (struct roster_put){ .device_id = *id, .lifecycle = DEVICE_REVOKED };
	call_after_commit(c, hook_put, put);
}

/* --- what operators do --- */

static enum rc check_attribute(struct call *c, const char *name, const char *value)
{
	const char *pointer = arena_printf(c->mem, "/attributes/%s", name);

	if (!attribute_name_valid(name))
		return call_field(
			c, "/attributes",
			"a name is a letter or '_', then letters, digits, '_', '.', '-', "
			"at most %d bytes",
			ATTRIBUTE_NAME_MAX);
	if (value && !attribute_value_valid(value))
		return call_field(c, pointer, "must have at most %d bytes of text",
				  ATTRIBUTE_VALUE_MAX);
	return RC_OK;
}

static enum rc check_new(struct call *c, const struct device_new *in)
{
	enum rc rc = RC_OK;

	if (!endpoint_name_valid(in->endpoint))
		return call_field(
			c, "/endpoint",
			"must be a letter or digit, then letters, digits, '.', '_', ':', "
			"'-', at most %d bytes",
			ENDPOINT_NAME_MAX);
	for (int i = 0; rc == RC_OK && i < in->attribute_count; i++)
		rc = check_attribute(c, in->attributes[i].name, in->attributes[i].value);
	return rc;
}

static const char *credential_detail(struct call *c, enum credential_kind kind)
{
	return audit_detail(c->mem, "credential", credential_kind_name(kind), NULL);
}

/* The key of its reports; ret_kid is its id as text for the audit, NULL without one. */
static enum rc read_report_key(struct call *c, const char *pem, struct bytes *ret,
			       const char **ret_kid)
{
	struct bytes kid;

	*ret = (struct bytes){ 0 };
	*ret_kid = NULL;
	if (!pem)
		return RC_OK;
	enum rc rc = public_key_read(c, "/report_key_pem", pem, ret, &kid);
	if (rc == RC_OK)
		*ret_kid = hex_encode(c->mem, kid);
	return rc;
}

enum rc device_create(struct call *c, const struct device_new *in, struct device_item *ret,
		      struct credential_issued *ret_issued)
{
	struct credential_made made;
	struct device d = { .endpoint = in->endpoint,
			    .attribute_count = in->attribute_count,
			    .created_at = c->now };
	const char *report_kid = NULL;

	enum rc rc = check_new(c, in);
	if (rc == RC_OK)
		rc = read_report_key(c, in->report_key_pem, &d.report_key, &report_kid);
	if (rc == RC_OK)
		rc = credential_make(c, in->endpoint, &in->credential, &made);
	if (rc != RC_OK)
		return rc;
	device_id(c, in->endpoint, &d.device_id);
	d.attributes = arena_copy(c->mem, in->attributes,
				  (size_t)in->attribute_count * sizeof(*d.attributes));
	rc = device_store_insert(c->db, c->tenant, &d, &made.stored, c->mem);
	if (rc == RC_CONFLICT)
		return call_fail(c, ERR_ALREADY_EXISTS, "there is a device of this name");
	if (rc == RC_OK)
		rc = outbox_credential(c, &d.device_id);
	if (rc == RC_OK)
		rc = note(c, EVENT_PROVISIONED, &d.device_id,
			  audit_detail(c->mem, "credential",
				       credential_kind_name(made.stored.kind), "report_key",
				       report_kid, NULL));
	if (rc == RC_OK)
		rc = load(c, &d.device_id, ret);
	if (rc != RC_OK)
		return rc;
	put_later(c, &ret->d, &made, false);
	*ret_issued = made.issued;
	return RC_OK;
}

enum rc device_get(struct call *c, const char *endpoint, struct device_item *ret)
{
	struct uuid id;

	if (!endpoint_name_valid(endpoint))
		return not_found(c);
	device_id(c, endpoint, &id);
	return load(c, &id, ret);
}

enum rc device_list(struct call *c, const struct device_filter *f, struct device_item **ret,
		    int *ret_count)
{
	enum rc rc = device_store_list(c->db, c->tenant, f, c->mem, ret, ret_count);

	for (int i = 0; rc == RC_OK && i < *ret_count; i++)
		freshen(c, &(*ret)[i]);
	return rc;
}

static bool has_attribute(const struct device *d, const char *name)
{
	for (int i = 0; i < d->attribute_count; i++)
		if (bytes_equal_text(bytes_of(d->attributes[i].name), name))
			return true;
	return false;
}

static enum rc check_changes(struct call *c, const struct device_update *in,
			     const struct device *d)
{
	int count = d->attribute_count;
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i < in->change_count; i++) {
		const struct attribute_change *a = &in->changes[i];
		bool has = has_attribute(d, a->name);
		rc = check_attribute(c, a->name, a->value);
		count += a->value && !has ? 1 : !a->value && has ? -1 : 0;
	}
	if (rc == RC_OK && count > ATTRIBUTES_MAX && count > d->attribute_count)
		rc = call_field(c, "/attributes", "a device has at most %d attributes",
				ATTRIBUTES_MAX);
	return rc;
}

static const char *update_detail(struct call *c, const struct device_update *in,
				 const char *report_kid)
{
	const char *kid = report_kid ? report_kid : "none";

	return audit_detail(c->mem, "attributes", arena_printf(c->mem, "%d", in->change_count),
			    "report_key", in->sets_report_key ? kid : NULL, NULL);
}

static enum rc change(struct call *c, const struct device_update *in, struct device *d,
		      const char **ret_report_kid)
{
	enum rc rc = check_changes(c, in, d);

	if (rc == RC_OK && in->sets_report_key)
		rc = read_report_key(c, in->report_key_pem, &d->report_key, ret_report_kid);
	if (rc == RC_OK)
		rc = device_store_change(c->db, c->tenant, d, in->changes, in->change_count,
					 c->mem);
	return rc;
}

enum rc device_update(struct call *c, const struct device_update *in, struct device_item *ret)
{
	struct device_item item = { 0 };
	const char *report_kid = NULL;

	enum rc rc = lock(c, in->endpoint, &item);
	if (rc != RC_OK)
		return rc;
	if (item.d.revision != in->revision)
		return call_fail(c, ERR_PRECONDITION_FAILED,
				 "it has changed since you read it");
	rc = change(c, in, &item.d, &report_kid);
	if (rc == RC_OK)
		rc = note(c, EVENT_ATTRIBUTES, &item.d.device_id,
			  update_detail(c, in, report_kid));
	if (rc == RC_OK)
		rc = load(c, &item.d.device_id, ret);
	return rc;
}

enum rc device_replace_credential(struct call *c, const char *endpoint,
				  const struct credential_new *in, struct device_item *ret,
				  struct credential_issued *ret_issued)
{
	struct credential_made made;
	struct device_item item = { 0 };

	enum rc rc = lock(c, endpoint, &item);
	if (rc == RC_OK)
		rc = credential_make(c, item.d.endpoint, in, &made);
	if (rc != RC_OK)
		return rc;
	const struct uuid *id = &item.d.device_id;
	rc = device_store_set_credential(c->db, c->tenant, id, &made.stored);
	if (rc == RC_OK)
		rc = outbox_credential(c, id);
	if (rc == RC_OK)
		rc = note(c, EVENT_CREDENTIAL, id, credential_detail(c, made.stored.kind));
	if (rc == RC_OK)
		rc = load(c, id, ret);
	if (rc != RC_OK)
		return rc;
	put_later(c, &ret->d, &made, true);
	*ret_issued = made.issued;
	return RC_OK;
}

enum rc device_revoke(struct call *c, const char *endpoint, struct device_item *ret)
{
	struct device_item item = { 0 };

	enum rc rc = lock(c, endpoint, &item);
	if (rc != RC_OK)
		return rc;
	if (item.d.lifecycle == DEVICE_REVOKED) {
		*ret = item;
		return RC_OK;
	}
	const struct uuid *id = &item.d.device_id;
	rc = offer_end_device(c, id, OFFER_TEXT_REVOKED);
	if (rc == RC_OK)
		rc = device_store_revoke(c->db, c->tenant, id);
	if (rc == RC_OK)
		rc = outbox_credential(c, id);
	if (rc == RC_OK)
		rc = note(c, EVENT_REVOKED, id, NULL);
	if (rc == RC_OK)
		rc = load(c, id, ret);
	if (rc == RC_OK)
		revoke_later(c, id);
	return rc;
}

enum rc device_delete(struct call *c, const char *endpoint, int64_t revision)
{
	struct device_item item = { 0 };

	enum rc rc = lock(c, endpoint, &item);
	if (rc != RC_OK)
		return rc;
	const struct uuid *id = &item.d.device_id;
	if (item.d.revision != revision)
		return call_fail(c, ERR_PRECONDITION_FAILED,
				 "it has changed since you read it");
	if (item.has_job)
		return call_fail(c, ERR_IN_USE, "the device has an open job");
	rc = offer_end_device(c, id, OFFER_TEXT_DELETED);
	if (rc == RC_OK)
		rc = device_store_delete(c->db, c->tenant, id, revision);
	if (rc == RC_OK)
		rc = outbox_credential(c, id);
	if (rc == RC_OK)
		rc = note(c, EVENT_DELETED, id, NULL);
	if (rc == RC_OK)
		revoke_later(c, id);
	return rc;
}
