/* Component names: the text form of a manifest's component id; see api/coap.md "Component
 * names".  Two different ids never share a name. */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

/* RC_INVALID without segments, RC_TOO_LARGE over COMPONENT_NAME_MAX bytes. */
enum rc component_name_format(const struct bytes *segments, int count, struct arena *mem,
			      const char **ret) MUST_CHECK;
/* Is this the name of some component id? */
bool component_name_valid(const char *name);
