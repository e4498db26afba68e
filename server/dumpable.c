/* Core dumps.  Two locks: the limit alone is not asked when dumps are piped to a program, and
 * the flag alone is reset by whatever changes the user. */

#include "server/dumpable.h"

#include <sys/prctl.h>
#include <sys/resource.h>

static rlim_t limit_at_start;

void dumpable_set(bool yes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) == 0) {
		if (!yes && limit.rlim_cur)
			limit_at_start = limit.rlim_cur;
		limit.rlim_cur = yes ? limit_at_start : 0;
		setrlimit(RLIMIT_CORE, &limit);
	}
	prctl(PR_SET_DUMPABLE, yes ? 1 : 0);
}
