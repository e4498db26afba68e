/* help, version, completion, and api: any operation of the server that has no command. */

#include "base/clean.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/file.h"
#include "cli/help.h"

#include <string.h>

#define API_BODY_MAX (8 << 20)

static enum exit_code run_help(struct cli *c)
{
	char *words[2] = { NULL, NULL };
	int count = c->args.operand_count, found;
	for (int i = 0; i < count; i++)
		words[i] = arena_text(c->mem, args_operand(&c->args, i));
	const struct command *command = count > 0 ? command_find(count, words, &found) : NULL;
	if (args_has(&c->args, "man"))
		help_man(stdout);
	else if (args_has(&c->args, "markdown"))
		help_markdown(stdout);
	else if (count == 0)
		help_overview(stdout);
	else if (count == 1 && strcmp(words[0], "exit-codes") == 0)
		help_exit_codes(stdout);
	else if (command)
		help_command(stdout, command);
	else if (!help_group(stdout, words[0]))
		return cli_fail(EXIT_FAILED, "there is no command \"%s\"; see: muster help",
				words[0]);
	return EXIT_DONE;
}

static enum exit_code run_version(struct cli *c)
{
	CLEAN(json) json_t *version = json_pack("{s:s}", "version", MUSTER_VERSION);
	if (c->out.json)
		output_json(&c->out, version);
	else
		fprintf(c->out.to, "muster %s\n", MUSTER_VERSION);
	return EXIT_DONE;
}

static enum exit_code run_completion(struct cli *c)
{
	const char *shell = args_operand(&c->args, 0);
	if (!completion_print(stdout, shell))
		return cli_fail(EXIT_FAILED,
				"there is no completion for \"%s\"; take bash, zsh or fish",
				shell);
	return EXIT_DONE;
}

static enum exit_code read_body(struct cli *c, json_t **ret)
{
	struct bytes content;
	json_error_t error;
	const char *path = args_value(&c->args, "body");
	if (!path)
		return EXIT_DONE;
	enum exit_code code = file_read(path, API_BODY_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	*ret = json_loadb((const char *)content.p, content.n, 0, &error);
	if (!*ret)
		return cli_fail(EXIT_FAILED, "%s:%d: %s", path, error.line, error.text);
	return EXIT_DONE;
}

static enum exit_code run_api(struct cli *c)
{
	static const char *const methods[] = { "GET", "POST", "PATCH", "DELETE" };
	const char *method = args_operand(&c->args, 0), *path = args_operand(&c->args, 1);
	struct client *client;
	CLEAN(json) json_t *body = NULL;
	CLEAN(reply) struct reply reply = { 0 };
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		known = known || strcmp(methods[i], method) == 0;
	if (!known || *path != '/' || strpbrk(path, " \r\n"))
		return cli_fail(EXIT_FAILED,
				"write GET, POST, PATCH or DELETE, and a path such as "
				"/v1/audit");
	enum exit_code code = read_body(c, &body);
	if (code == EXIT_DONE)
		code = cli_client(c, &client);
	if (code != EXIT_DONE)
		return code;
	struct request in = { .method = method,
			      .path = path,
			      .body = body,
			      .if_match = args_value(&c->args, "if-match") };
	code = client_call(client, &in, &reply);
	if (code != EXIT_DONE)
		return code;
	if (reply.etag)
		cli_say("ETag: %s", reply.etag);
	if (reply.json)
		output_json(&c->out, reply.json);
	else if (reply.size)
		fwrite(reply.data, 1, reply.size, c->out.to);
	return EXIT_DONE;
}

static const struct option_def help_options[] = {
	{ "man", NULL, "the man page, as roff", OPTION_FLAG, false },
	{ "markdown", NULL, "the page docs/cli.md", OPTION_FLAG, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def api_options[] = {
	{ "body", "FILE", "a JSON body; - for stdin", OPTION_VALUE, true },
	{ "if-match", "ETAG", "the revision that you read", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_other[] = {
	{ "api", "METHOD PATH", 2, 2, "Call any operation of the server",
	  "api/openapi.yaml describes them; this reaches what has no command of its own.",
	  "muster api GET /v1/audit", api_options, run_api },
	{ "completion", "SHELL", 1, 1, "Print the completion script for bash, zsh or fish",
	  NULL, "muster completion bash > ~/.local/share/bash-completion/completions/muster",
	  NULL, run_completion },
	{ "help", "[COMMAND]", 0, 2, "Say more about a command, or about exit-codes", NULL,
	  "muster help campaign create", help_options, run_help },
	{ "version", "", 0, 0, "Print the version", NULL, NULL, NULL, run_version },
	{ 0 },
};
