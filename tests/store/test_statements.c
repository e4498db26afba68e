/* Every statement of every store prepares against the migrated schema; names are unique. */

#include "tests/store/store.h"

int main(void)
{
	struct db *db = store_create();
	int n = 0;

	for (const struct db_stmt *s; (s = db_stmt_at((size_t)n)); n++) {
		ok(db_prepare(db, s) == RC_OK, "%s prepares", s->name);
		if (*db_error(db))
			printf("# %s\n", db_error(db));
	}
	ok(n > 50, "the stores registered their statements: %d", n);
	store_finish(db);
	return tap_done();
}
