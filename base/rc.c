/* Names of results, for logs and tests. */

#include "base/rc.h"

static const char *const names[] = {
	[RC_OK] = "ok",
	[RC_INVALID] = "invalid",
	[RC_UNAUTHENTICATED] = "unauthenticated",
	[RC_DENIED] = "denied",
	[RC_NOT_FOUND] = "not-found",
	[RC_METHOD] = "method",
	[RC_NOT_ACCEPTABLE] = "not-acceptable",
	[RC_INCOMPLETE] = "incomplete",
	[RC_CONFLICT] = "conflict",
	[RC_GONE] = "gone",
	[RC_STALE] = "stale",
	[RC_TOO_LARGE] = "too-large",
	[RC_MEDIA] = "media",
	[RC_UNPROCESSABLE] = "unprocessable",
	[RC_PRECONDITION] = "precondition",
	[RC_LIMIT] = "limit",
	[RC_RETRY] = "retry",
	[RC_UNAVAILABLE] = "unavailable",
	[RC_STORAGE] = "storage",
	[RC_INTERNAL] = "internal",
};

const char *rc_name(enum rc rc)
{
	return (unsigned)rc < ARRAY_LEN(names) ? names[rc] : "unknown";
}
