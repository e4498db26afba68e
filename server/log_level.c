/* Words for log levels. */

#include "server/log_level.h"

#include <stddef.h>
#include <string.h>

enum rc log_level_parse(const char *word, enum log_level *ret)
{
	static const struct {
		const char *word;
		enum log_level level;
	} levels[] = {
		{ "error", LOG_LEVEL_ERROR },
		{ "warn", LOG_LEVEL_WARN },
		{ "info", LOG_LEVEL_INFO },
		{ "debug", LOG_LEVEL_DEBUG },
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(levels[i].word, word) == 0) {
			*ret = levels[i].level;
			return RC_OK;
		}
	}
	return RC_INVALID;
}
