/* Talk goes to stderr, one line a message, without control characters. */

#include "cli/exit_code.h"

#include "base/arena.h"
#include "base/clean.h"
#include "cli/output.h"

#include <stdarg.h>

static void tell(const char *prefix, const char *fmt, va_list ap) PRINTF(2, 0);

static void tell(const char *prefix, const char *fmt, va_list ap)
{
	CLEAN(arena) struct arena *mem = arena_create();
	fflush(stdout);
	fprintf(stderr, "%s%s\n", prefix, output_clean(mem, arena_vprintf(mem, fmt, ap)));
}

void cli_complain(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	tell("muster: ", fmt, ap);
	va_end(ap);
}

void cli_say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	tell("", fmt, ap);
	va_end(ap);
}
