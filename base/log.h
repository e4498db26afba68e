/* Structured logs: one line per event, a message and fields.  To journald's native socket when
 * stderr is a journal stream (JOURNAL_STREAM, see systemd.exec(5)), else to stderr as
 * "time level message key=value ...".  Values are escaped, so a peer cannot forge a line.
 * Never blocks: a line that the journal will not take at once is counted and dropped.
 * Secrets are never passed to a log function.  Any thread. */
#pragma once

#include "base/rc.h"

#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

void log_init(enum log_level threshold);
enum log_level log_threshold(void);
uint64_t log_dropped(void);

/* The fields are key, value pairs of C strings, ended by NULL; a NULL value is skipped:
 *     log_write(LOG_LEVEL_INFO, "campaign started", "campaign", id, "members", n, NULL); */
void log_write(enum log_level level, const char *message, ...) __attribute__((sentinel));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__, NULL)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__, NULL)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__, NULL)
#define log_debug(...)                                                                         \
	do {                                                                                   \
		if (log_threshold() >= LOG_LEVEL_DEBUG)                                        \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__, NULL);                         \
	} while (0)

/* Short decimal texts for fields: a few rotating buffers per thread, valid for one log call. */
const char *log_i64(int64_t v);
