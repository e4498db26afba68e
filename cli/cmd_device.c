/* Devices as their operator sees them.  A device's secrets pass through once: a PSK is written
 * to a file or shown, a private key is made here and never sent. */

#include "base/clean.h"
#include "cli/class_ids.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/credential.h"
#include "cli/list.h"
#include "cli/parse.h"
#include "cli/prompt.h"
#include "cli/report.h"
#include "cli/resolve.h"

#include <string.h>

static const char *versions_text(struct arena *mem, const json_t *item)
{
	const char *ret = "";
	size_t i;
	json_t *component;
	json_array_foreach(json_object_get(item, "components"), i, component)
	{
		const char *name = output_member(mem, component, "name");
		const char *version = output_member(mem, component, "version");
		ret = arena_printf(mem, "%s%s%s%s%s", ret, i ? ", " : "",
				   strcmp(name, "main") == 0 ? "" : name,
				   strcmp(name, "main") == 0 ? "" : " ", version);
	}
	return *ret == '\0' ? "-" : ret;
}

static const char *digests_text(struct arena *mem, const json_t *item)
{
	const char *ret = "";
	size_t i;
	json_t *component;
	json_array_foreach(json_object_get(item, "components"), i, component) ret =
		arena_printf(mem, "%s%s%s %s", ret, i ? ", " : "",
			     output_member(mem, component, "name"),
			     output_member(mem, component, "digest"));
	return *ret == '\0' ? "-" : ret;
}

static const char *job_text(struct arena *mem, const json_t *item)
{
	const json_t *job = json_object_get(item, "job");
	return json_is_object(job) ? output_member(mem, job, "state") : "-";
}

static const char *seen_text(struct arena *mem, const json_t *item)
{
	return output_time(mem, json_object_get(item, "last_seen_at"));
}

static const char *registered_text(struct arena *mem, const json_t *item)
{
	return output_time(mem, json_object_get(item, "registered_at"));
}

static const struct column device_columns[] = {
	{ "Device", "endpoint", NULL, false },
	{ "State", "lifecycle", NULL, false },
	{ "Credential", "credential", NULL, false },
	{ "Class", "class_name", NULL, false },
	{ "Version", "components", versions_text, false },
	{ "Job", "job", job_text, false },
	{ "Last seen", "last_seen_at", seen_text, false },
};

static const struct column device_card[] = {
	{ "Device", "endpoint", NULL, false },
	{ "Id", "device_id", NULL, false },
	{ "State", "lifecycle", NULL, false },
	{ "Credential", "credential", NULL, false },
	{ "Class", "class_name", NULL, false },
	{ "Version", "components", versions_text, false },
	{ "Digest", "components", digests_text, false },
	{ "Attributes", "attributes", NULL, false },
	{ "Boot", "boot_id", NULL, false },
	{ "Job", "job", job_text, false },
	{ "Registered", "registered_at", registered_text, false },
	{ "Last seen", "last_seen_at", seen_text, false },
};

static const char *device_path(struct cli *c, const char *rest)
{
	return arena_printf(c->mem, "/v1/devices/%s%s",
			    client_escape(c->mem, args_operand(&c->args, 0)), rest);
}

/* --attribute and --label values as one JSON object; an empty value stays one. */
static enum exit_code labels_object(struct cli *c, int first_operand, const char *option,
				    json_t **ret)
{
	const char *texts[ARGS_MAX], *name, *value;
	int count = option ? args_values(&c->args, option, texts) : 0;
	for (int i = first_operand; !option && args_operand(&c->args, i); i++)
		texts[count++] = args_operand(&c->args, i);
	CLEAN(json) json_t *object = json_object();
	for (int i = 0; i < count; i++) {
		size_t n = strlen(texts[i]);
		if (!option && n > 1 && texts[i][n - 1] == '-' && !strchr(texts[i], '=')) {
			name = arena_printf(c->mem, "%.*s", (int)n - 1, texts[i]);
			json_object_set_new(object, name, json_null());
			continue;
		}
		if (parse_label(texts[i], c->mem, &name, &value) != RC_OK)
			return cli_fail(EXIT_FAILED, "\"%s\" must be NAME=VALUE", texts[i]);
		if (json_object_set_new(object, name, json_string(value)) != 0)
			return cli_fail(EXIT_FAILED, "\"%s\" is not UTF-8", texts[i]);
	}
	*ret = TAKE(object);
	return EXIT_DONE;
}

static enum exit_code add_report_key(struct cli *c, json_t *body)
{
	const char *path = args_value(&c->args, "report-key"), *pem;
	if (!path)
		return EXIT_DONE;
	enum exit_code code = report_key_pem(c, path, &pem);
	if (code == EXIT_DONE)
		json_object_set_new(body, "report_key_pem", json_string(pem));
	return code;
}

static enum exit_code run_device_add(struct cli *c)
{
	json_t *attributes;
	enum exit_code code = labels_object(c, 0, "attribute", &attributes);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json) json_t *body = json_object();
	if (json_object_set_new(body, "endpoint", json_string(args_operand(&c->args, 0))) != 0)
		code = cli_fail(EXIT_FAILED, "the name is not UTF-8");
	if (json_object_size(attributes) > 0)
		json_object_set(body, "attributes", attributes);
	json_decref(attributes);
	if (code == EXIT_DONE)
		code = add_report_key(c, body);
	return code == EXIT_DONE ? credential_send(c, "/v1/devices", body) : code;
}

static enum exit_code run_device_credential(struct cli *c)
{
	CLEAN(json) json_t *body = json_object();
	return credential_send(c, device_path(c, "/credential"), body);
}

static enum exit_code add_filters(struct cli *c, const char **path)
{
	const char *labels[ARGS_MAX], *name, *value;
	int count = args_values(&c->args, "attribute", labels);
	const char *class_name = args_value(&c->args, "class");
	const char *prefix = args_value(&c->args, "prefix");
	if (class_name) {
		struct class_ids ids;
		enum exit_code code = class_ids_of(class_name, c->mem, &ids);
		if (code != EXIT_DONE)
			return code;
		*path = arena_printf(c->mem, "%s&class=%s", *path, ids.class_text);
	}
	if (prefix)
		*path = arena_printf(c->mem, "%s&endpoint_prefix=%s", *path,
				     client_escape(c->mem, prefix));
	for (int i = 0; i < count; i++) {
		if (parse_label(labels[i], c->mem, &name, &value) != RC_OK)
			return cli_fail(EXIT_FAILED, "\"%s\" must be NAME=VALUE", labels[i]);
		*path = arena_printf(c->mem, "%s&attribute=%s", *path,
				     client_escape(c->mem, labels[i]));
	}
	return EXIT_DONE;
}

static enum exit_code run_device_ls(struct cli *c)
{
	const char *path = "";
	enum exit_code code = add_filters(c, &path);
	if (code != EXIT_DONE)
		return code;
	path = arena_printf(c->mem, "/v1/devices%s%s", *path ? "?" : "", *path ? path + 1 : "");
	return list_print(c, path, device_columns, ARRAY_LEN(device_columns));
}

static enum exit_code run_device_show(struct cli *c)
{
	return show_print(c, device_path(c, ""), device_card, ARRAY_LEN(device_card));
}

static void print_reasons(struct cli *c, const json_t *answer)
{
	size_t i;
	json_t *reason;
	fprintf(c->out.to, "%s\n",
		json_is_true(json_object_get(answer, "offered"))
			? "It is offered the update."
			: "It is not offered the update.");
	json_array_foreach(json_object_get(answer, "reasons"), i, reason)
	{
		bool ok = json_is_true(json_object_get(reason, "ok"));
		fprintf(c->out.to, "  %s%s%s %s\n",
			output_style(&c->out, ok ? STYLE_GREEN : STYLE_RED), ok ? "✓" : "✗",
			output_style(&c->out, STYLE_PLAIN),
			output_member(c->mem, reason, "text"));
	}
}

static enum exit_code run_device_why(struct cli *c)
{
	const char *campaign = args_value(&c->args, "campaign"), *id;
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	if (!campaign)
		return cli_fail(EXIT_FAILED, "device why needs --campaign");
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = resolve_campaign(client, campaign, c->mem, &id);
	if (code == EXIT_DONE)
		code = client_get(client,
				  device_path(c, arena_printf(c->mem, "/why?campaign=%s", id)),
				  &reply);
	if (code != EXIT_DONE)
		return code;
	if (c->out.json)
		output_json(&c->out, reply.json);
	else
		print_reasons(c, reply.json);
	return EXIT_DONE;
}

static const char *event_time(struct arena *mem, const json_t *item)
{
	return output_time(mem, json_object_get(item, "at"));
}

static enum exit_code run_device_events(struct cli *c)
{
	static const struct column columns[] = {
		{ "At", "at", event_time, false },
		{ "Event", "kind", NULL, false },
		{ "Job", "job_id", NULL, false },
		{ "Detail", "detail", NULL, false },
	};
	return list_print(c, device_path(c, "/events"), columns, ARRAY_LEN(columns));
}

static enum exit_code run_device_revoke(struct cli *c)
{
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	const char *name = args_operand(&c->args, 0);
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = prompt_name(c, "shut the device out for good", name);
	if (code == EXIT_DONE)
		code = client_post(client, device_path(c, "/revoke"), NULL, &reply);
	if (code != EXIT_DONE)
		return code;
	output_object(&c->out, device_card, ARRAY_LEN(device_card), reply.json);
	cli_say("Device %s is revoked: its credential opens nothing any more.", name);
	return EXIT_DONE;
}

static enum exit_code run_device_rm(struct cli *c)
{
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	const char *name = args_operand(&c->args, 0);
	struct request in = { .method = "DELETE", .path = device_path(c, "") };
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = prompt_name(c, "remove the device and its history", name);
	if (code == EXIT_DONE)
		code = client_change(client, in.path, &in, &reply);
	if (code == EXIT_DONE)
		cli_say("Device %s is gone.", name);
	return code;
}

static enum exit_code run_device_label(struct cli *c)
{
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	json_t *labels = NULL;
	enum exit_code code = labels_object(c, 1, NULL, &labels);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json) json_t *body = json_pack("{s:o}", "attributes", labels);
	struct request in = { .method = "PATCH", .path = device_path(c, ""), .body = body };
	code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = client_change(client, in.path, &in, &reply);
	if (code == EXIT_DONE)
		output_object(&c->out, device_card, ARRAY_LEN(device_card), reply.json);
	return code;
}

#define CREDENTIAL_OPTIONS                                                                     \
	{ "psk", NULL, "a pre-shared key, made by the server", OPTION_FLAG, false },           \
		{ "cert", NULL, "a certificate; the key is made here and never sent",          \
		  OPTION_FLAG, false },                                                        \
		{ "csr", "FILE", "a certificate for this request (PEM)", OPTION_VALUE, true }, \
		{ "out", "FILE", "where the key or the certificate goes", OPTION_VALUE,        \
		  true },                                                                      \
	{                                                                                      \
		"out-dir", "DIR", "with --cert: where NAME.key, NAME.crt and ca.crt go",       \
			OPTION_VALUE, true                                                     \
	}

static const struct option_def add_options[] = {
	CREDENTIAL_OPTIONS,
	{ "attribute", "NAME=VALUE", "a label to aim campaigns by", OPTION_MANY, false },
	{ "report-key", "KEY",
	  "its SUIT reports must be signed by this public key (file or PKCS#11 URI)",
	  OPTION_VALUE, true },
	{ "passphrase-file", "FILE", "read a token's PIN from a file instead of asking",
	  OPTION_VALUE, true },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def credential_options[] = {
	CREDENTIAL_OPTIONS,
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def ls_options[] = {
	{ "class", "VENDOR/NAME", "only this class", OPTION_VALUE, false },
	{ "attribute", "NAME=VALUE", "only devices with this label", OPTION_MANY, false },
	{ "prefix", "TEXT", "only names that begin so", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def why_options[] = {
	{ "campaign", "CAMPAIGN", "which campaign (needed)", OPTION_VALUE, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

static const struct option_def yes_options[] = {
	{ "yes", NULL, "do not ask", OPTION_FLAG, false },
	{ NULL, NULL, NULL, OPTION_FLAG, false },
};

const struct command commands_device[] = {
	{ "device add", "NAME", 1, 1, "Let a new device in", NULL,
	  "muster device add lock-0815 --psk --out lock-0815.psk", add_options,
	  run_device_add },
	{ "device ls", "", 0, 0, "List the devices", NULL,
	  "muster device ls --class acme.example/lock-7", ls_options, run_device_ls },
	{ "device show", "NAME", 1, 1, "Show one device", NULL, NULL, NULL, run_device_show },
	{ "device why", "NAME", 1, 1, "Say why a device is, or is not, offered an update", NULL,
	  "muster device why lock-0815 --campaign lock-7-3.7", why_options, run_device_why },
	{ "device events", "NAME", 1, 1, "List what happened to a device", NULL, NULL, NULL,
	  run_device_events },
	{ "device label", "NAME NAME=VALUE...", 2, ARGS_MAX, "Set labels; NAME- removes one",
	  NULL, "muster device label lock-0815 site=berlin lab-", NULL, run_device_label },
	{ "device credential", "NAME", 1, 1, "Replace a device's key or certificate",
	  "The old one stops working at once.", "muster device credential lock-0815 --psk",
	  credential_options, run_device_credential },
	{ "device revoke", "NAME", 1, 1, "Shut a device out",
	  "Its open jobs are cancelled, and no campaign that runs waits for it any more; a new "
	  "credential lets it in again, but not into those.",
	  NULL, yes_options, run_device_revoke },
	{ "device rm", "NAME", 1, 1, "Remove a device",
	  "No campaign that runs waits for it any more.", NULL, yes_options, run_device_rm },
	{ 0 },
};
