/* What musterd.conf says.  One table in settings.c holds every key with its default; durations
 * are microseconds here. */
#pragma once

#include "base/conf.h"

#include <stdbool.h>

#define SETTINGS_DEFAULT_PATH "/etc/muster/musterd.conf"

struct settings {
	const char *state_dir;
	const char *names;
	bool core_dumps;
	int64_t workers;
	int64_t queue_max;

	const char *conninfo;
	int64_t statement_timeout, connect_timeout;

	const char *http_listen;
	const char *http_certificate, *http_key; /* both or none */
	int64_t http_threads, http_max_connections, http_max_per_address, http_idle;

	const char *coap_listen, *coap_plain_listen;
	int64_t coap_threads, coap_shards;
	int64_t coap_session_idle, coap_max_sessions, coap_max_handshakes;
	int64_t coap_pushes_per_s;
	int64_t checkin_interval;

	const char *log_level; /* error, warn, info, debug */
};

const struct conf_table *settings_table(void);
/* There is none.  One that may not be looked at is not missing. */
bool settings_missing(const char *path);
/* Reads path, or the default place (where a missing file means the defaults) when path is NULL.
 * Prints every fault to stderr; RC_INVALID when there was one. */
enum rc settings_load(const char *path, struct arena *mem, struct settings *ret) MUST_CHECK;
/* A file or folder of the state directory. */
const char *settings_state_path(const struct settings *s, struct arena *mem, const char *name);
/* The words of `names`, for certificates; ret_count of them, in the arena. */
const char *const *settings_names(const struct settings *s, struct arena *mem, int *ret_count);
