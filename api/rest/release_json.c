/* JSON forms of images and releases. */
#include "api/rest/fleet_json.h"

#include "core/release_rules.h"

#include <string.h>

json_t *image_json(const struct image_item *image)
{
	json_t *o = json_object();

	js_put_digest(o, "digest", &image->digest);
	js_put_i64(o, "size", image->size);
	js_put_time(o, "created_at", image->created_at);
	return o;
}

/* Components and formats are stored joined by commas, and no name holds one. */
static json_t *names_json(struct arena *mem, const char *names)
{
	json_t *list = json_array();

	while (*names) {
		size_t n = strcspn(names, ",");
		struct bytes name = { (const uint8_t *)names, n };
		json_array_append_new(list, json_string(bytes_text(mem, name)));
		names += n + (names[n] == ',');
	}
	return list;
}

static void put_needs(json_t *o, struct arena *mem, const struct manifest *m)
{
	json_t *base = json_object();

	js_put_text(base, "component", m->base_component);
	js_put_digest(base, "digest", &m->base_digest);
	if (m->base_component)
		js_put(o, "base", base);
	else
		json_decref(base);
	js_put(o, "needs", names_json(mem, m->needs));
	js_put_bool(o, "encrypted", release_is_encrypted(m->needs));
	js_put_i64(o, "bytes", m->bytes);
	js_put_i64(o, "image_bytes", m->image_bytes);
}

static json_t *manifest_json(struct arena *mem, const struct manifest *m)
{
	json_t *o = json_object(), *images = json_array(), *signers = json_array();

	for (int i = 0; i < m->image_count; i++) {
		json_t *image = json_object();
		js_put_digest(image, "digest", &m->images[i].digest);
		js_put_i64(image, "size", m->images[i].size);
		json_array_append_new(images, image);
	}
	for (int i = 0; i < m->signer_count; i++)
		json_array_append_new(signers, json_string(hex_encode(mem, m->signers[i])));
	js_put_digest(o, "digest", &m->digest);
	js_put_i64(o, "size", (int64_t)m->envelope.n);
	put_needs(o, mem, m);
	js_put(o, "images", images);
	js_put(o, "signers", signers);
	return o;
}

static json_t *installed_json(const struct release *r)
{
	json_t *list = json_array();

	for (int i = 0; i < r->installed_count; i++) {
		json_t *o = json_object();
		js_put_text(o, "component", r->installed[i].component);
		js_put_digest(o, "digest", &r->installed[i].digest);
		json_array_append_new(list, o);
	}
	return list;
}

json_t *release_json(struct arena *mem, const struct release *r)
{
	json_t *o = json_object(), *manifests = json_array();

	for (int i = 0; i < r->manifest_count; i++)
		json_array_append_new(manifests, manifest_json(mem, &r->manifests[i]));
	js_put_uuid(o, "release_id", &r->release_id);
	js_put_uuid(o, "vendor_id", &r->vendor_id);
	js_put_uuid(o, "class_id", &r->class_id);
	js_put_text(o, "class_name", r->class_name);
	js_put(o, "components", names_json(mem, r->components));
	js_put_text(o, "version", r->version);
	js_put_i64(o, "sequence", r->sequence);
	js_put_text(o, "notes", r->notes);
	js_put(o, "manifests", manifests);
	js_put_i64(o, "variants", r->variant_count);
	js_put(o, "installed", installed_json(r));
	js_put_time(o, "withdrawn_at", r->withdrawn_at);
	js_put_time(o, "created_at", r->created_at);
	js_put_i64(o, "revision", r->revision);
	return o;
}
