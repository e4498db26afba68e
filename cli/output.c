/* Tables, cards, JSON.  See output.h for the rule about control characters. */

#include "cli/output.h"

#include <inttypes.h>
#include <string.h>

const char *output_style(const struct output *out, enum style s)
{
	static const char *const escapes[] = {
		[STYLE_PLAIN] = "\033[0m",   [STYLE_BOLD] = "\033[1m",
		[STYLE_DIM] = "\033[2m",     [STYLE_GREEN] = "\033[32m",
		[STYLE_YELLOW] = "\033[33m", [STYLE_RED] = "\033[31m",
		[STYLE_CYAN] = "\033[36m",
	};
	return out->colour ? escapes[s] : "";
}

/* The length of the well-formed UTF-8 sequence at p that a terminal may see; 0: none. */
static size_t printable_length(const uint8_t *p)
{
	static const struct {
		uint8_t mask, lead;
		size_t length;
	} forms[] = {
		{ 0x80, 0x00, 1 }, { 0xe0, 0xc0, 2 }, { 0xf0, 0xe0, 3 }, { 0xf8, 0xf0, 4 }
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if ((*p & forms[i].mask) != forms[i].lead)
			continue;
		for (size_t j = 1; j < forms[i].length; j++)
			if ((p[j] & 0xc0) != 0x80)
				return 0;
		bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
		return control ? 0 : forms[i].length;
	}
	return 0;
}

char *output_clean(struct arena *mem, const char *text)
{
	char *ret = arena_text(mem, text);
	for (char *p = ret; *p != '\0';) {
		size_t n = printable_length((const uint8_t *)p);
		if (n == 0)
			*p = '?';
		p += n ? n : 1;
	}
	return ret;
}

int output_width(const char *text)
{
	int width = 0;
	for (; *text != '\0'; text++)
		width += ((uint8_t)*text & 0xc0) != 0x80;
	return width;
}

static const char *join(struct arena *mem, const char *so_far, const char *next)
{
	return *so_far == '\0' ? next : arena_printf(mem, "%s, %s", so_far, next);
}

static const char *array_text(struct arena *mem, const json_t *array)
{
	const char *ret = "";
	size_t i;
	json_t *value;
	json_array_foreach(array, i, value) ret = join(mem, ret, output_text(mem, value));
	return *ret == '\0' ? "-" : ret;
}

static const char *object_text(struct arena *mem, const json_t *object)
{
	const char *ret = "", *key;
	json_t *value;
	json_object_foreach((json_t *)object, key, value) ret = join(
		mem, ret,
		arena_printf(mem, "%s=%s", output_clean(mem, key), output_text(mem, value)));
	return *ret == '\0' ? "-" : ret;
}

const char *output_text(struct arena *mem, const json_t *value)
{
	if (!value)
		return "-";
	switch (json_typeof(value)) {
	case JSON_STRING:
		if (*json_string_value(value) == '\0')
			break;
		return output_clean(mem, json_string_value(value));
	case JSON_INTEGER:
		return arena_printf(mem, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	case JSON_REAL:
		return arena_printf(mem, "%g", json_real_value(value));
	case JSON_TRUE:
		return "yes";
	case JSON_FALSE:
		return "no";
	case JSON_ARRAY:
		return array_text(mem, value);
	case JSON_OBJECT:
		return object_text(mem, value);
	case JSON_NULL:
		break;
	}
	return "-";
}

const char *output_member(struct arena *mem, const json_t *item, const char *member)
{
	return output_text(mem, json_object_get(item, member));
}

const char *output_time(struct arena *mem, const json_t *value)
{
	const char *text = output_text(mem, value);
	if (!json_is_string(value) || strlen(text) < 19)
		return text;
	return arena_printf(mem, "%.10s %.8sZ", text, text + 11);
}

const char *output_size(struct arena *mem, int64_t size_bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	if (size_bytes < 1024)
		return arena_printf(mem, "%" PRId64 " B", size_bytes);
	double size = (double)size_bytes / 1024;
	size_t unit = 0;
	for (; size >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
		size /= 1024;
	return arena_printf(mem, "%.1f %s", size, units[unit]);
}

const char *output_duration(struct arena *mem, int64_t s)
{
	static const struct {
		int64_t seconds;
		char name;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	const char *ret = "";
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (s >= units[i].seconds)
			ret = arena_printf(mem, "%s%" PRId64 "%c", ret, s / units[i].seconds,
					   units[i].name);
		s %= units[i].seconds;
	}
	return *ret == '\0' ? "0s" : ret;
}

static const char *cell_text(struct arena *mem, const struct column *column, const json_t *item)
{
	if (column->text)
		return column->text(mem, item);
	return output_member(mem, item, column->member);
}

/* Only the members that --json=FIELDS names, in that order.  A new reference. */
static json_t *picked(const struct output *out, const json_t *item)
{
	if (!out->fields || !json_is_object(item))
		return json_incref((json_t *)item);
	CLEAN(mem) char *copy = xstrdup(out->fields);
	char *rest = copy, *name;
	json_t *ret = json_object();
	while ((name = strsep(&rest, ",")) != NULL) {
		json_t *value = json_object_get(item, name);
		json_object_set_new(ret, name, value ? json_incref(value) : json_null());
	}
	return ret;
}

/* On a terminal everything but ASCII is escaped: JSON itself allows C1 controls. */
static size_t json_flags(const struct output *out)
{
	/* 15 digits, so that a tenth is written as one. */
	return JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) |
	       (out->terminal ? JSON_ENSURE_ASCII : 0);
}

void output_json(const struct output *out, const json_t *value)
{
	CLEAN(json) json_t *shown = picked(out, value);
	json_dumpf(shown, out->to, json_flags(out) | JSON_INDENT(2));
	fputc('\n', out->to);
}

void output_json_line(const struct output *out, const json_t *value)
{
	CLEAN(json) json_t *shown = picked(out, value);
	json_dumpf(shown, out->to, json_flags(out) | JSON_COMPACT);
	fputc('\n', out->to);
	fflush(out->to);
}

void table_begin(struct table *t, const struct output *out, const struct column *columns,
		 int count)
{
	*t = (struct table){ .out = out, .columns = columns, .count = count };
	for (int i = 0; i < count; i++)
		t->widths[i] = output_width(columns[i].title);
	if (out->json)
		fputc('[', out->to);
}

static void print_padding(FILE *to, int n)
{
	if (n > 0)
		fprintf(to, "%*s", n, "");
}

static void print_cell(const struct table *t, int column, const char *text)
{
	FILE *to = t->out->to;
	int padding = t->widths[column] - output_width(text);
	if (column > 0)
		fputs("  ", to);
	if (t->columns[column].right)
		print_padding(to, padding);
	fputs(text, to);
	if (!t->columns[column].right && column + 1 < t->count)
		print_padding(to, padding);
}

static void print_header(const struct table *t)
{
	fputs(output_style(t->out, STYLE_BOLD), t->out->to);
	for (int i = 0; i < t->count; i++)
		print_cell(t, i, t->columns[i].title);
	fprintf(t->out->to, "%s\n", output_style(t->out, STYLE_PLAIN));
}

static void page_as_json(struct table *t, const json_t *items)
{
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item)
	{
		CLEAN(json) json_t *shown = picked(t->out, item);
		fputs(t->rows++ ? ",\n  " : "\n  ", t->out->to);
		json_dumpf(shown, t->out->to, json_flags(t->out));
	}
}

static void page_as_tabs(struct table *t, const json_t *items, struct arena *mem)
{
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item)
	{
		for (int c = 0; c < t->count; c++)
			fprintf(t->out->to, "%s%s", c ? "\t" : "",
				cell_text(mem, &t->columns[c], item));
		fputc('\n', t->out->to);
		t->rows++;
	}
}

static void page_for_people(struct table *t, const json_t *items, struct arena *mem)
{
	size_t n = json_array_size(items);
	const char **cells = arena_array(mem, n * (size_t)t->count + 1, sizeof(*cells));
	for (size_t i = 0; i < n * (size_t)t->count; i++) {
		int column = (int)(i % (size_t)t->count);
		cells[i] = cell_text(mem, &t->columns[column],
				     json_array_get(items, i / (size_t)t->count));
		int width = output_width(cells[i]);
		if (width > t->widths[column])
			t->widths[column] = width;
	}
	if (t->rows == 0 && n > 0)
		print_header(t);
	for (size_t i = 0; i < n * (size_t)t->count; i++) {
		int column = (int)(i % (size_t)t->count);
		print_cell(t, column, cells[i]);
		if (column + 1 == t->count)
			fputc('\n', t->out->to);
	}
	t->rows += (int64_t)n;
}

void table_page(struct table *t, const json_t *items)
{
	CLEAN(arena) struct arena *mem = arena_create();
	if (t->out->json)
		page_as_json(t, items);
	else if (t->out->plain)
		page_as_tabs(t, items, mem);
	else
		page_for_people(t, items, mem);
}

void table_end(struct table *t)
{
	if (t->out->json)
		fputs(t->rows ? "\n]\n" : "]\n", t->out->to);
}

static void print_card(const struct output *out, const struct column *columns, int count,
		       const json_t *item, struct arena *mem)
{
	int width = 0;
	for (int i = 0; i < count; i++)
		if (output_width(columns[i].title) > width)
			width = output_width(columns[i].title);
	for (int i = 0; i < count; i++) {
		const char *text = cell_text(mem, &columns[i], item);
		if (strcmp(text, "-") == 0)
			continue;
		fprintf(out->to, "%s%-*s%s  %s\n", output_style(out, STYLE_DIM), width,
			columns[i].title, output_style(out, STYLE_PLAIN), text);
	}
}

void output_object(const struct output *out, const struct column *columns, int count,
		   const json_t *item)
{
	CLEAN(arena) struct arena *mem = arena_create();
	if (out->json) {
		output_json(out, item);
		return;
	}
	if (!out->plain) {
		print_card(out, columns, count, item, mem);
		return;
	}
	for (int i = 0; i < count; i++)
		fprintf(out->to, "%s%s", i ? "\t" : "", cell_text(mem, &columns[i], item));
	fputc('\n', out->to);
}

static const char *repeated(struct arena *mem, const char *cell, int n)
{
	size_t size = strlen(cell);
	char *ret = arena_alloc(mem, size * (size_t)(n > 0 ? n : 0) + 1);
	for (int i = 0; i < n; i++)
		memcpy(ret + size * (size_t)i, cell, size);
	return ret;
}

/* Cells for part of total, of which at least one when there is any. */
static int cells_of(int64_t part, int64_t total, int width)
{
	if (part <= 0 || total <= 0)
		return 0;
	int64_t cells = part * width / total;
	return cells > 0 ? (int)cells : 1;
}

const char *output_bar(struct arena *mem, const struct output *out, const struct bar *bar,
		       int width)
{
	int bad = cells_of(bar->bad, bar->total, width);
	int good = cells_of(bar->good, bar->total, width);
	int busy = cells_of(bar->under_way, bar->total, width);
	if (good > width - bad)
		good = width - bad;
	if (busy > width - bad - good)
		busy = width - bad - good;
	const char *end = output_style(out, STYLE_PLAIN);
	return arena_printf(mem, "%s%s%s%s%s%s%s%s%s%s%s%s", output_style(out, STYLE_GREEN),
			    repeated(mem, "█", good), end, output_style(out, STYLE_RED),
			    repeated(mem, "█", bad), end, output_style(out, STYLE_CYAN),
			    repeated(mem, "▓", busy), end, output_style(out, STYLE_DIM),
			    repeated(mem, "░", width - good - bad - busy), end);
}
