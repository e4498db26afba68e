/* One line, one write: lines of several programs on one terminal do not mix. */
#include "agent/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512

static const char *log_program = "muster";

void log_open(const char *program)
{
	log_program = program;
}

__attribute__((format(printf, 2, 0))) static void write_line(const char *tail, const char *fmt,
							     va_list ap)
{
	char text[LINE_MAX_BYTES];
	char line[LINE_MAX_BYTES + 128];
	vsnprintf(text, sizeof(text), fmt, ap);
	int n = snprintf(line, sizeof(line), "%s: %s%s%s\n", log_program, text,
			 *tail ? ": " : "", tail);
	if (n >= (int)sizeof(line))
		n = (int)sizeof(line) - 1;
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody listens */
}

void log_line(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	write_line("", fmt, ap);
	va_end(ap);
}

void log_errno(const char *fmt, ...)
{
	const char *tail = strerror(errno);
	va_list ap;
	va_start(ap, fmt);
	write_line(tail, fmt, ap);
	va_end(ap);
}
