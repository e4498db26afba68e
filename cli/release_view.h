/* A release on the terminal: a card, and its manifests below when there are several. */
#pragma once

#include "cli/cli.h"

void release_print(struct cli *c, const json_t *release);
enum exit_code release_list_print(struct cli *c) MUST_CHECK;
