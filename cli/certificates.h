/* Certificates in PEM files. */
#pragma once

#include "cli/cli.h"
#include "suit/crypto_openssl.h"

#define CERTIFICATES_MAX 32 /* of one file */

/* All of a file, in its order; from c->mem.  At least one. */
enum exit_code certificates_load(struct cli *c, const char *path,
				 struct suit_certificates *ret) MUST_CHECK;
