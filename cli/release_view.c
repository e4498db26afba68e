/* A release on the terminal. */

#include "cli/release_view.h"

#include "cli/list.h"

static const char *created_text(struct arena *mem, const json_t *item)
{
	return output_time(mem, json_object_get(item, "created_at"));
}

static const char *state_text(struct arena *mem, const json_t *item)
{
	(void)mem;
	return json_is_string(json_object_get(item, "withdrawn_at")) ? "withdrawn" : "ready";
}

static const json_t *first_manifest(const json_t *item)
{
	return json_array_get(json_object_get(item, "manifests"), 0);
}

static const char *size_text(struct arena *mem, const json_t *item, const char *member)
{
	return output_size(mem, json_integer_value(json_object_get(item, member)));
}

/* What the first manifest names: "0a1b2c... 1.5 MiB". */
static const char *images_text(struct arena *mem, const json_t *item)
{
	const char *ret = "";
	size_t i;
	json_t *image;
	json_array_foreach(json_object_get(first_manifest(item), "images"), i, image) ret =
		arena_printf(mem, "%s%s%s %s", ret, *ret ? ", " : "",
			     output_member(mem, image, "digest"),
			     size_text(mem, image, "size"));
	return *ret ? ret : "-";
}

static const char *signers_text(struct arena *mem, const json_t *item)
{
	return output_member(mem, first_manifest(item), "signers");
}

static const struct column release_columns[] = {
	{ "Release", "release_id", NULL, false },
	{ "Class", "class_name", NULL, false },
	{ "Version", "version", NULL, false },
	{ "Sequence", "sequence", NULL, true },
	{ "State", "withdrawn_at", state_text, false },
	{ "Created", "created_at", created_text, false },
};

static const struct column release_card[] = {
	{ "Release", "release_id", NULL, false },
	{ "Class", "class_name", NULL, false },
	{ "Version", "version", NULL, false },
	{ "Sequence", "sequence", NULL, false },
	{ "Component", "components", NULL, false },
	{ "Image", "manifests", images_text, false },
	{ "Signed by", "manifests", signers_text, false },
	{ "State", "withdrawn_at", state_text, false },
	{ "Notes", "notes", NULL, false },
	{ "Created", "created_at", created_text, false },
};

/* --- manifests --- */

/* "main 0a1b2c3d4e5f": whom it is for. */
static const char *base_text(struct arena *mem, const json_t *item)
{
	const json_t *base = json_object_get(item, "base");
	if (!base)
		return "any device";
	return arena_printf(mem, "%s %.12s", output_member(mem, base, "component"),
			    output_member(mem, base, "digest"));
}

static const char *digest_text(struct arena *mem, const json_t *item)
{
	return arena_printf(mem, "%.12s", output_member(mem, item, "digest"));
}

static const char *fetches_text(struct arena *mem, const json_t *item)
{
	return size_text(mem, item, "bytes");
}

static const char *envelope_text(struct arena *mem, const json_t *item)
{
	return size_text(mem, item, "size");
}

static const struct column manifest_columns[] = {
	{ "Manifest", "digest", digest_text, false },
	{ "For", "base", base_text, false },
	{ "Needs", "needs", NULL, false },
	{ "Fetches", "bytes", fetches_text, true },
	{ "Envelope", "size", envelope_text, true },
};

void release_print(struct cli *c, const json_t *release)
{
	const json_t *manifests = json_object_get(release, "manifests");
	struct table table;
	output_object(&c->out, release_card, ARRAY_LEN(release_card), release);
	if (c->out.json || c->out.plain || json_array_size(manifests) < 2)
		return;
	fputc('\n', c->out.to);
	table_begin(&table, &c->out, manifest_columns, ARRAY_LEN(manifest_columns));
	table_page(&table, manifests);
	table_end(&table);
}

enum exit_code release_list_print(struct cli *c)
{
	return list_print(c, "/v1/releases", release_columns, ARRAY_LEN(release_columns));
}
