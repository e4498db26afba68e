/* Words for log levels. */
#pragma once

#include "base/log.h"

/* error, warn, info or debug. */
enum rc log_level_parse(const char *word, enum log_level *ret) MUST_CHECK;
