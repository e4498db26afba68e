/* TAP for C tests: a test program is a main() of checks that ends with `return tap_done();`.
 * Every check prints a line; the exit code is 1 when one failed or none ran. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 2, 0))) static inline bool tap_vcheck(bool passed,
								    const char *fmt, va_list ap)
{
	printf("%sok %d - ", passed ? "" : "not ", ++tap_count);
	vprintf(fmt, ap);
	putchar('\n');
	tap_failed += !passed;
	fflush(stdout);
	return passed;
}

__attribute__((format(printf, 2, 3))) static inline bool tap_ok(bool passed, const char *fmt,
								...)
{
	va_list ap;
	va_start(ap, fmt);
	tap_vcheck(passed, fmt, ap);
	va_end(ap);
	return passed;
}

#define ok(condition, ...) tap_ok(!!(condition), __VA_ARGS__)

static inline bool is_int(int64_t got, int64_t wanted, const char *name)
{
	bool passed = tap_ok(got == wanted, "%s", name);
	if (!passed)
		printf("# got %lld, wanted %lld\n", (long long)got, (long long)wanted);
	return passed;
}

static inline bool is_str(const char *got, const char *wanted, const char *name)
{
	bool passed =
		tap_ok(got && wanted ? strcmp(got, wanted) == 0 : got == wanted, "%s", name);
	if (!passed)
		printf("# got    \"%s\"\n# wanted \"%s\"\n", got ? got : "(null)",
		       wanted ? wanted : "(null)");
	return passed;
}

static inline bool is_bytes(const void *got, size_t got_n, const void *wanted, size_t wanted_n,
			    const char *name)
{
	bool same = got_n == wanted_n && (got_n == 0 || memcmp(got, wanted, got_n) == 0);
	bool passed = tap_ok(same, "%s", name);
	if (!passed)
		printf("# got %zu bytes, wanted %zu\n", got_n, wanted_n);
	return passed;
}

/* A test that cannot run here says why. */
static inline void tap_skip(const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_count, name, reason);
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed > 0 || tap_count == 0;
}
