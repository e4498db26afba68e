/* JSON forms of devices and their credentials. */
#include "api/rest/fleet_json.h"

#include "core/public_key.h"

#include <string.h>

static json_t *components_json(const struct device *d)
{
	json_t *list = json_array();

	for (int i = 0; i < d->component_count; i++) {
		const struct component *c = &d->components[i];
		json_t *o = json_object();
		js_put_text(o, "name", c->name);
		if (c->has_digest)
			js_put_digest(o, "digest", &c->digest);
		js_put_text(o, "version", c->version);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *attributes_json(const struct device *d)
{
	json_t *o = json_object();

	for (int i = 0; i < d->attribute_count; i++)
		js_put_text(o, d->attributes[i].name, d->attributes[i].value);
	return o;
}

static json_t *formats_json(const char *list)
{
	json_t *o = json_array();

	while (*list) {
		size_t size = strcspn(list, ",");
		json_array_append_new(o, json_stringn(list, size));
		list += size + (list[size] == ',');
	}
	return o;
}

static json_t *job_json(const struct job *j)
{
	json_t *o = json_object();

	js_put_i64(o, "job_id", j->job_id);
	js_put_uuid(o, "campaign_id", &j->campaign_id);
	js_put_uuid(o, "release_id", &j->release_id);
	js_put_text(o, "component", j->component);
	js_put_text(o, "state", job_state_name(j->state));
	if (j->cause != CAUSE_NONE)
		js_put_text(o, "cause", job_cause_name(j->cause));
	js_put_i64(o, "stage", j->stage);
	js_put_i64(o, "attempt", j->attempt);
	js_put_i64(o, "bytes_done", j->bytes_done);
	js_put_i64(o, "bytes_total", j->bytes_total);
	js_put_time(o, "created_at", j->created_at);
	js_put_time(o, "updated_at", j->updated_at);
	return o;
}

json_t *device_json(struct arena *mem, const struct device_item *item)
{
	const struct device *d = &item->d;
	json_t *o = json_object();

	js_put_text(o, "endpoint", d->endpoint);
	js_put_uuid(o, "device_id", &d->device_id);
	js_put_text(o, "lifecycle", device_lifecycle_name(d->lifecycle));
	js_put_text(o, "credential", credential_kind_name(d->credential));
	js_put_uuid(o, "vendor_id", &d->vendor_id);
	js_put_uuid(o, "class_id", &d->class_id);
	js_put_text(o, "class_name", item->class_name);
	js_put(o, "components", components_json(d));
	js_put(o, "attributes", attributes_json(d));
	js_put(o, "formats", formats_json(d->formats));
	js_put_bool(o, "only_encrypted", d->only_encrypted);
	if (d->report_key.n)
		js_put_text(o, "report_key_pem", public_key_pem(mem, d->report_key));
	if (d->boot_id.n)
		js_put_hex(o, "boot_id", d->boot_id);
	js_put_time(o, "last_seen_at", d->last_seen_at);
	js_put_time(o, "registered_at", d->registered_at);
	js_put_time(o, "next_wake_at", item->next_wake_at);
	js_put_time(o, "created_at", d->created_at);
	js_put_i64(o, "revision", d->revision);
	if (item->has_job)
		js_put(o, "job", job_json(&item->job));
	return o;
}

void credential_json(json_t *device, const struct credential_issued *issued)
{
	if (issued->psk.n)
		js_put_base64(device, "psk", issued->psk);
	js_put_text(device, "certificate_pem", issued->certificate_pem);
	js_put_text(device, "chain_pem", issued->chain_pem);
}

#define CSR_PEM_MAX 16384

void credential_read(struct js *in, struct credential_new *ret)
{
	bool has_psk = js_has(in, "psk"), has_csr = js_has(in, "csr");

	*ret = (struct credential_new){ .source = CREDENTIAL_MAKE_PSK };
	if (has_csr) {
		ret->source = CREDENTIAL_CSR;
		ret->csr_pem = js_lines(in, "csr", JS_OPTIONAL, 1, CSR_PEM_MAX);
	}
	if (has_psk && json_is_true(json_object_get(in->object, "psk"))) {
		js_bool(in, "psk", false);
	} else if (has_psk) {
		ret->source = CREDENTIAL_GIVEN_PSK;
		ret->psk = js_base64(in, "psk", JS_OPTIONAL, PSK_MIN, PSK_MAX);
	}
	if (has_psk && has_csr)
		js_wrong(in, "csr", "give psk or csr, not both");
	if (!has_psk && !has_csr)
		js_wrong(in, "psk", "give psk (true, or a key in base64) or csr");
}

json_t *explanation_json(const struct explanation *e)
{
	json_t *o = json_object(), *reasons = json_array();

	for (int i = 0; i < e->count; i++) {
		json_t *r = json_object();
		js_put_text(r, "code", e->reasons[i].code);
		js_put_bool(r, "ok", e->reasons[i].ok);
		js_put_text(r, "text", e->reasons[i].text);
		json_array_append_new(reasons, r);
	}
	js_put_bool(o, "offered", e->offered);
	js_put(o, "reasons", reasons);
	return o;
}
