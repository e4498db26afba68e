/* The database as settings name it. */
#pragma once

#include "db/db.h"
#include "server/settings.h"

/* For serving: with the statement timeout.  Texts are borrowed from s. */
struct db_options database_options(const struct settings *s, int connections);
/* One connection without a statement timeout, for commands that people run; says on stderr why
 * there is none. */
enum rc database_open(const struct settings *s, struct db **ret) MUST_CHECK;
