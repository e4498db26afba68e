/* The strict reader of JSON. */

#include "cli/json_node.h"

#include "base/suggest.h"
#include "cli/file.h"
#include "suit/ids.h"

#include <string.h>
#include <time.h>

#define PATH_MAX_TEXT 1024

bool node_is_good(struct node n)
{
	return n.r->code == EXIT_DONE;
}

void node_fail(struct node n, const char *fmt, ...)
{
	if (!node_is_good(n))
		return;
	va_list ap;
	va_start(ap, fmt);
	const char *why = arena_vprintf(n.r->cli->mem, fmt, ap);
	va_end(ap);
	n.r->code =
		cli_fail(EXIT_FAILED, "%s: %s%s%s", n.r->name, n.path, *n.path ? " " : "", why);
}

static bool is_there(struct node n)
{
	if (!n.json)
		node_fail(n, "is missing");
	return node_is_good(n);
}

static size_t words_count(const char *const *words)
{
	size_t n = 0;
	while (words[n])
		n++;
	return n;
}

static bool is_word(const char *const *words, const char *word)
{
	for (; *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

void node_only(struct node n, const char *const *names)
{
	const char *name;
	json_t *value;
	if (!is_there(n))
		return;
	if (!json_is_object(n.json)) {
		node_fail(n, "must be an object");
		return;
	}
	json_object_foreach(n.json, name, value)
	{
		if (is_word(names, name))
			continue;
		const char *nearest = suggest_nearest(name, names, words_count(names));
		node_fail(node_member(n, name), "is no known member%s%s%s",
			  nearest ? "; did you mean \"" : "", nearest ? nearest : "",
			  nearest ? "\"?" : "");
	}
}

struct node node_member(struct node n, const char *name)
{
	return (struct node){ n.r, json_object_get(n.json, name),
			      arena_printf(n.r->cli->mem, "%s%s%.64s", n.path,
					   *n.path ? "." : "", name) };
}

bool node_has(struct node n, const char *name)
{
	return node_is_good(n) && json_object_get(n.json, name);
}

size_t node_members(struct node n, size_t max, struct node *ret, const char **ret_names)
{
	const char *name;
	json_t *value;
	size_t count = 0;
	if (!is_there(n))
		return 0;
	if (!json_is_object(n.json) || json_object_size(n.json) == 0)
		node_fail(n, "must be an object with members");
	if (json_object_size(n.json) > max)
		node_fail(n, "has more than %zu members", max);
	if (!node_is_good(n))
		return 0;
	json_object_foreach(n.json, name, value)
	{
		ret_names[count] = arena_text(n.r->cli->mem, name);
		ret[count++] = node_member(n, name);
	}
	return count;
}

size_t node_items(struct node n, size_t max)
{
	if (!is_there(n))
		return 0;
	if (!json_is_array(n.json) || json_array_size(n.json) == 0)
		node_fail(n, "must be a list with items");
	if (json_array_size(n.json) > max)
		node_fail(n, "has more than %zu items", max);
	return node_is_good(n) ? json_array_size(n.json) : 0;
}

struct node node_item(struct node n, size_t i)
{
	return (struct node){ n.r, json_array_get(n.json, i),
			      arena_printf(n.r->cli->mem, "%s[%zu]", n.path, i) };
}

const char *node_string(struct node n, size_t max)
{
	const char *text = json_string_value(n.json);
	if (!is_there(n))
		return "";
	if (!text || *text == '\0')
		node_fail(n, "must be a text");
	else if (strlen(text) > max)
		node_fail(n, "is longer than %zu bytes", max);
	return node_is_good(n) ? arena_text(n.r->cli->mem, text) : "";
}

struct suit_bytes node_text(struct node n, size_t max)
{
	const char *text = node_string(n, max);
	return (struct suit_bytes){ (const uint8_t *)text, strlen(text) };
}

int64_t node_int(struct node n, int64_t min, int64_t max)
{
	json_int_t value = json_integer_value(n.json);
	if (!is_there(n))
		return min;
	if (!json_is_integer(n.json) || value < min || value > max)
		node_fail(n, "must be a number from %lld to %lld", (long long)min,
			  (long long)max);
	return node_is_good(n) ? value : min;
}

bool node_bool(struct node n)
{
	if (is_there(n) && !json_is_boolean(n.json))
		node_fail(n, "must be true or false");
	return node_is_good(n) && json_is_true(n.json);
}

size_t node_word(struct node n, const char *const *words)
{
	const char *word = node_string(n, 64), *list = "";
	for (size_t i = 0; words[i]; i++) {
		if (strcmp(words[i], word) == 0)
			return i;
		list = arena_printf(n.r->cli->mem, "%s%s%s", list, i ? ", " : "", words[i]);
	}
	node_fail(n, "must be one of %s", list);
	return 0;
}

void node_uuid(struct node n, struct suit_uuid *ret)
{
	if (suit_uuid_parse(node_string(n, 36), ret) != SUIT_OK)
		node_fail(n, "must be a UUID");
}

int64_t node_time(struct node n)
{
	struct tm tm = { 0 };
	if (!json_is_string(n.json))
		return node_int(n, 0, INT64_MAX);
	const char *text = node_string(n, 20), *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (strlen(text) != 20 || !end || *end != '\0')
		node_fail(n, "must be a time such as 2030-01-01T00:00:00Z, or seconds since "
			     "1970");
	return node_is_good(n) ? (int64_t)timegm(&tm) : 0;
}

static struct suit_bytes hex_bytes(struct node n, size_t max)
{
	struct bytes raw = { 0 };
	const char *text = node_string(n, 2 * max);
	if (hex_decode(n.r->cli->mem, bytes_of(text), &raw) != RC_OK)
		node_fail(n, "must be hexadecimal digits");
	return node_is_good(n) ? (struct suit_bytes){ raw.p, raw.n } : (struct suit_bytes){ 0 };
}

struct suit_bytes node_bytes(struct node n, size_t max)
{
	static const char *const forms[] = { "file", "hex", "text", NULL };
	node_only(n, forms);
	if (node_is_good(n) && json_object_size(n.json) != 1)
		node_fail(n, "must have one of \"file\", \"hex\" and \"text\"");
	if (node_has(n, "file"))
		return node_file(node_member(n, "file"), max);
	if (node_has(n, "hex"))
		return hex_bytes(node_member(n, "hex"), max);
	return node_is_good(n) ? node_text(node_member(n, "text"), max)
			       : (struct suit_bytes){ 0 };
}

const char *node_path(struct node n)
{
	const char *path = node_string(n, PATH_MAX_TEXT);
	return *path == '/' ? path : arena_printf(n.r->cli->mem, "%s%s", n.r->folder, path);
}

struct suit_bytes node_file(struct node n, size_t max)
{
	struct bytes content = { 0 };
	const char *path = node_path(n);
	if (node_is_good(n))
		n.r->code = file_read(path, max, n.r->cli->mem, &content);
	return (struct suit_bytes){ content.p, content.n };
}
