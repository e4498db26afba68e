/* One value of a configuration file: its text forms, both ways. */
#pragma once

#include "base/conf.h"

/* Reads text into *slot (const char **, int64_t * or bool *, see enum conf_type); RC_INVALID
 * with a reason in ret_why. */
enum rc conf_value_parse(const struct conf_key *key, const char *text, struct arena *mem,
			 void *slot, const char **ret_why) MUST_CHECK;
/* A number of this type as it would stand in a file, such as 5min. */
const char *conf_value_format(enum conf_type type, int64_t v, struct arena *mem);
