/* The table of keys, and what the table cannot say. */

#include "server/settings.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/log_level.h"

#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

#define SEC   USEC_PER_SEC
#define HOUR  (3600 * SEC)
#define DAY   (24 * HOUR)
#define AT(f) offsetof(struct settings, f)

/* section, key, type, default, min, max, place, help */
static const struct conf_key keys[] = {
	{ "server", "state_dir", CONF_TEXT, "/var/lib/muster", 1, 4096, AT(state_dir),
	  "Folder of the CA, the images and the key that seals secrets." },
	{ "server", "names", CONF_TEXT, "localhost 127.0.0.1 ::1", 0, 1024, AT(names),
	  "Host names and addresses in the server's own certificate." },
	{ "server", "core_dumps", CONF_BOOL, "no", 0, 0, AT(core_dumps),
	  "Whether a crash may leave a core dump, which holds keys and tokens." },
	{ "server", "workers", CONF_INT, "4", 1, 64, AT(workers),
	  "Threads that talk to the database, each with a connection." },
	{ "server", "queue_max", CONF_INT, "10000", 16, 1000000, AT(queue_max),
	  "Requests that may wait for a worker; more are told to come back." },

	{ "database", "conninfo", CONF_TEXT, "dbname=muster", 0, 4096, AT(conninfo),
	  "How to reach PostgreSQL, in libpq's form." },
	{ "database", "statement_timeout", CONF_DURATION, "5s", 100 * USEC_PER_MS, HOUR,
	  AT(statement_timeout), "The longest a statement may run." },
	{ "database", "connect_timeout", CONF_DURATION, "5s", 2 * SEC, 60 * SEC,
	  AT(connect_timeout), "The longest to wait for a connection, for each host." },

	{ "http", "listen", CONF_ADDRESS, "127.0.0.1:8443", 1, 256, AT(http_listen),
	  "Address and port of HTTPS; port 0 takes a free one." },
	{ "http", "certificate", CONF_TEXT, "", 0, 4096, AT(http_certificate),
	  "Certificate chain of HTTPS, PEM; empty: one of the own CA." },
	{ "http", "key", CONF_TEXT, "", 0, 4096, AT(http_key), "Its key, PEM." },
	{ "http", "threads", CONF_INT, "2", 1, 64, AT(http_threads), "Network threads." },
	{ "http", "max_connections", CONF_INT, "4096", 16, 1000000, AT(http_max_connections),
	  "Connections in all." },
	{ "http", "max_per_address", CONF_INT, "256", 1, 1000000, AT(http_max_per_address),
	  "Connections from one address." },
	{ "http", "idle", CONF_DURATION, "60s", SEC, HOUR, AT(http_idle),
	  "A connection that is silent for so long is closed." },

	{ "coap", "listen", CONF_ADDRESS, "127.0.0.1:5684", 1, 256, AT(coap_listen),
	  "Address and port of CoAP over DTLS; port 0 takes a free one." },
	{ "coap", "plain_listen", CONF_ADDRESS, "", 0, 256, AT(coap_plain_listen),
	  "Address and port of CoAP without DTLS, for what needs no identity; empty: off." },
	{ "coap", "threads", CONF_INT, "1", 1, 16, AT(coap_threads), "Network threads." },
	{ "coap", "shards", CONF_INT, "32", 1, 256, AT(coap_shards),
	  "Parts that each thread divides its sessions into." },
	{ "coap", "session_idle", CONF_DURATION, "5min", 5 * SEC, 7 * DAY,
	  AT(coap_session_idle), "A session that is silent for so long is dropped." },
	{ "coap", "max_sessions", CONF_INT, "200000", 16, 10000000, AT(coap_max_sessions),
	  "Sessions in all; each takes some 50 kB." },
	{ "coap", "max_handshakes", CONF_INT, "10000", 16, 1000000, AT(coap_max_handshakes),
	  "Unfinished handshakes in all." },
	{ "coap", "pushes_per_s", CONF_INT, "2000", 1, 1000000, AT(coap_pushes_per_s),
	  "Devices told of an update in a second, at most." },
	{ "coap", "checkin_interval", CONF_DURATION, "5min", SEC, 30 * DAY,
	  AT(checkin_interval), "When a device with nothing to do should ask again." },

	{ "log", "level", CONF_TEXT, "info", 1, 16, AT(log_level),
	  "error, warn, info or debug; read again on SIGHUP." },
};

static const struct conf_table table = { keys, ARRAY_LEN(keys) };

const struct conf_table *settings_table(void)
{
	return &table;
}

/* What needs more than one value to judge; NULL when all is well. */
static const char *fault(const struct settings *s)
{
	enum log_level level;

	if (log_level_parse(s->log_level, &level) != RC_OK)
		return "[log] level: must be error, warn, info or debug";
	if (!*s->http_certificate != !*s->http_key)
		return "[http] key: certificate and key come together";
	return NULL;
}

bool settings_missing(const char *path)
{
	return access(path, F_OK) != 0 && errno == ENOENT;
}

enum rc settings_load(const char *path, struct arena *mem, struct settings *ret)
{
	struct conf_errors errors = { .count = 0 };
	const char *file = path ? path : SETTINGS_DEFAULT_PATH;
	const char *why = NULL;

	conf_defaults(&table, mem, ret);
	if (path || !settings_missing(file)) {
		enum rc rc = conf_load(&table, file, mem, ret, &errors);

		for (size_t i = 0; i < errors.count; i++)
			fprintf(stderr, "%s\n", errors.texts[i]);
		if (rc != RC_OK)
			return RC_INVALID;
	}
	why = fault(ret);
	if (why)
		fprintf(stderr, "%s: %s\n", file, why);
	return why ? RC_INVALID : RC_OK;
}

const char *settings_state_path(const struct settings *s, struct arena *mem, const char *name)
{
	return arena_printf(mem, "%s/%s", s->state_dir, name);
}

const char *const *settings_names(const struct settings *s, struct arena *mem, int *ret_count)
{
	size_t most = strlen(s->names) / 2 + 1;
	const char **words = arena_array(mem, most, sizeof(*words));
	const char *at = s->names + strspn(s->names, " ,\t");
	int n = 0;

	while (*at) {
		size_t len = strcspn(at, " ,\t");

		words[n++] = bytes_text(mem, (struct bytes){ (const uint8_t *)at, len });
		at += len;
		at += strspn(at, " ,\t");
	}
	*ret_count = n;
	return words;
}
