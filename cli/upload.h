/* Images to the server: skipped when they are there already. */
#pragma once

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/client.h"

/* from is read from its start; size and digest are those of its content. */
enum exit_code upload_image(struct cli *c, FILE *from, const struct digest *digest,
			    int64_t size) MUST_CHECK;
