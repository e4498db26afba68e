/* What must hold before anything is fetched, and the texts for people. */

#include "cli/source.h"
#include "cli/words.h"

#include <string.h>

/* --- versions ------------------------------------------------------------------------------
 */

void source_bound(struct node n, const char *text, struct suit_version_match *ret)
{
	static const struct {
		const char *mark;
		enum suit_comparison comparison;
	} marks[] = { { ">=", SUIT_VERSION_GREATER_EQUAL },
		      { "<=", SUIT_VERSION_LESSER_EQUAL },
		      { ">", SUIT_VERSION_GREATER },
		      { "<", SUIT_VERSION_LESSER },
		      { "=", SUIT_VERSION_EQUAL } };
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		size_t length = strlen(marks[i].mark);
		if (strncmp(text, marks[i].mark, length) != 0)
			continue;
		ret->comparison = marks[i].comparison;
		if (version_parse(n.r->cli->mem, text + length, ret->number, &ret->count))
			return;
		break;
	}
	node_fail(n, "must be a bound such as >=1.2 or =2.0-rc.1");
}

/* ">=1.2 <2.0" */
static void read_range(struct node n, struct suit_source_range *ret)
{
	char *rest = arena_text(n.r->cli->mem, node_string(n, 256)), *bound;
	while (node_is_good(n) && (bound = strsep(&rest, " ")) != NULL) {
		if (ret->count == 2)
			node_fail(n, "has more than two bounds");
		else
			source_bound(n, bound, &ret->bound[ret->count++]);
	}
}

static void read_versions(struct node n, struct suit_source_guard *ret)
{
	size_t count = node_items(n, SUIT_RANGES_MAX);
	struct suit_source_range *range = arena_array(n.r->cli->mem, count, sizeof(*range));
	for (size_t i = 0; i < count; i++)
		read_range(node_item(n, i), &range[i]);
	ret->version = range;
	ret->version_count = count;
}

/* --- wait ----------------------------------------------------------------------------------
 */

static void read_other_device(struct node n, struct suit_wait *ret)
{
	static const char *const names[] = { "id", "versions", NULL };
	struct node versions = node_member(n, "versions");
	node_only(n, names);
	ret->other_device = node_bytes(node_member(n, "id"), 255);
	size_t count = node_items(versions, SUIT_RANGES_MAX);
	struct suit_version_match *match = arena_array(n.r->cli->mem, count, sizeof(*match));
	for (size_t i = 0; i < count; i++)
		source_bound(node_item(versions, i), node_string(node_item(versions, i), 128),
			     &match[i]);
	ret->other_version = match;
	ret->other_version_count = count;
}

void source_wait(struct node n, struct suit_wait *ret)
{
	static const char *const names[] = {
		"authorization", "power",       "network",         "other_device",    "time",
		"time_of_day",   "day_of_week", "time_of_day_utc", "day_of_week_utc", NULL
	};
	static const int64_t max[SUIT_WAIT_EVENTS] = { [SUIT_WAIT_TIME_OF_DAY] = 86399,
						       [SUIT_WAIT_DAY_OF_WEEK] = 6,
						       [SUIT_WAIT_TIME_OF_DAY_UTC] = 86399,
						       [SUIT_WAIT_DAY_OF_WEEK_UTC] = 6 };
	node_only(n, names);
	for (unsigned e = 1; e < SUIT_WAIT_EVENTS; e++) {
		struct node m = node_member(n, names[e - 1]);
		if (!node_has(n, names[e - 1]))
			continue;
		ret->has |= SUIT_BIT(e);
		if (e == SUIT_WAIT_OTHER_DEVICE)
			read_other_device(m, ret);
		else if (e == SUIT_WAIT_TIME)
			ret->value[e] = node_time(m);
		else if (max[e] > 0)
			ret->value[e] = node_int(m, 0, max[e]);
		else
			ret->value[e] = node_int(m, INT32_MIN, INT32_MAX);
	}
	if (node_is_good(n) && ret->has == 0)
		node_fail(n, "waits for nothing");
}

void source_guard(struct node n, struct suit_source_guard *ret)
{
	static const char *const names[] = { "versions",    "skip_installed", "use_before",
					     "battery_mwh", "priority",       "wait",
					     NULL };
	node_only(n, names);
	if (node_has(n, "versions"))
		read_versions(node_member(n, "versions"), ret);
	if (node_has(n, "skip_installed"))
		ret->skip_installed = node_bool(node_member(n, "skip_installed"));
	ret->has_use_before = node_has(n, "use_before");
	if (ret->has_use_before)
		ret->use_before = (uint64_t)node_time(node_member(n, "use_before"));
	ret->has_battery = node_has(n, "battery_mwh");
	if (ret->has_battery)
		ret->battery = (uint64_t)node_int(node_member(n, "battery_mwh"), 0, INT64_MAX);
	ret->has_priority = node_has(n, "priority");
	if (ret->has_priority)
		ret->priority = node_int(node_member(n, "priority"), INT32_MIN, INT32_MAX);
	if (node_has(n, "wait"))
		source_wait(node_member(n, "wait"), &ret->wait);
}

/* --- text ----------------------------------------------------------------------------------
 */

static void read_texts(struct node n, const char *const *names, struct suit_bytes *ret)
{
	for (size_t i = 0; names[i]; i++)
		if (node_has(n, names[i]))
			ret[i + 1] = node_text(node_member(n, names[i]), SUIT_SOURCE_TEXT_MAX);
}

static size_t component_named(const struct source *s, struct node n, const char *name)
{
	struct suit_component_id id;
	if (component_parse(n.r->cli->mem, name, &id))
		for (size_t i = 0; i < s->ret->component_count; i++)
			if (suit_component_equal(&s->component[i].id, &id))
				return i;
	node_fail(n, "is no component of this source");
	return 0;
}

static void read_text_components(struct source *s, struct node n, struct suit_source_text *ret)
{
	static const char *const names[] = {
		"vendor_name",      "model_name",      "vendor_domain",
		"model_info",       "description",     "version",
		"version_required", "current_version", NULL
	};
	struct node members[SUIT_COMPONENTS_MAX];
	const char *components[SUIT_COMPONENTS_MAX];
	size_t count = node_members(n, SUIT_COMPONENTS_MAX, members, components);
	struct suit_source_text_component *c = arena_array(n.r->cli->mem, count, sizeof(*c));
	for (size_t i = 0; i < count; i++) {
		c[i].component = component_named(s, members[i], components[i]);
		node_only(members[i], names);
		read_texts(members[i], names, c[i].text);
	}
	ret->component = c;
	ret->component_count = count;
}

void source_text(struct source *s, struct node n)
{
	static const char *const names[] = { "manifest_description", "update_description",
					     "json_source", "yaml_source", NULL };
	static const char *const all[] = { "manifest_description", "update_description",
					   "json_source",          "yaml_source",
					   "components",           NULL };
	struct node members[SUIT_LANGUAGES_MAX];
	const char *languages[SUIT_LANGUAGES_MAX];
	size_t count = node_members(n, SUIT_LANGUAGES_MAX, members, languages);
	struct suit_source_text *text = arena_array(n.r->cli->mem, count, sizeof(*text));
	for (size_t i = 0; i < count; i++) {
		text[i].language = (struct suit_bytes){ (const uint8_t *)languages[i],
							strlen(languages[i]) };
		node_only(members[i], all);
		read_texts(members[i], names, text[i].text);
		if (node_has(members[i], "components"))
			read_text_components(s, node_member(members[i], "components"),
					     &text[i]);
	}
	s->ret->text = text;
	s->ret->text_count = count;
}
