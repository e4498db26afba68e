/* Configuration: defaults, values, exact errors, the committed sample. */

#include "base/clean.h"
#include "base/clock.h"
#include "base/conf.h"
#include "server/settings.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <unistd.h>

struct example {
	const char *name, *listen;
	int64_t count, size, pause;
	bool on;
};

#define AT(f) offsetof(struct example, f)
static const struct conf_key keys[] = {
	{ "one", "name", CONF_TEXT, "nobody", 1, 10, AT(name), "A name." },
	{ "one", "count", CONF_INT, "4", 1, 64, AT(count), "A number." },
	{ "one", "listen", CONF_ADDRESS, "", 0, 64, AT(listen), "An address." },
	{ "two", "size", CONF_SIZE, "64k", 1, INT64_C(1) << 30, AT(size), "A size." },
	{ "two", "pause", CONF_DURATION, "30s", 1000, 86400 * USEC_PER_SEC, AT(pause),
	  "A pause." },
	{ "two", "on", CONF_BOOL, "no", 0, 0, AT(on), "A switch." },
};
static const struct conf_table table = { keys, ARRAY_LEN(keys) };

#define ADDRESS(text)                                                                          \
	":2: [one] listen: '" text                                                             \
	"' is not an address and port such as 127.0.0.1:8443 or [::1]:8443"

static char path[] = "/tmp/muster-conf-XXXXXX";

/* Loads text; returns the errors joined by |, without the path. */
static const char *load(struct arena *mem, const char *text, struct example *ret)
{
	struct conf_errors errors = { .count = 0 };
	const char *all = "";
	CLEAN(file) FILE *f = fopen(path, "we");

	fputs(text, f);
	fflush(f);
	conf_defaults(&table, mem, ret);
	enum rc rc = conf_load(&table, path, mem, ret, &errors);
	ok((rc == RC_OK) == (errors.count == 0), "the result says whether there were errors");
	for (size_t i = 0; i < errors.count; i++)
		all = arena_printf(mem, "%s%s%s", all, *all ? "|" : "",
				   errors.texts[i] + strlen(path));
	return all;
}

static void test_values(struct arena *mem)
{
	struct example e;

	is_str(load(mem, "", &e), "", "an empty file is good");
	is_str(e.name, "nobody", "default text");
	is_int(e.size, 65536, "default size");
	is_int(e.pause, 30 * USEC_PER_SEC, "default duration");
	is_str(load(mem,
		    "# c\n; c\n\n[one]\nname = a;b # c\ncount=64\n[two]\nsize = 2M\n"
		    "pause = 5min\non = yes\n",
		    &e),
	       "", "all kinds");
	is_str(e.name, "a;b # c", "a value is the rest of its line");
	is_int(e.count, 64, "number");
	is_int(e.size, 2 << 20, "size");
	is_int(e.pause, 300 * USEC_PER_SEC, "duration");
	ok(e.on, "switch");
}

static void test_errors(struct arena *mem)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "[one]\ncuont = 3\n", ":2: [one] cuont: unknown key, did you mean 'count'?" },
		{ "[one]\nzzz = 3\n", ":2: [one] zzz: unknown key" },
		{ "\n[tow]\nsize = 3\n",
		  ":3: [tow] size: unknown section, did you mean 'two'?" },
		{ "count = 3\n", ":1: [] count: stands before the first [section]" },
		{ "[one]\ncount = 65\n", ":2: [one] count: 65 is out of range, 1 to 64" },
		{ "[one]\ncount = 4x\n", ":2: [one] count: '4x' is not a whole number" },
		{ "[one]\ncount =\n", ":2: [one] count: '' is not a whole number" },
		{ "[one]\ncount = 1\n\ncount = 1\n",
		  ":4: [one] count: given twice, first in line 2" },
		{ "[one]\nname = 12345678901\n", ":2: [one] name: longer than 10 bytes" },
		{ "[one]\nname =\n", ":2: [one] name: must not be empty" },
		{ "[one]\nname = \x01\n", ":2: [one] name: not clean UTF-8 text" },
		{ "[two]\nsize = 2G\n", ":2: [two] size: 2G is out of range, 1 to 1G" },
		{ "[two]\nsize = 99999999999G\n",
		  ":2: [two] size: '99999999999G' is not a size such as 512, 64k, 16M or 1G" },
		{ "[two]\npause = 30\n",
		  ":2: [two] pause: '30' is not a duration such as 200ms, "
		  "30s, 5min, 12h or 7d" },
		{ "[two]\npause = 2d\n", ":2: [two] pause: 2d is out of range, 1ms to 1d" },
		{ "[two]\non = maybe\n", ":2: [two] on: 'maybe' is neither yes nor no" },
		{ "[one]\nlisten = 127.0.0.1\n", ADDRESS("127.0.0.1") },
		{ "[one]\nlisten = 127.0.0.1:65536\n", ADDRESS("127.0.0.1:65536") },
		{ "[one]\nlisten = localhost:1\n", ADDRESS("localhost:1") },
		{ "[one]\nlisten = ::1:1\n", ADDRESS("::1:1") },
		{ "[one]\nlisten = [::1]:8443\n", "" },
		{ "[one]\nlisten = 0.0.0.0:0\n", "" },
		{ "[one]\nrubbish\n", ":2: neither [section], nor key = value, nor a comment" },
		{ "[one]\ncount = 0\n[two]\non = 1\n",
		  ":2: [one] count: 0 is out of range, 1 to 64|:4: [two] on: '1' is neither "
		  "yes nor "
		  "no" },
	};
	struct example e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		is_str(load(mem, rows[i].text, &e), rows[i].error, rows[i].error);
}

static void test_long_line(struct arena *mem)
{
	char *text = arena_alloc(mem, 10000);
	struct example e;

	memset(text, '#', 9000);
	memcpy(text + 9000, "\n[one]\ncount = 9\n", 18);
	is_str(load(mem, text, &e), ":1: line too long", "a long line");
	is_int(e.count, 9, "and reading goes on behind it");
}

static void test_missing(struct arena *mem)
{
	struct conf_errors errors = { .count = 0 };
	struct example e;

	conf_defaults(&table, mem, &e);
	ok(conf_load(&table, "/nonexistent/x", mem, &e, &errors) == RC_NOT_FOUND,
	   "no such file");
	is_str(errors.texts[0], "/nonexistent/x: No such file or directory", "says so");
}

/* deploy/musterd.conf is the table, printed: `musterd check-config --sample`. */
static void test_committed_sample(struct arena *mem)
{
	CLEAN(file) FILE *f = fopen("deploy/musterd.conf", "re");
	char *text = arena_alloc(mem, 65536);
	struct settings s, defaults;
	struct conf_errors errors = { .count = 0 };

	if (!ok(f != NULL, "deploy/musterd.conf opens (from the tree's root)"))
		return;
	text[fread(text, 1, 65535, f)] = '\0';
	is_str(text, conf_sample(settings_table(), mem), "the committed sample is the table");
	conf_defaults(settings_table(), mem, &defaults);
	memset(&s, 0, sizeof(s));
	ok(conf_load(settings_table(), "deploy/musterd.conf", mem, &s, &errors) == RC_OK,
	   "and can be read");
	is_int(s.coap_session_idle, defaults.coap_session_idle, "with the same values");
	is_str(s.conninfo, defaults.conninfo, "with the same values");
}

int main(void)
{
	CLEAN(arena) struct arena *mem = arena_create();
	int fd = mkstemp(path);

	close(fd);
	test_values(mem);
	test_errors(mem);
	test_long_line(mem);
	test_missing(mem);
	test_committed_sample(mem);
	unlink(path);
	return tap_done();
}
