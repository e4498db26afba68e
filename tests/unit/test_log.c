/* Logs: form, escaping, thresholds, never blocking.  stderr is a pipe here. */

#include "base/log.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int ends[2];

/* What was logged since the last call, without the time. */
static const char *logged(void)
{
	static char text[16384];
	ssize_t n = read(ends[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	char *space = strchr(text, ' ');
	return space ? space + 1 : text;
}

static void test_form(void)
{
	log_info("campaign started", "campaign", "c-1", "members", log_i64(-42), "none", NULL);
	is_str(logged(), "info \"campaign started\" campaign=c-1 members=-42\n",
	       "message and fields; a NULL value is left out");
	log_error("plain");
	is_str(logged(), "error plain\n", "a word needs no quotes");
	log_debug("hidden");
	is_str(logged(), "", "below the threshold");
	log_init(LOG_LEVEL_DEBUG);
	log_debug("seen", "empty", "");
	is_str(logged(), "debug seen empty=\"\"\n", "an empty value is visible");
	log_init(LOG_LEVEL_INFO);
}

/* A peer's text must not look like a line or a field of ours. */
static void test_forging(void)
{
	log_warn("name", "peer", "x\n2026 error \"forged\" a=b\x7f\\");
	is_str(logged(), "warn name peer=\"x\\x0a2026 error \\\"forged\\\" a=b\\x7f\\\\\"\n",
	       "control bytes, quotes and backslashes are escaped");
}

static void test_long_line(void)
{
	char value[9000];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_info("long", "value", value);
	const char *text = logged();
	ok(strlen(text) < 4096 && text[strlen(text) - 1] == '\n',
	   "a long line is cut and ends");
}

static void test_full_pipe_drops(void)
{
	uint64_t before = log_dropped();
	char value[3000];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 100; i++) /* 300 kB into a pipe of 64 kB: would hang */
		log_info("much", "value", value);
	ok(log_dropped() > before + 50, "test_R25: a full pipe drops and counts");
}

static void test_numbers(void)
{
	const char *a = log_i64(INT64_MIN), *b = log_i64(7);

	is_str(a, "-9223372036854775808", "numbers");
	is_str(b, "7", "several at once");
}

static void test_full_disk_drops(void)
{
	uint64_t before = log_dropped();
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved = dup(STDERR_FILENO);

	ok(full >= 0 && saved >= 0 && dup2(full, STDERR_FILENO) >= 0, "a disk without space");
	log_error("not written");
	ok(dup2(saved, STDERR_FILENO) >= 0, "and the pipe again");
	is_int((int64_t)(log_dropped() - before), 1, "test_R25: a full disk drops and counts");
	close(full);
	close(saved);
}

int main(void)
{
	int saved = dup(STDERR_FILENO);

	unsetenv("JOURNAL_STREAM");
	if (pipe2(ends, O_CLOEXEC) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return 1;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	log_init(LOG_LEVEL_INFO);
	test_form();
	test_forging();
	test_long_line();
	test_numbers();
	test_full_pipe_drops();
	test_full_disk_drops();
	dup2(saved, STDERR_FILENO);
	return tap_done();
}
