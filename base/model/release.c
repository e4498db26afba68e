/* Names of the words in base/model/release.h. */
#include "base/model/release.h"

const char *class_confirm_name(enum class_confirm c)
{
	return c == CONFIRM_VERSION ? "version" : "digest";
}
