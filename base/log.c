/* Structured logs.  A line is built in a buffer on the stack and leaves by one write or one
 * datagram, so lines of different threads never mix and a slow reader never stops the caller.
 */

#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* At most PIPE_BUF, so that poll() promises the whole line fits into a pipe. */
#define LINE_MAX_BYTES 4096
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static _Atomic int threshold = LOG_LEVEL_INFO;
static _Atomic uint64_t dropped;
static _Atomic int journal_fd = -1;
static const char *program = "musterd";

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

/* True when stderr is the journal stream that systemd says it made for us. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char own[64];

	if (!stream || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	return strcmp(stream, own) == 0;
}

static int journal_open(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void log_init(enum log_level level)
{
	atomic_store(&threshold, (int)level);
	program = program_invocation_short_name;
	if (atomic_load(&journal_fd) < 0 && stderr_is_journal())
		atomic_store(&journal_fd, journal_open());
}

enum log_level log_threshold(void)
{
	return (enum log_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
	return atomic_load(&dropped);
}

const char *log_i64(int64_t v)
{
	static _Thread_local char buffers[8][24];
	static _Thread_local unsigned next;
	char *text = buffers[next++ % ARRAY_LEN(buffers)];

	snprintf(text, sizeof(buffers[0]), "%lld", (long long)v);
	return text;
}

/* The last byte is kept for the newline, so a cut line still ends. */
static void put(struct line *line, const char *p, size_t n)
{
	size_t room = sizeof(line->text) - 1 - line->len;

	n = n < room ? n : room;
	memcpy(line->text + line->len, p, n);
	line->len += n;
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* Control bytes become \xHH, so no value can end a line or a field. */
static void put_escaped(struct line *line, const char *text, const char *special)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		char escape[5];

		if (*c < 0x20 || *c == 0x7f) {
			snprintf(escape, sizeof(escape), "\\x%02x", *c);
			put_text(line, escape);
		} else {
			if (strchr(special, *c))
				put(line, "\\", 1);
			put(line, (const char *)c, 1);
		}
	}
}

static bool needs_quotes(const char *text)
{
	if (!*text)
		return true;
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c <= ' ' || *c == 0x7f || strchr("\"=\\", *c))
			return true;
	return false;
}

static void put_value(struct line *line, const char *text)
{
	bool quotes = needs_quotes(text);

	if (quotes)
		put_text(line, "\"");
	put_escaped(line, text, "\"\\");
	if (quotes)
		put_text(line, "\"");
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "unknown";
}

/* The fields as " key=value" each. */
static void put_fields(struct line *line, va_list ap)
{
	for (const char *key = va_arg(ap, const char *); key; key = va_arg(ap, const char *)) {
		const char *value = va_arg(ap, const char *);

		if (!value)
			continue;
		put_text(line, " ");
		put_text(line, key);
		put_text(line, "=");
		put_value(line, value);
	}
}

static void put_logfmt(struct line *line, enum log_level level, const char *message, va_list ap)
{
	char now[TIME_TEXT_SIZE];

	put_text(line, clock_format(clock_wall(), now));
	put_text(line, " ");
	put_text(line, level_name(level));
	put_text(line, " ");
	put_value(line, message);
	put_fields(line, ap);
	line->text[line->len++] = '\n';
}

/* Journal field names are upper case; ours begin with MUSTER_. */
static void put_journal_name(struct line *line, const char *key)
{
	put_text(line, "\nMUSTER_");
	for (; *key; key++) {
		char c = *key;

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9'))
			c = '_';
		put(line, &c, 1);
	}
	put_text(line, "=");
}

/* systemd's journal protocol: NAME=value lines in one datagram.  The fields stand in the
 * message too, because journalctl shows nothing else by default. */
static void put_journal(struct line *line, enum log_level level, const char *message,
			va_list ap)
{
	va_list again;

	put_text(line, "PRIORITY=");
	put_text(line, log_i64(level));
	put_text(line, "\nSYSLOG_IDENTIFIER=");
	put_escaped(line, program, "");
	put_text(line, "\nMESSAGE=");
	put_escaped(line, message, "");
	va_copy(again, ap);
	put_fields(line, again);
	va_end(again);
	for (const char *key = va_arg(ap, const char *); key; key = va_arg(ap, const char *)) {
		const char *value = va_arg(ap, const char *);

		if (!value)
			continue;
		put_journal_name(line, key);
		put_escaped(line, value, "");
	}
	line->text[line->len++] = '\n';
}

static bool write_to_stderr(const struct line *line)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) &&
	       write(STDERR_FILENO, line->text, line->len) == (ssize_t)line->len;
}

void log_write(enum log_level level, const char *message, ...)
{
	struct line line;
	va_list ap;
	int fd = atomic_load_explicit(&journal_fd, memory_order_relaxed);

	if (level > log_threshold())
		return;
	line.len = 0;
	va_start(ap, message);
	if (fd >= 0)
		put_journal(&line, level, message, ap);
	else
		put_logfmt(&line, level, message, ap);
	va_end(ap);

	bool sent = fd >= 0 ? send(fd, line.text, line.len, MSG_NOSIGNAL) == (ssize_t)line.len
			    : write_to_stderr(&line);
	if (!sent)
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}
