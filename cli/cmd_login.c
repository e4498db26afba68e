/* login, logout, whoami.  A login pins the root of the server's CA: it is given as a file, or
 * fetched once and confirmed by its fingerprint; from then on nothing else is trusted. */

#include "base/clean.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/prompt.h"

#include <string.h>

#define CA_FILE_MAX 65536

static const struct column operator_columns[] = {
	{ "Name", "name", NULL, false },
	{ "Role", "role", NULL, false },
	{ "Id", "operator_id", NULL, false },
};

static enum exit_code ca_from_file(struct cli *c, const char *path, const char **ret_pem)
{
	struct bytes content;
	struct digest print;
	enum exit_code code = file_read(path, CA_FILE_MAX, c->mem, &content);
	if (code != EXIT_DONE)
		return code;
	*ret_pem = bytes_text(c->mem, content);
	if (client_fingerprint(*ret_pem, c->mem, &print) != RC_OK)
		return cli_fail(EXIT_FAILED, "%s holds no certificate in PEM", path);
	return EXIT_DONE;
}

/* 64 hexadecimal digits; colons between them are allowed, as openssl prints them. */
static enum rc fingerprint_parse(struct arena *mem, const char *text, struct digest *ret)
{
	char *digits = arena_alloc(mem, strlen(text) + 1), *to = digits;
	for (; *text != '\0'; text++)
		if (*text != ':')
			*to++ = *text;
	return digest_parse(digits, ret);
}

static enum exit_code confirm_fingerprint(struct cli *c, const char *url,
					  const struct digest *got)
{
	char text[DIGEST_TEXT_SIZE];
	struct digest wanted;
	const char *given = args_value(&c->args, "fingerprint");
	digest_format(got, text);
	if (!given) {
		cli_say("%s says that the root of its CA has the SHA-256 fingerprint", url);
		cli_say("  %s", text);
		cli_say("On the server this prints it: musterd ca show | "
			"openssl x509 -noout -fingerprint -sha256");
		return prompt_yes(c, "Trust it from now on (yes/no)? ",
				  "give --ca FILE or --fingerprint HEX");
	}
	if (fingerprint_parse(c->mem, given, &wanted) != RC_OK)
		return cli_fail(EXIT_FAILED, "--fingerprint needs 64 hexadecimal digits");
	if (!digest_equal(&wanted, got))
		return cli_fail(EXIT_AUTH, "the fingerprint of %s is %s, not the one given",
				url, text);
	return EXIT_DONE;
}

static enum exit_code find_ca(struct cli *c, const char *url, const char **ret_pem)
{
	const char *sent;
	struct digest print;
	const char *file = args_value(&c->args, "ca");
	if (file)
		return ca_from_file(c, file, ret_pem);
	enum exit_code code = client_fetch_ca(url, c->mem, &sent);
	if (code != EXIT_DONE)
		return code;
	if (client_take_root(sent, c->mem, ret_pem, &print) != RC_OK)
		return cli_fail(EXIT_FAILED, "%s sends a root that is no certificate", url);
	return confirm_fingerprint(c, url, &print);
}

/* The one-time secret makes the first admin; the answer holds its token. */
static enum exit_code use_secret(struct cli *c, struct login *login, const char *secret)
{
	CLEAN(client) struct client *client = NULL;
	CLEAN(reply) struct reply reply = { 0 };
	const char *name = args_value(&c->args, "name");
	enum exit_code code = client_create(login, &client);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json)
	json_t *body = json_pack("{s:s, s:s}", "secret", secret, "name", name ? name : "admin");
	code = client_post(client, "/v1/bootstrap", body, &reply);
	if (code != EXIT_DONE)
		return code;
	const char *token = json_string_value(json_object_get(reply.json, "token"));
	if (!token)
		return cli_fail(EXIT_FAILED, "the server sent no token");
	login->token = arena_text(c->mem, token);
	return EXIT_DONE;
}

static enum exit_code check_token(struct cli *c, const struct login *login)
{
	CLEAN(client) struct client *client = NULL;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = client_create(login, &client);
	if (code == EXIT_DONE)
		code = client_get(client, "/v1/whoami", &reply);
	if (code != EXIT_DONE)
		return code;
	cli_say("Logged in to %s as %s (%s).", login->url,
		output_member(c->mem, reply.json, "name"),
		output_member(c->mem, reply.json, "role"));
	if (c->out.json)
		output_json(&c->out, reply.json);
	return EXIT_DONE;
}

/* Exactly one of the four ways to give a secret; *ret_is_token says which kind it is. */
static enum exit_code read_credential(struct cli *c, const char **ret, bool *ret_is_token)
{
	const char *secret_file = args_value(&c->args, "secret-file");
	const char *token_file = args_value(&c->args, "token-file");
	int given = (secret_file != NULL) + (token_file != NULL) +
		    args_has(&c->args, "secret-stdin") + args_has(&c->args, "token-stdin");
	if (given > 1)
		return cli_fail(EXIT_FAILED, "give one of --secret-stdin, --secret-file, "
					     "--token-stdin and --token-file");
	*ret_is_token = token_file || args_has(&c->args, "token-stdin");
	if (given == 0) {
		*ret_is_token = true;
		return prompt_secret(c, "Token: ", false, ret);
	}
	const char *path = secret_file ? secret_file : token_file ? token_file : "-";
	return file_read_secret(path, c->mem, ret);
}

static enum exit_code run_login(struct cli *c)
{
	struct login login = { 0 };
	const char *credential = NULL;
	bool is_token = false;
	enum exit_code code = login_url(args_operand(&c->args, 0), c->mem, &login.url);
	if (code == EXIT_DONE)
		code = find_ca(c, login.url, &login.ca_pem);
	if (code == EXIT_DONE)
		code = read_credential(c, &credential, &is_token);
	if (code != EXIT_DONE)
		return code;
	if (is_token)
		login.token = credential;
	else
		code = login_try_save(c->mem);
	if (code == EXIT_DONE && !is_token)
		code = use_secret(c, &login, credential);
	/* Saved before it is checked: a token that the server gave once must not get lost. */
	if (code == EXIT_DONE && !is_token)
		code = login_save(&login, c->mem);
	if (code == EXIT_DONE)
		code = check_token(c, &login);
	if (code == EXIT_DONE && is_token)
		code = login_save(&login, c->mem);
	return code;
}

static enum exit_code run_logout(struct cli *c)
{
	enum exit_code code = login_forget(c->mem);
	if (code == EXIT_DONE)
		cli_say("Logged out.  The token stays valid until it expires or an admin "
			"removes it.");
	return code;
}

static enum exit_code run_whoami(struct cli *c)
{
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = client_get(client, "/v1/whoami", &reply);
	if (code == EXIT_DONE)
		output_object(&c->out, operator_columns, ARRAY_LEN(operator_columns),
			      reply.json);
	return code;
}

static const struct option_def login_options[] = {
	{ "secret-stdin", NULL,
	  "read the server's one-time secret from stdin: makes the first admin", OPTION_FLAG,
	  false },
	{ "secret-file", "FILE", "the same from a file", OPTION_VALUE, true },
	{ "token-stdin", NULL, "read a token from stdin", OPTION_FLAG, false },
	{ "token-file", "FILE", "the same from a file", OPTION_VALUE, true },
	{ "name", "NAME", "how the first admin is called; default admin", OPTION_VALUE, false },
	{ "ca", "FILE", "trust this root (PEM)", OPTION_VALUE, true },
	{ "fingerprint", "HEX", "trust the server's root if it has this SHA-256 fingerprint",
	  OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_login[] = {
	{ "login", "URL", 1, 1, "Log in to a server and pin its CA",
	  "Without --ca and --fingerprint the fingerprint of the server's root is shown and "
	  "asked about. "
	  "Without a secret or token the token is asked for.",
	  "muster login https://muster.example:8443 --token-stdin < token", login_options,
	  run_login },
	{ "logout", "", 0, 0, "Forget the saved login", NULL, NULL, NULL, run_logout },
	{ "whoami", "", 0, 0, "Show who you are to the server", NULL, NULL, NULL, run_whoami },
	{ 0 },
};
