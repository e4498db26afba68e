/* What every command has in its hands. */
#pragma once

#include "base/arena.h"
#include "cli/args.h"
#include "cli/exit_code.h"
#include "cli/output.h"

struct client;

struct cli {
	struct arena *mem; /* lives as long as the process */
	const struct command *command;
	struct args args;
	struct output out;
	bool no_input;         /* never ask: --no-input, or stdin is no terminal */
	struct client *client; /* made by cli_client() */
};

/* The connection to the server of the saved login; EXIT_AUTH when there is none. */
enum exit_code cli_client(struct cli *c, struct client **ret) MUST_CHECK;
