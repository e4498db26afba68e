/* musterd bootstrap: a fresh one-time secret, for whoever lost the first one. */

#include "base/clean.h"
#include "core/operator.h"
#include "core/tenant.h"
#include "server/command.h"
#include "server/database.h"

#include <stdio.h>

CLEAN_DEFINE(db, struct db *, db_close)

static enum rc make(struct db *db, struct arena *mem, const char **ret)
{
	enum rc rc = db_begin(db);

	if (rc == RC_OK)
		rc = bootstrap_create(db, TENANT_DEFAULT, mem, ret);
	if (rc == RC_OK)
		rc = db_commit(db);
	else
		db_rollback(db);
	return rc;
}

int cmd_bootstrap(const struct command_line *line)
{
	CLEAN(db) struct db *db = NULL;
	struct settings settings;
	const char *secret = NULL;

	if (settings_load(line->config, line->mem, &settings) != RC_OK ||
	    database_open(&settings, &db) != RC_OK)
		return COMMAND_FAILED;
	enum rc rc = make(db, line->mem, &secret);
	if (rc == RC_CONFLICT)
		fprintf(stderr, "musterd: bootstrap: there is an administrator already\n");
	else if (rc != RC_OK)
		fprintf(stderr, "musterd: bootstrap: %s\n", db_error(db));
	else
		puts(secret);
	return rc == RC_OK ? COMMAND_DONE : COMMAND_FAILED;
}
