/* Device classes: vendor and name give the ids that manifests carry (UUIDv5). */

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/list.h"
#include "cli/parse.h"

static const char *class_text(struct arena *mem, const json_t *item)
{
	return arena_printf(mem, "%s/%s", output_member(mem, item, "vendor"),
			    output_member(mem, item, "name"));
}

static const struct column class_columns[] = {
	{ "Class", "name", class_text, false },
	{ "Confirmed by", "confirm", NULL, false },
	{ "Vendor id", "vendor_id", NULL, false },
	{ "Class id", "class_id", NULL, false },
};

static enum exit_code run_class_create(struct cli *c)
{
	const char *vendor, *name, *text = args_operand(&c->args, 0);
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	if (parse_class(text, c->mem, &vendor, &name) != RC_OK)
		return cli_fail(
			EXIT_FAILED,
			"\"%s\" is no class; write VENDOR/NAME, such as acme.example/lock-7",
			text);
	enum exit_code code = cli_client(c, &client);
	if (code != EXIT_DONE)
		return code;
	CLEAN(json) json_t *body = json_pack("{s:s, s:s}", "vendor", vendor, "name", name);
	code = client_post(client, "/v1/classes", body, &reply);
	if (code != EXIT_DONE)
		return code;
	output_object(&c->out, class_columns, ARRAY_LEN(class_columns), reply.json);
	cli_say("Next: muster key register FILE.pub --class %s", text);
	return EXIT_DONE;
}

static enum exit_code run_class_ls(struct cli *c)
{
	return list_print(c, "/v1/classes", class_columns, ARRAY_LEN(class_columns));
}

const struct command commands_class[] = {
	{ "class create", "VENDOR/NAME", 1, 1, "Make a class of devices",
	  "VENDOR is a domain of the maker. The vendor id is the UUIDv5 of that domain, the "
	  "class id the "
	  "UUIDv5 of NAME under the vendor id.",
	  "muster class create acme.example/lock-7", NULL, run_class_create },
	{ "class ls", "", 0, 0, "List the classes", NULL, NULL, NULL, run_class_ls },
	{ 0 },
};
