/* Limits of this process. */

#include "cli/limits.h"

#include "base/clean.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

/* Only what a signal handler may do. */
static void on_too_long(int number)
{
	static const char text[] =
		"muster: this takes too long; is the image one repetition?\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(EXIT_FAILED);
}

/* Address space in use; a sanitizer has terabytes of it. */
static uint64_t in_use(void)
{
	char line[128];
	CLEAN(file) FILE *f = fopen("/proc/self/statm", "re");

	if (!f || !fgets(line, sizeof(line), f))
		return RLIM_INFINITY;
	return strtoull(line, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void lower(int which, uint64_t to)
{
	struct rlimit limit;

	if (to == RLIM_INFINITY || getrlimit(which, &limit) != 0 || limit.rlim_cur <= to)
		return;
	limit.rlim_cur = to;
	setrlimit(which, &limit);
}

void limits_take(uint64_t memory_bytes)
{
	uint64_t used = in_use();

	signal(SIGXCPU, on_too_long);
	lower(RLIMIT_CPU, LIMITS_CPU_S);
	lower(RLIMIT_AS, used == RLIM_INFINITY ? used : used + memory_bytes);
}
