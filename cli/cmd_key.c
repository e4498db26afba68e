/* Author keys.  The private key never leaves this machine; the server learns public keys, each
 * for one class and component. */

#include "cli/author.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/list.h"
#include "cli/pkcs11.h"
#include "cli/prompt.h"

#include <string.h>

static const struct column key_columns[] = {
	{ "Kid", "kid", NULL, false },
	{ "Name", "name", NULL, false },
	{ "Algorithm", "algorithm", NULL, false },
	{ "Component", "component", NULL, false },
	{ "Delegate", "delegate", NULL, false },
	{ "Class id", "class_id", NULL, false },
	{ "Revoked", "revoked_at", NULL, false },
	{ "Id", "author_key_id", NULL, false },
};

static enum exit_code print_key(struct cli *c, const char *path, const struct suit_key *key)
{
	static const struct column card[] = {
		{ "Kid", "kid", NULL, false },
		{ "Algorithm", "algorithm", NULL, false },
		{ "Private", "private", NULL, false },
		{ "File", "file", NULL, false },
	};
	char kid[KID_TEXT_SIZE];
	enum exit_code code = author_key_kid(key, kid);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json)
	json_t *item = json_pack("{s:s, s:s, s:b, s:s*}", "kid", kid, "algorithm",
				 author_key_type_name(key), "private", suit_key_is_private(key),
				 "file", path);
	output_object(&c->out, card, ARRAY_LEN(card), item);
	return EXIT_DONE;
}

/* NULL: the key shall not be encrypted. */
static enum exit_code choose_passphrase(struct cli *c, const char **ret)
{
	const char *file = args_value(&c->args, "passphrase-file");
	if (file)
		return file_read_secret(file, c->mem, ret);
	*ret = NULL;
	if (args_has(&c->args, "no-passphrase"))
		return EXIT_DONE;
	return prompt_secret(c, "New passphrase: ", true, ret);
}

static enum exit_code write_key(struct cli *c, const struct suit_key *key, const char *path,
				const char *passphrase)
{
	char secret[SUIT_PEM_MAX], public[SUIT_PEM_MAX];
	const char *public_path = arena_printf(c->mem, "%s.pub", path);
	if (suit_key_private_pem(key, passphrase, secret, sizeof(secret)) != SUIT_OK ||
	    suit_key_public_pem(key, public, sizeof(public)) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot write the key as PEM");
	enum exit_code code = EXIT_DONE;
	if (file_exists(public_path))
		code = cli_fail(EXIT_FAILED, "%s is there already; it is never overwritten",
				public_path);
	if (code == EXIT_DONE)
		code = file_write_new(path, bytes_of(secret), 0600);
	explicit_bzero(secret, sizeof(secret));
	if (code == EXIT_DONE)
		code = file_write_new(public_path, bytes_of(public), 0644);
	return code;
}

static bool type_read(const char *text, enum suit_key_type *ret)
{
	static const enum suit_key_type types[] = { SUIT_KEY_P256, SUIT_KEY_P384,
						    SUIT_KEY_ED25519, SUIT_KEY_RSA };
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(text, suit_key_type_text(types[i])) == 0) {
			*ret = types[i];
			return true;
		}
	}
	return false;
}

static enum exit_code run_key_new(struct cli *c)
{
	const char *path = args_operand(&c->args, 0), *type = args_value(&c->args, "type");
	const char *passphrase;
	CLEAN(suit_key) struct suit_key *key = NULL;
	enum suit_key_type kind;
	if (!type_read(type ? type : "p256", &kind))
		return cli_fail(EXIT_FAILED, "--type \"%s\": take p256, p384, ed25519 or rsa",
				type);
	if (file_exists(path))
		return cli_fail(EXIT_FAILED, "%s is there already; it is never overwritten",
				path);
	enum exit_code code = choose_passphrase(c, &passphrase);
	if (code != EXIT_DONE)
		return code;
	if (suit_key_generate(kind, &key) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot make a key");
	code = write_key(c, key, path, passphrase);
	if (code == EXIT_DONE)
		code = print_key(c, path, key);
	if (code == EXIT_DONE)
		cli_say("Keep %s safe and offline.  Next: muster key register %s.pub --class "
			"VENDOR/NAME",
			path, path);
	return code;
}

static enum exit_code run_key_show(struct cli *c)
{
	CLEAN(suit_key) struct suit_key *key = NULL;
	const char *path = args_operand(&c->args, 0);
	enum exit_code code = author_key_load(c, path, &key);
	return code == EXIT_DONE ? print_key(c, path, key) : code;
}

static enum exit_code register_body(struct cli *c, const char *path, json_t **ret)
{
	struct class_ids ids;
	char pem[SUIT_PEM_MAX];
	CLEAN(suit_key) struct suit_key *key = NULL;
	const char *class_name = args_value(&c->args, "class");
	if (!class_name)
		return cli_fail(EXIT_FAILED, "key register needs --class");
	enum exit_code code = class_ids_of(class_name, c->mem, &ids);
	if (code == EXIT_DONE)
		code = author_key_public(c, path, &key);
	if (code != EXIT_DONE)
		return code;
	if (suit_key_public_pem(key, pem, sizeof(pem)) != SUIT_OK)
		return cli_fail(EXIT_FAILED, "cannot write the key as PEM");
	*ret = json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "vendor_id", ids.vendor_text,
			 "class_id", ids.class_text, "public_key_pem", pem, "component",
			 args_value(&c->args, "component"), "name",
			 args_value(&c->args, "name"));
	if (*ret && args_has(&c->args, "delegate"))
		json_object_set_new(*ret, "delegate", json_true());
	return *ret ? EXIT_DONE : cli_fail(EXIT_FAILED, "an option is not UTF-8");
}

static enum exit_code run_key_register(struct cli *c)
{
	struct client *client;
	CLEAN(json) json_t *body = NULL;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = register_body(c, args_operand(&c->args, 0), &body);
	if (code == EXIT_DONE)
		code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = client_post(client, "/v1/author-keys", body, &reply);
	if (code != EXIT_DONE)
		return code;
	output_object(&c->out, key_columns, ARRAY_LEN(key_columns), reply.json);
	cli_say("The server takes %s for %s that this key signed.",
		args_has(&c->args, "delegate") ? "admissions" : "releases",
		args_value(&c->args, "class"));
	return EXIT_DONE;
}

static enum exit_code run_key_ls(struct cli *c)
{
	const char *class_name = args_value(&c->args, "class"), *path = "/v1/author-keys";
	if (class_name) {
		struct class_ids ids;
		enum exit_code code = class_ids_of(class_name, c->mem, &ids);
		if (code != EXIT_DONE)
			return code;
		path = arena_printf(c->mem, "%s?vendor_id=%s&class_id=%s", path,
				    ids.vendor_text, ids.class_text);
	}
	return list_print(c, path, key_columns, ARRAY_LEN(key_columns));
}

static enum exit_code run_key_revoke(struct cli *c)
{
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	const char *id = args_operand(&c->args, 0);
	struct request in = { .method = "DELETE",
			      .path = arena_printf(c->mem, "/v1/author-keys/%s",
						   client_escape(c->mem, id)) };
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = prompt_name(c, "make the server refuse what this key signs", id);
	if (code == EXIT_DONE)
		code = client_call(client, &in, &reply);
	if (code == EXIT_DONE)
		cli_say("Revoked.  Releases that it signed before stay.");
	return code;
}

static const struct option_def new_options[] = {
	{ "type", "TYPE", "p256 (ESP256, the default), p384, ed25519 or rsa (3072 bits)",
	  OPTION_VALUE, false },
	{ "passphrase-file", "FILE", "read the passphrase from a file instead of asking",
	  OPTION_VALUE, true },
	{ "no-passphrase", NULL,
	  "write the key in the clear: for tests and sealed build machines", OPTION_FLAG,
	  false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def show_options[] = {
	{ "passphrase-file", "FILE", "read passphrase or PIN from a file instead of asking",
	  OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def register_options[] = {
	{ "passphrase-file", "FILE", "read a token's PIN from a file instead of asking",
	  OPTION_VALUE, true },
	{ "class", "VENDOR/NAME", "whose releases it may sign (needed)", OPTION_VALUE, false },
	{ "component", "NAME", "for this component and those below it; default all",
	  OPTION_VALUE, false },
	{ "delegate", NULL, "for admissions alone (manifest admit), and no release",
	  OPTION_FLAG, false },
	{ "name", "TEXT", "for people", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def ls_options[] = {
	{ "class", "VENDOR/NAME", "only this class", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def revoke_options[] = {
	{ "yes", NULL, "do not ask", OPTION_FLAG, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_key[] = {
	{ "key new", "FILE", 1, 1, "Make an author key: FILE (private) and FILE.pub",
	  "Works offline. The private key is PKCS#8 PEM of mode 0600; no file is ever "
	  "overwritten.",
	  "muster key new author.pem", new_options, run_key_new },
	{ "key show", "KEY", 1, 1, "Show the id and kind of a key",
	  "KEY is a file (PEM), or a PKCS#11 URI (RFC 7512) of a key that stays in a token. "
	  "The "
	  "PIN comes from pin-source=FILE in the URI, --passphrase-file, the variable "
	  "MUSTER_PIN, or the terminal. module-path=FILE in the URI names the token's driver.",
	  "muster key show 'pkcs11:token=author;object=release'", show_options, run_key_show },
	{ "key register", "KEY", 1, 1, "Let a key sign releases of a class",
	  "KEY is the public key's file or a PKCS#11 URI; only the public half goes out.",
	  "muster key register author.pem.pub --class acme.example/lock-7", register_options,
	  run_key_register },
	{ "key ls", "", 0, 0, "List the registered keys", NULL, NULL, ls_options, run_key_ls },
	{ "key revoke", "ID", 1, 1, "Stop a key", NULL, NULL, revoke_options, run_key_revoke },
	{ 0 },
};
