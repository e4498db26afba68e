/* The one connection of a command, made when it is first needed: offline commands never read
 * the login. */

#include "cli/cli.h"
#include "cli/client.h"

enum exit_code cli_client(struct cli *c, struct client **ret)
{
	if (!c->client) {
		struct login login;
		enum exit_code code = login_load(c->mem, &login);
		if (code == EXIT_DONE)
			code = client_create(&login, &c->client);
		if (code != EXIT_DONE)
			return code;
	}
	*ret = c->client;
	return EXIT_DONE;
}
