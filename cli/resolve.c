/* From what people type to ids.  A whole id costs no request; anything else reads the list. */

#include "cli/resolve.h"

#include "cli/class_ids.h"

#include <string.h>

struct search {
	const char *text;
	const char *kind, *id_member;
	const char *vendor_id; /* NULL: any, or it has none */
	const char *(*name)(struct arena *mem, const json_t *item);
	struct arena *mem;
	const char *exact_id, *near_id;
	int exact_count, near_count;
};

static bool is_vendors(const struct search *s, const json_t *item)
{
	const char *id = json_string_value(json_object_get(item, "vendor_id"));
	return !s->vendor_id || (id && strcmp(id, s->vendor_id) == 0);
}

static enum exit_code search_page(void *ctx, const json_t *items)
{
	struct search *s = ctx;
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item)
	{
		const char *id = json_string_value(json_object_get(item, s->id_member));
		const char *name = s->name(s->mem, item);
		const char *tail = strchr(name, '@');
		if (!id || !is_vendors(s, item))
			continue;
		if (strcmp(name, s->text) == 0 || (tail && strcmp(tail + 1, s->text) == 0)) {
			s->exact_id = arena_text(s->mem, id);
			s->exact_count++;
		}
		size_t n = strlen(s->text);
		if (strncmp(id, s->text, n) == 0 || strncmp(name, s->text, n) == 0) {
			s->near_id = arena_text(s->mem, id);
			s->near_count++;
		}
	}
	return EXIT_DONE;
}

static enum exit_code search_list(struct client *c, const char *path, struct search *s,
				  const char **ret_id)
{
	struct uuid id;
	/* It would be the beginning of whatever there is. */
	if (s->text[0] == '\0')
		return cli_fail(EXIT_NOT_FOUND, "no %s has an empty name; see: muster %s ls",
				s->kind, s->kind);
	if (uuid_parse(s->text, &id) == RC_OK) {
		*ret_id = s->text;
		return EXIT_DONE;
	}
	enum exit_code code = client_each_page(c, path, search_page, s);
	if (code != EXIT_DONE)
		return code;
	if (s->exact_count == 1 || (s->exact_count == 0 && s->near_count == 1)) {
		*ret_id = s->exact_count ? s->exact_id : s->near_id;
		return EXIT_DONE;
	}
	if (s->exact_count + s->near_count == 0)
		return cli_fail(EXIT_NOT_FOUND, "there is no %s \"%s\"; see: muster %s ls",
				s->kind, s->text, s->kind);
	return cli_fail(EXIT_FAILED, "several %ss fit \"%s\"; give the id: muster %s ls",
			s->kind, s->text, s->kind);
}

static const char *campaign_name(struct arena *mem, const json_t *item)
{
	(void)mem;
	const char *name = json_string_value(json_object_get(item, "name"));
	return name ? name : "";
}

enum exit_code resolve_campaign(struct client *c, const char *text, struct arena *mem,
				const char **ret_id)
{
	struct search s = { .text = text,
			    .kind = "campaign",
			    .id_member = "campaign_id",
			    .name = campaign_name,
			    .mem = mem };
	return search_list(c, "/v1/campaigns", &s, ret_id);
}

static const char *release_name(struct arena *mem, const json_t *item)
{
	const char *class_name = json_string_value(json_object_get(item, "class_name"));
	const char *version = json_string_value(json_object_get(item, "version"));
	return arena_printf(mem, "%s@%s", class_name ? class_name : "", version ? version : "");
}

enum exit_code resolve_release(struct client *c, const char *text, struct arena *mem,
			       const char **ret_id)
{
	/* Releases know the name of their class, and of its vendor the id alone. */
	const char *slash = strrchr(text, '/');
	struct class_ids ids;
	if (slash) {
		const char *class_name =
			arena_printf(mem, "%.*s", (int)strcspn(text, "@"), text);
		enum exit_code code = class_ids_of(class_name, mem, &ids);
		if (code != EXIT_DONE)
			return code;
	}
	struct search s = { .text = slash ? slash + 1 : text,
			    .kind = "release",
			    .id_member = "release_id",
			    .vendor_id = slash ? ids.vendor_text : NULL,
			    .name = release_name,
			    .mem = mem };
	return search_list(c, "/v1/releases", &s, ret_id);
}
