/* musterd fence: after a backup was restored, makes it safe to serve from it, and says what it
 * did and what it cannot know (docs/restore.md). */

#include "base/clean.h"
#include "base/clock.h"
#include "core/core.h"
#include "core/fence.h"
#include "core/roster.h"
#include "core/tenant.h"
#include "db/migrate.h"
#include "server/command.h"
#include "server/database.h"
#include "server/folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

CLEAN_DEFINE(db, struct db *, db_close)
CLEAN_DEFINE(roster, struct roster *, roster_free)

struct said {
	enum witness_kind kind;
	const char *text;
};

static const struct said said[] = {
	{ ACT_SEQUENCE, "sequence numbers of lost releases taken out of use" },
	{ ACT_DEVICE_REVOKE, "devices revoked again (also those that had been deleted)" },
	{ ACT_CREDENTIAL, "devices whose old credential opens nothing: give them new ones" },
	{ ACT_AUTHOR_KEY, "author keys revoked again" },
	{ ACT_RELEASE, "releases withdrawn again" },
	{ ACT_OPERATOR, "operators disabled, or given another role, again" },
	{ ACT_OPERATOR_DELETE, "operators that had been deleted, now disabled" },
	{ ACT_TOKEN, "tokens deleted again" },
};

static void print_audit(const struct fence_report *r)
{
	if (r->seen == 0)
		puts("This state directory does not remember the audit: what was revoked since "
		     "the backup is not known.");
	else if (r->same_audit)
		puts("No entry of the audit was lost.");
	else
		printf("The audit was seen up to entry %" PRId64 ", and now ends at %" PRId64
		       ": the entries between are lost.\n",
		       r->seen, r->head);
}

static void print_report(const struct fence_report *r)
{
	printf("The fence is raised, epoch %" PRId64 "%s%s.\n", r->epoch, r->why ? ": " : "",
	       r->why ? r->why : "");
	print_audit(r);
	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		if (r->again[said[i].kind])
			printf("%6d %s\n", r->again[said[i].kind], said[i].text);
	printf("%6" PRId64 " classes and components whose next release needs a higher number\n"
	       "%6" PRId64 " open jobs under new numbers\n"
	       "%6" PRId64 " campaigns held: look at each before it goes on\n",
	       r->classes, r->jobs, r->campaigns);
	puts("What cannot be known: devices, keys, operators and campaigns made since the "
	     "backup,\nreports of devices, and what was answered to repeated requests.");
}

static enum rc raise(struct call *c, const char *dir, bool force, struct fence_report *ret)
{
	struct witness_mark mark;

	enum rc rc = db_begin(c->db);
	if (rc == RC_OK)
		rc = fence_raise(c, dir, force, &mark, ret);
	if (rc == RC_OK)
		rc = db_commit(c->db);
	if (rc != RC_OK) {
		db_rollback(c->db);
		return rc;
	}
	return ret->needed ? fence_raised(dir, &mark, c->mem) : RC_OK;
}

static int explain(enum rc rc, const struct call *c)
{
	if (rc == RC_INVALID)
		fprintf(stderr,
			"musterd: fence: this state directory does not remember the "
			"database, or its memory is damaged.\nWhen you know that a backup "
			"was restored: musterd fence --force\n");
	else
		fprintf(stderr, "musterd: fence: %s: %s\n", rc_name(rc), db_error(c->db));
	return COMMAND_FAILED;
}

static int fence(struct call *c, const char *dir, bool force)
{
	struct fence_report report;
	const char *why = NULL;

	if (db_migrate_check(c->db, c->mem, &why) != RC_OK) {
		fprintf(stderr, "musterd: fence: %s\n", why ? why : db_error(c->db));
		return COMMAND_FAILED;
	}
	enum rc rc = raise(c, dir, force, &report);
	if (rc != RC_OK)
		return explain(rc, c);
	if (report.needed)
		print_report(&report);
	else
		puts("The database is where this daemon left it: nothing to do.");
	return COMMAND_DONE;
}

int cmd_fence(const struct command_line *line)
{
	CLEAN(db) struct db *db = NULL;
	CLEAN(roster) struct roster *roster = roster_create();
	struct core core = { .roster = roster }; /* of nobody: the daemons load theirs anew */
	struct settings settings;

	if (settings_load(line->config, line->mem, &settings) != RC_OK)
		return COMMAND_FAILED;
	if (folder_act_as_owner(settings.state_dir) != RC_OK) {
		fprintf(stderr, "musterd: fence: cannot act for the owner of %s: %s\n",
			settings.state_dir, strerror(errno));
		return COMMAND_FAILED;
	}
	if (database_open(&settings, &db) != RC_OK)
		return COMMAND_FAILED;
	struct call c = { .core = &core,
			  .mem = line->mem,
			  .db = db,
			  .tenant = TENANT_DEFAULT,
			  .actor = { .kind = ACTOR_SYSTEM },
			  .now = clock_wall() };
	return fence(&c, settings.state_dir, line->force);
}
