/* Configuration files: [section], key = value, comments begin with # or ; at the start of a
 * line.  One table says which keys there are; a file may leave any of them out.  Every fault is
 * reported, each as "file:line: [section] key: why". */
#pragma once

#include "base/arena.h"
#include "base/rc.h"

#include <stddef.h>
#include <stdint.h>

enum conf_type {
	CONF_TEXT,     /* const char *; min and max: length in bytes */
	CONF_INT,      /* int64_t, decimal */
	CONF_BOOL,     /* bool: yes or no */
	CONF_SIZE,     /* int64_t bytes: 512, 64k, 16M, 1G (powers of 1024) */
	CONF_DURATION, /* int64_t microseconds: 200ms, 30s, 5min, 12h, 7d */
	CONF_ADDRESS,  /* const char *: 127.0.0.1:8443 or [::1]:8443; empty when min is 0 */
};

struct conf_key {
	const char *section, *key;
	enum conf_type type;
	const char *def;  /* as it would stand in the file */
	int64_t min, max; /* inclusive */
	size_t offset;    /* of the value in the caller's struct */
	const char *help; /* one sentence */
};

struct conf_table {
	const struct conf_key *keys;
	size_t count;
};

#define CONF_ERRORS_MAX 32
struct conf_errors {
	const char *texts[CONF_ERRORS_MAX];
	size_t count; /* of texts; further faults are left out */
};

/* Fills *out with the defaults; asserts that they are good. */
void conf_defaults(const struct conf_table *t, struct arena *mem, void *out);
/* Reads the file over what *out holds.  RC_NOT_FOUND when it cannot be opened, RC_INVALID when
 * it has faults; both are explained in errors.  Values that were good are set all the same. */
enum rc conf_load(const struct conf_table *t, const char *path, struct arena *mem, void *out,
		  struct conf_errors *errors) MUST_CHECK;
/* A file that holds every key with its default, its range and its sentence. */
const char *conf_sample(const struct conf_table *t, struct arena *mem);
