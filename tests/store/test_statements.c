/* Every statement of every store prepares against the migrated schema; names are unique. */

#include "db/member_store.h"

#include "tests/store/store.h"

/* Whoever runs one of these has called member_store_look() before, in the same transaction;
 * test_campaign.c holds the callers to it.  The two of a start run under ATTACH's own lock. */
static const char *const lookers[] = { "offer_candidates", "offer_get",
				       "roster_get",       "job_list",
				       "member_bucket_at", "member_bucket_from_end" };

static bool is_looker(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(lookers); i++)
		if (strcmp(lookers[i], name) == 0)
			return true;
	return false;
}

static bool reads_members(const char *sql)
{
	return strstr(sql, "FROM member ") || strstr(sql, "JOIN member ");
}

int main(void)
{
	struct db *db = store_create();
	int n = 0;

	for (const struct db_stmt *s; (s = db_stmt_at((size_t)n)); n++) {
		ok(db_prepare(db, s) == RC_OK, "%s prepares", s->name);
		if (*db_error(db))
			printf("# %s\n", db_error(db));
		if (reads_members(s->sql))
			ok(is_looker(s->name), "%s is known to look at members", s->name);
	}
	ok(n > 50, "the stores registered their statements: %d", n);
	store_finish(db);
	return tap_done();
}
