/* New keys and certificates of devices, as --psk, --cert and --csr ask for them. */
#pragma once

#include "cli/cli.h"

/* Adds the credential to body, POSTs it to path, and keeps what came back.  The first operand
 * names the device. */
enum exit_code credential_send(struct cli *c, const char *path, json_t *body) MUST_CHECK;
