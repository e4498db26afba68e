/* Lists of the API, page by page to stdout: memory does not grow with the fleet. */

#include "cli/list.h"

#include "cli/client.h"

static enum exit_code print_page(void *ctx, const json_t *items)
{
	struct table *t = ctx;
	table_page(t, items);
	if (fflush(t->out->to) != 0)
		return cli_fail(EXIT_FAILED, "cannot write to standard output");
	return EXIT_DONE;
}

enum exit_code list_print(struct cli *c, const char *path, const struct column *columns,
			  int count)
{
	struct client *client;
	struct table table;
	enum exit_code code = cli_client(c, &client);
	if (code != EXIT_DONE)
		return code;
	table_begin(&table, &c->out, columns, count);
	code = client_each_page(client, path, print_page, &table);
	if (code != EXIT_DONE)
		return code;
	table_end(&table);
	if (table.rows == 0 && !c->out.json && !c->out.plain)
		cli_say("nothing there");
	return EXIT_DONE;
}

enum exit_code show_print(struct cli *c, const char *path, const struct column *columns,
			  int count)
{
	struct client *client;
	CLEAN(reply) struct reply reply = { 0 };
	enum exit_code code = cli_client(c, &client);
	if (code == EXIT_DONE)
		code = client_get(client, path, &reply);
	if (code == EXIT_DONE)
		output_object(&c->out, columns, count, reply.json);
	return code;
}
