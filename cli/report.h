/* The key that signs a device's reports. */
#pragma once

#include "cli/cli.h"

/* Its public half as PEM, from a file or a token. */
enum exit_code report_key_pem(struct cli *c, const char *path, const char **ret) MUST_CHECK;
