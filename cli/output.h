/* What goes to stdout: tables and cards for people, JSON or tab-separated columns for programs.
 * Texts come from devices and from other people: control characters never reach a terminal. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clean.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

CLEAN_DEFINE(json, json_t *, json_decref)

struct output {
	FILE *to;
	bool json;
	const char *fields; /* members to print, separated by commas; NULL: all */
	bool plain;
	bool terminal; /* may be redrawn */
	bool colour;   /* a terminal, and NO_COLOR is not set */
};

enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GREEN,
	STYLE_YELLOW,
	STYLE_RED,
	STYLE_CYAN
};

/* One column of a table, or one line of a card. */
struct column {
	const char *title;
	const char *member; /* of the JSON object */
	/* Says it in words; NULL: the member as it is. */
	const char *(*text)(struct arena *mem, const json_t *item);
	bool right; /* aligned to the right */
};

#define COLUMNS_MAX 12

struct table {
	const struct output *out;
	const struct column *columns;
	int count;
	int widths[COLUMNS_MAX];
	int64_t rows; /* printed so far */
};

/* The escape sequence, or "" where there is no colour. */
const char *output_style(const struct output *out, enum style s);

/* A copy without control characters and without malformed UTF-8. */
char *output_clean(struct arena *mem, const char *text);
/* Code points: what a monospaced terminal needs for the texts that we print. */
int output_width(const char *text);

/* A JSON value as people write it; "-" for null and for a missing one. */
const char *output_text(struct arena *mem, const json_t *value);
const char *output_member(struct arena *mem, const json_t *item, const char *member);
/* "2026-11-21 02:00:05Z" from the API's time text. */
const char *output_time(struct arena *mem, const json_t *value);
/* "1.5 MiB" */
const char *output_size(struct arena *mem, int64_t size_bytes);
/* "1h30m" */
const char *output_duration(struct arena *mem, int64_t s);

/* A list in pages: begin, any number of pages (arrays of objects), end.  Column widths only
 * grow from page to page, so nothing is kept in memory. */
void table_begin(struct table *t, const struct output *out, const struct column *columns,
		 int count);
void table_page(struct table *t, const json_t *items);
void table_end(struct table *t);

/* One object: a card, one line of columns, or JSON. */
void output_object(const struct output *out, const struct column *columns, int count,
		   const json_t *item);
void output_json(const struct output *out, const json_t *value);
/* One line, for streams of events. */
void output_json_line(const struct output *out, const json_t *value);

/* A bar of width cells: good, then bad, then under way, then empty. */
struct bar {
	int64_t good, bad, under_way, total;
};
const char *output_bar(struct arena *mem, const struct output *out, const struct bar *bar,
		       int width);
