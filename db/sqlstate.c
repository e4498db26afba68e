/* SQLSTATE (PostgreSQL appendix A) to enum rc.  Longest prefix first. */

#include "db/sqlstate.h"

#include <stddef.h>
#include <string.h>

struct meaning {
	const char *prefix;
	enum rc rc;
	bool fatal;
};

static const struct meaning meanings[] = {
	{ "40001", RC_RETRY, false },    /* serialization_failure */
	{ "40P01", RC_RETRY, false },    /* deadlock_detected */
	{ "23505", RC_CONFLICT, false }, /* unique_violation */
	{ "53100", RC_UNAVAILABLE,
	  false }, /* disk_full: of the database, the caller cannot help */
	{ "57014", RC_UNAVAILABLE, false }, /* query_canceled: statement timeout */
	{ "55P03", RC_UNAVAILABLE, false }, /* lock_not_available: lock timeout */
	{ "53", RC_UNAVAILABLE, true },     /* too many connections, out of memory */
	{ "57P", RC_UNAVAILABLE, true },    /* shutdown, crash, cannot connect now */
	{ "08", RC_UNAVAILABLE, true },     /* connection exceptions */
	{ "25006", RC_UNAVAILABLE, true },  /* read_only_sql_transaction: became a standby */
	{ "25P03", RC_UNAVAILABLE, true },  /* idle_in_transaction_session_timeout */
	{ "0A000", RC_UNAVAILABLE, true },  /* cached plan outlived a migration */
	{ "26000", RC_UNAVAILABLE, true },  /* a pooler dropped our prepared statement */
};

static const struct meaning *find(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0)
			return &meanings[i];
	return NULL;
}

enum rc sqlstate_rc(const char *sqlstate)
{
	const struct meaning *m = find(sqlstate);

	return m ? m->rc : RC_INTERNAL;
}

bool sqlstate_is_fatal(const char *sqlstate)
{
	const struct meaning *m = find(sqlstate);

	return m && m->fatal;
}

bool sqlstate_is_timeout(const char *sqlstate)
{
	return strcmp(sqlstate, "57014") == 0 || strcmp(sqlstate, "55P03") == 0;
}
