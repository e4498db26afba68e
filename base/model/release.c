/* Names of what proves an update. */

#include "base/model/release.h"

const char *class_confirm_name(enum class_confirm c)
{
	static const char *const names[] = {
		[CONFIRM_DIGEST] = "digest",
		[CONFIRM_VERSION] = "version",
	};

	return (unsigned)c < ARRAY_LEN(names) ? names[c] : "unknown";
}
