/* A variant: one of a release's manifests, as the choice between them sees it.  All end with
 * the same installed digests. */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

struct variant {
	struct digest manifest;
	int64_t envelope_bytes;
	int64_t bytes;       /* that a device fetches besides the envelope, at most */
	int64_t image_bytes; /* of the largest payload or image in it */
	const char *needs;   /* formats, joined by a comma; "a|b" is one of them; empty: none */
	const char *base_component; /* that must hold base_digest; NULL: any device will do */
	struct digest base_digest;
};
