/* JSON forms of classes and author keys. */
#include "api/rest/fleet_json.h"

#include "core/author_key.h"
#include "core/class.h"
#include "core/public_key.h"

json_t *class_json(const struct device_class *k)
{
	json_t *o = json_object();

	js_put_uuid(o, "vendor_id", &k->vendor_id);
	js_put_uuid(o, "class_id", &k->class_id);
	js_put_text(o, "vendor", k->vendor);
	js_put_text(o, "name", k->name);
	js_put_text(o, "confirm", class_confirm_name(k->confirm));
	js_put_i64(o, "revision", k->revision);
	js_put_time(o, "created_at", k->created_at);
	return o;
}

json_t *class_digests_json(const char *component, const struct class_digests *d)
{
	json_t *o = json_object(), *items = json_array();

	for (int i = 0; i < d->count; i++) {
		json_t *item = json_object();
		js_put_digest(item, "digest", &d->item[i].digest);
		js_put_i64(item, "devices", d->item[i].devices);
		json_array_append_new(items, item);
	}
	js_put_text(o, "component", component);
	js_put_i64(o, "devices", d->counted);
	js_put_i64(o, "unknown", d->unknown);
	js_put(o, "items", items);
	return o;
}

json_t *author_key_json(struct arena *mem, const struct author_key *k)
{
	json_t *o = json_object();

	js_put_uuid(o, "author_key_id", &k->author_key_id);
	js_put_uuid(o, "vendor_id", &k->vendor_id);
	js_put_uuid(o, "class_id", &k->class_id);
	js_put_text(o, "component", k->component);
	js_put(o, "delegate", json_boolean(k->delegate));
	js_put_hex(o, "kid", k->kid);
	js_put_text(o, "name", k->name);
	js_put_text(o, "algorithm", author_key_algorithm(k->public_key));
	js_put_text(o, "public_key_pem", public_key_pem(mem, k->public_key));
	js_put_time(o, "revoked_at", k->revoked_at);
	js_put_time(o, "created_at", k->created_at);
	return o;
}
