/* musterd migrate: applies the schema changes that this program carries. */

#include "base/clean.h"
#include "db/migrate.h"
#include "server/command.h"
#include "server/database.h"

#include <stdio.h>

CLEAN_DEFINE(db, struct db *, db_close)

static int explain(struct db *db, struct arena *mem)
{
	const char *why = db_error(db);

	if (!db_in_transaction(db) && db_migrate_check(db, mem, &why) == RC_OK)
		why = db_error(db);
	fprintf(stderr, "musterd: migrate: %s\n", why);
	return COMMAND_FAILED;
}

int cmd_migrate(const struct command_line *line)
{
	CLEAN(db) struct db *db = NULL;
	struct settings settings;
	int applied = 0;

	if (settings_load(line->config, line->mem, &settings) != RC_OK ||
	    database_open(&settings, &db) != RC_OK)
		return COMMAND_FAILED;
	if (db_migrate(db, &applied) != RC_OK)
		return explain(db, line->mem);
	printf("%d migration%s applied\n", applied, applied == 1 ? "" : "s");
	return COMMAND_DONE;
}
