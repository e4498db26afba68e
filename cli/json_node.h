/* A strict reader of JSON that people write: members that nobody knows are refused, every value
 * has bounds, and the first fault is told with its path, such as "components[0].uri".  Faults
 * stick: after the first one every read yields nothing, so a reader looks once at its end.
 * What it yields is copied: the JSON may go. */
#pragma once

#include "cli/cli.h"
#include "suit/suit.h"

struct reading {
	struct cli *cli;
	const char *name;    /* of the file, for people */
	const char *folder;  /* where relative paths begin; "" or ends in '/' */
	enum exit_code code; /* EXIT_DONE until a fault was told on stderr */
};

struct node {
	struct reading *r;
	json_t *json; /* NULL: not there */
	const char *path;
};

void node_fail(struct node n, const char *fmt, ...) PRINTF(2, 3);
bool node_is_good(struct node n);

/* An object with no other members than these; names ends with NULL. */
void node_only(struct node n, const char *const *names);
struct node node_member(struct node n, const char *name);
bool node_has(struct node n, const char *name);
/* The members of an object, in its order; at most max.  Returns their number. */
size_t node_members(struct node n, size_t max, struct node *ret, const char **ret_names);
/* The items of an array; at most max. */
size_t node_items(struct node n, size_t max);
struct node node_item(struct node n, size_t i);

/* 1 to max bytes. */
const char *node_string(struct node n, size_t max);
struct suit_bytes node_text(struct node n, size_t max);
int64_t node_int(struct node n, int64_t min, int64_t max);
bool node_bool(struct node n);
/* One of the words, ended by NULL: which; 0 after a fault. */
size_t node_word(struct node n, const char *const *words);
/* A UUID. */
void node_uuid(struct node n, struct suit_uuid *ret);
/* Seconds since 1970, or "2030-01-01T00:00:00Z". */
int64_t node_time(struct node n);
/* {"file": PATH}, {"hex": DIGITS} or {"text": TEXT}: its bytes. */
struct suit_bytes node_bytes(struct node n, size_t max);
/* The path that a file member names, from the folder of the source. */
const char *node_path(struct node n);
/* A whole file. */
struct suit_bytes node_file(struct node n, size_t max);
