/* The database as settings name it. */

#include "server/database.h"

#include "base/clock.h"

#include <stdio.h>

struct db_options database_options(const struct settings *s, int connections)
{
	return (struct db_options){
		.conninfo = s->conninfo,
		.connections = connections,
		.statement_timeout_ms = s->statement_timeout / USEC_PER_MS,
		.connect_timeout_s = s->connect_timeout / USEC_PER_SEC,
	};
}

enum rc database_open(const struct settings *s, struct db **ret)
{
	struct db_options options = database_options(s, 1);

	options.statement_timeout_ms = 0;
	enum rc rc = db_connect(&options, ret);
	if (rc != RC_OK)
		fprintf(stderr,
			"musterd: no connection to the database; see [database] conninfo\n");
	return rc;
}
