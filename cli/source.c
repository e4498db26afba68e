/* The members of a source that stand at its top. */

#include "cli/source.h"

#include "base/clock.h"
#include "cli/file.h"
#include "cli/words.h"
#include "suit/crypto_openssl.h"
#include "suit/ids.h"

#include <string.h>

void source_component_id(struct node n, struct suit_component_id *ret)
{
	const char *text = node_string(n, 1024);
	if (node_is_good(n) && !component_parse(n.r->cli->mem, text, ret))
		node_fail(n, "is no component name; write segments joined by '/', such as main "
			     "or 0x00/0x01");
}

size_t source_component(const struct source *s, struct node n)
{
	struct suit_component_id id = { 0 };
	source_component_id(n, &id);
	for (size_t i = 0; i < s->ret->component_count; i++)
		if (suit_component_equal(&s->component[i].id, &id))
			return i;
	node_fail(n, "names no component of this source");
	return 0;
}

void source_payload_add(struct source *s, struct node n, struct suit_bytes name,
			struct suit_bytes content)
{
	if (s->ret->payload_count == SUIT_PAYLOADS_MAX) {
		node_fail(n, "is one integrated payload too many");
		return;
	}
	s->payload[s->ret->payload_count++] = (struct suit_payload){ name, content };
}

/* --- identity ------------------------------------------------------------------------------
 */

static void read_vendor(struct node n, struct suit_source *ret)
{
	struct node domain = node_member(n, "vendor");
	size_t forms = (size_t)node_has(n, "vendor") + (size_t)node_has(n, "vendor_id") +
		       (size_t)node_has(n, "vendor_pen");
	if (forms > 1)
		node_fail(domain, "stands beside \"vendor_id\" or \"vendor_pen\"; take one");
	ret->has_vendor = forms == 1;
	if (node_has(n, "vendor") &&
	    suit_vendor_id(&suit_crypto_openssl, node_string(domain, 253), &ret->vendor.uuid) !=
		    SUIT_OK)
		node_fail(domain, "gives no vendor id");
	if (node_has(n, "vendor_id"))
		node_uuid(node_member(n, "vendor_id"), &ret->vendor.uuid);
	if (node_has(n, "vendor_pen"))
		ret->vendor.pen = node_bytes(node_member(n, "vendor_pen"), 32);
}

static void read_class(struct node n, bool is_id, const struct suit_source *in,
		       struct suit_uuid *ret)
{
	if (is_id) {
		node_uuid(n, ret);
		return;
	}
	const char *name = node_string(n, 255);
	if (!in->has_vendor || in->vendor.pen.n > 0)
		node_fail(n, "needs \"vendor\" or \"vendor_id\"; or give the class's id");
	if (node_is_good(n) &&
	    suit_class_id(&suit_crypto_openssl, &in->vendor.uuid, name, ret) != SUIT_OK)
		node_fail(n, "gives no class id");
}

static void read_classes(struct node n, struct suit_source *ret)
{
	static const struct {
		const char *name;
		bool is_list, is_id;
	} forms[] = { { "class", false, false },
		      { "class_id", false, true },
		      { "classes", true, false },
		      { "class_ids", true, true } };
	struct suit_uuid *ids = arena_array(n.r->cli->mem, SUIT_CLASSES_MAX, sizeof(*ids));
	ret->class_id = ids;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct node m = node_member(n, forms[i].name);
		if (!node_has(n, forms[i].name))
			continue;
		if (ret->class_count > 0)
			node_fail(m, "is a second way to name classes; take one");
		size_t count = forms[i].is_list ? node_items(m, SUIT_CLASSES_MAX) : 1;
		for (size_t k = 0; k < count; k++)
			read_class(forms[i].is_list ? node_item(m, k) : m, forms[i].is_id, ret,
				   &ids[k]);
		ret->class_count = count;
	}
}

/* --- versions ------------------------------------------------------------------------------
 */

static void read_set_version(struct node n, struct suit_source *ret)
{
	if (json_is_array(n.json)) {
		ret->version_count = node_items(n, SUIT_VERSION_MAX);
		for (size_t i = 0; i < ret->version_count; i++)
			ret->version[i] = node_int(node_item(n, i), INT64_MIN, INT64_MAX);
		return;
	}
	if (!version_parse(n.r->cli->mem, node_string(n, 128), ret->version,
			   &ret->version_count))
		node_fail(n, "must be a version such as 1.2.0 or 2.0-rc.1");
}

/* --- dependencies --------------------------------------------------------------------------
 */

static uint32_t sections_of(struct node n)
{
	uint32_t mask = 0;
	size_t count = node_items(n, SUIT_SECTIONS);
	for (size_t i = 0; i < count; i++)
		mask |= SUIT_BIT(node_word(node_item(n, i), section_words));
	if (mask & SUIT_BIT(SUIT_SHARED))
		node_fail(n, "must name sections that a dependency can be processed in");
	return mask;
}

/* Digest, size and sections from the dependency itself. */
static void read_dependency_file(struct source *s, struct node n,
				 struct suit_source_dependency *ret, bool integrated)
{
	struct suit_envelope e;
	struct node file = node_member(n, "file");
	struct suit_bytes content = node_file(file, SUIT_ENVELOPE_MAX);
	if (!node_is_good(n))
		return;
	enum suit_rc rc = suit_envelope_decode(&suit_crypto_openssl, content, &e);
	if (rc != SUIT_OK) {
		node_fail(file, "is no valid envelope: %s", suit_rc_text(rc));
		return;
	}
	ret->manifest = (struct suit_image_ref){
		.has_digest = true, .has_size = true, .digest = e.digest, .size = content.n
	};
	ret->sections = 0;
	for (int section = SUIT_VALIDATE; section < SUIT_SECTIONS; section++)
		if (e.section[section].p)
			ret->sections |= SUIT_BIT(section);
	if (integrated)
		source_payload_add(s, n, ret->uri, content);
}

static void read_dependency(struct source *s, struct node n, struct suit_source_dependency *ret)
{
	static const char *const names[] = { "prefix",     "file",       "digest",
					     "size",       "uri",        "uri_replaceable",
					     "integrated", "process_in", NULL };
	bool integrated = node_has(n, "integrated") && node_bool(node_member(n, "integrated"));
	node_only(n, names);
	ret->sections =
		SUIT_BIT(SUIT_PAYLOAD_FETCH) | SUIT_BIT(SUIT_INSTALL) | SUIT_BIT(SUIT_VALIDATE);
	if (node_has(n, "prefix"))
		source_component_id(node_member(n, "prefix"), &ret->prefix);
	if (node_has(n, "uri"))
		ret->uri = node_text(node_member(n, "uri"), SUIT_URI_MAX);
	if (node_has(n, "uri_replaceable"))
		ret->uri_replaceable = node_bool(node_member(n, "uri_replaceable"));
	if (integrated && (ret->uri.n == 0 || ret->uri.p[0] != '#' || !node_has(n, "file")))
		node_fail(n, "is integrated: it needs \"file\", and a \"uri\" that begins with "
			     "'#'");
	if (node_has(n, "file"))
		read_dependency_file(s, n, ret, integrated);
	else
		source_image_ref(n, &ret->manifest);
	if (node_has(n, "process_in"))
		ret->sections = sections_of(node_member(n, "process_in"));
}

static void read_dependencies(struct source *s, struct node n)
{
	size_t count = node_items(n, SUIT_COMPONENTS_MAX);
	struct suit_source_dependency *ret = arena_array(n.r->cli->mem, count, sizeof(*ret));
	for (size_t i = 0; i < count; i++)
		read_dependency(s, node_item(n, i), &ret[i]);
	s->ret->dependency = ret;
	s->ret->dependency_count = count;
}

/* --- the whole -----------------------------------------------------------------------------
 */

static void read_components(struct source *s, struct node n)
{
	static const char *const id_only[] = { "id", NULL };
	size_t count = node_items(n, SUIT_COMPONENTS_MAX);
	s->component = arena_array(n.r->cli->mem, SUIT_COMPONENTS_MAX, sizeof(*s->component));
	s->ret->component = s->component;
	/* First all names, so that one may name another. */
	for (size_t i = 0; i < count; i++) {
		struct node item = node_item(n, i);
		if (!json_is_object(item.json))
			node_only(item, id_only);
		source_component_id(node_member(item, "id"), &s->component[i].id);
	}
	s->ret->component_count = count;
	for (size_t i = 0; i < count; i++)
		source_component_read(s, node_item(n, i), i);
}

static void check_candidates(struct source *s, struct node n)
{
	const struct suit_source_component *components = s->component;
	bool by_hand = s->ret->given[SUIT_PAYLOAD_FETCH].n > 0;
	for (size_t i = 0; components && i < s->ret->component_count; i++) {
		const struct suit_source_component *c = &components[i];
		if (!node_is_good(n) || !c->check_candidate || c->fetch_early || by_hand)
			continue;
		struct node item = node_item(node_member(n, "components"), i);
		node_fail(node_member(item, "check_candidate"),
			  "looks at what \"fetch_in\": \"payload-fetch\" has fetched, for copy "
			  "or "
			  "swap");
	}
}

static void check_areas(struct source *s, struct node n)
{
	struct suit_source_clash found;
	if (!node_is_good(n) || !suit_source_clashes(s->ret, &found))
		return;
	struct node c = node_item(node_member(n, "components"), found.component);
	if (found.by_uri)
		node_fail(c,
			  "would be fetched from the URI of components[%zu], as its own is "
			  "replaceable; give it an area of its own",
			  found.other);
	else
		node_fail(c,
			  "is overwritten by the fetch of components[%zu] before it is "
			  "installed; give it an area of its own, or both \"fetch_in\": "
			  "\"install\"",
			  found.other);
}

static void read_sever(struct node n, struct suit_source *ret)
{
	static const struct {
		const char *name;
		unsigned element;
	} elements[] = { { "coswid", 14 },        { "dependency-resolution", 15 },
			 { "payload-fetch", 16 }, { "candidate-verification", 18 },
			 { "install", 20 },       { "text", 23 } };
	const char *words[ARRAY_LEN(elements) + 1] = { NULL };
	for (size_t i = 0; i < ARRAY_LEN(elements); i++)
		words[i] = elements[i].name;
	ret->sever = 0;
	if (json_is_array(n.json) && json_array_size(n.json) == 0)
		return;
	size_t count = node_items(n, ARRAY_LEN(elements));
	for (size_t i = 0; i < count; i++)
		ret->sever |= SUIT_BIT(elements[node_word(node_item(n, i), words)].element);
}

static void read_top(struct source *s, struct node n)
{
	struct suit_source *ret = s->ret;
	ret->sequence = node_has(n, "sequence")
				? (uint64_t)node_int(node_member(n, "sequence"), 0, INT64_MAX)
				: (uint64_t)(clock_wall() / USEC_PER_SEC);
	read_vendor(n, ret);
	read_classes(n, ret);
	ret->has_device = node_has(n, "device_id");
	if (ret->has_device)
		node_uuid(node_member(n, "device_id"), &ret->device_id);
	if (node_has(n, "reference_uri"))
		ret->reference_uri = node_text(node_member(n, "reference_uri"), SUIT_URI_MAX);
	if (node_has(n, "manifest_component"))
		source_component_id(node_member(n, "manifest_component"), &ret->own_component);
	if (node_has(n, "set_version"))
		read_set_version(node_member(n, "set_version"), ret);
	if (node_has(n, "guards"))
		source_guard(node_member(n, "guards"), &ret->guard);
	if (node_has(n, "components"))
		read_components(s, node_member(n, "components"));
	if (node_has(n, "dependencies"))
		read_dependencies(s, node_member(n, "dependencies"));
	if (node_has(n, "text"))
		source_text(s, node_member(n, "text"));
	if (node_has(n, "coswid"))
		ret->coswid = node_bytes(node_member(n, "coswid"), SUIT_SOURCE_STRING_MAX);
	if (node_has(n, "sever"))
		read_sever(node_member(n, "sever"), ret);
	if (node_has(n, "sequences"))
		source_sequences(node_member(n, "sequences"), ret);
}

/* {"#name": bytes} for payloads that explicit sequences refer to. */
static void read_payloads(struct source *s, struct node n)
{
	struct node members[SUIT_PAYLOADS_MAX];
	const char *names[SUIT_PAYLOADS_MAX];
	size_t count = node_members(n, SUIT_PAYLOADS_MAX, members, names);
	for (size_t i = 0; i < count; i++) {
		struct suit_bytes name = { (const uint8_t *)names[i], strlen(names[i]) };
		if (name.n > SUIT_URI_MAX)
			node_fail(members[i], "is longer than %d bytes", SUIT_URI_MAX);
		source_payload_add(s, members[i], name,
				   node_bytes(members[i], SUIT_ENVELOPE_MAX));
	}
}

enum exit_code source_read_json(struct cli *c, json_t *json, const char *name,
				const char *folder, struct suit_source *ret)
{
	static const char *const names[] = { "sequence",
					     "vendor",
					     "vendor_id",
					     "vendor_pen",
					     "class",
					     "class_id",
					     "classes",
					     "class_ids",
					     "device_id",
					     "reference_uri",
					     "manifest_component",
					     "set_version",
					     "guards",
					     "components",
					     "dependencies",
					     "text",
					     "coswid",
					     "sever",
					     "sequences",
					     "payloads",
					     NULL };
	struct reading r = { .cli = c, .name = name, .folder = folder };
	struct node n = { &r, json, "" };
	struct source s = { .ret = ret };
	*ret = (struct suit_source){ .sever = SUIT_BIT(14) | SUIT_BIT(23) };
	s.payload = arena_array(c->mem, SUIT_PAYLOADS_MAX, sizeof(*s.payload));
	ret->payload = s.payload;
	node_only(n, names);
	if (node_is_good(n))
		read_top(&s, n);
	check_candidates(&s, n);
	check_areas(&s, n);
	if (node_has(n, "payloads"))
		read_payloads(&s, node_member(n, "payloads"));
	return r.code;
}

enum exit_code source_read_file(struct cli *c, const char *path, struct suit_source *ret)
{
	struct bytes content;
	json_error_t error;
	enum exit_code code = file_read(path, SOURCE_FILE_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json)
	json_t *json =
		json_loadb((const char *)content.p, content.n, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		return cli_fail(EXIT_FAILED, "%s:%d: %s", path, error.line, error.text);
	const char *slash = strrchr(path, '/');
	const char *folder =
		slash ? arena_printf(c->mem, "%.*s", (int)(slash - path + 1), path) : "";
	return source_read_json(c, json, path, folder, ret);
}
