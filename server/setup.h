/* What the daemon needs from the database before it may serve: a schema that fits, the tenant's
 * secret, a first administrator.  A thread tries until the database is there, so the daemon
 * starts without it. */
#pragma once

#include "base/bytes.h"
#include "base/model/witness.h"
#include "core/core.h"
#include "server/settings.h"

enum setup_state {
	SETUP_WAITING, /* the database is not there yet */
	SETUP_DONE,
	SETUP_FAILED, /* and waiting would not help; the reason is in the log */
};

struct setup;

struct setup_result {
	struct bytes tenant_secret;
	const char *bootstrap_secret; /* NULL when there is an administrator */
	struct witness_mark mark;
};

/* Both are borrowed until setup_finish(). */
struct setup *setup_start(const struct settings *settings, struct core *core);
/* Why it still waits, a constant text; NULL: for the database. */
const char *setup_why(struct setup *s);
/* ret is filled with SETUP_DONE and lives until setup_finish(). */
enum setup_state setup_look(struct setup *s, struct setup_result *ret);
/* Ends the thread, frees s. */
void setup_finish(struct setup *s);
