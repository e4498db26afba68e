/* A call: one request on its way through the domain.  The dispatcher owns its life: it makes
 * it, gives it a connection in a transaction when the route asks for one, commits, and only
 * then runs the after-commit hooks and lets the transport answer.  Core never commits and never
 * logs: it returns, and says why with call_fail(). */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/model/actor.h"
#include "db/db.h"

#include <stdint.h>

struct core;
struct call_hook;

/* One wrong field of a request (RFC 9457 extension "errors"). */
struct call_field {
	struct call_field *next;
	const char *pointer; /* JSON pointer, or the name of a query parameter */
	const char *detail;
};

struct call {
	struct core *core;
	struct arena *mem; /* everything of this call; freed by the dispatcher */
	struct db *db;     /* in a transaction; NULL on a memory route */
	int shard;         /* of the worker, by core/tally_rules.h; 0 on a memory route */
	int32_t tenant;
	struct actor actor;
	uint32_t work_clock; /* of the roster, before the transaction began */
	int64_t now;         /* wall time as its transaction begins; the only "now" of core */
	uint64_t id;         /* request id, in logs and in problem+json "instance" */
	const char *reason;  /* why the operator does it (for the audit), or NULL */
	enum err err;        /* set by call_fail */
	const char *detail;  /* for the peer; never SQL, paths or secrets */
	struct call_field *fields;
	struct call_hook *hooks, *last_hook;
	uint64_t turn; /* of the roster's writers; 0 until call_before_commit() */
};

/* Notes what went wrong and returns err_rc(e):
 *     return call_fail(c, ERR_CAMPAIGN_STATE, "campaign is %s", name); */
enum rc call_fail(struct call *c, enum err e, const char *fmt, ...) PRINTF(3, 4);
/* Notes one wrong field; returns err_rc(ERR_VALIDATION). */
enum rc call_field(struct call *c, const char *pointer, const char *fmt, ...) PRINTF(3, 4);

/* Runs fn(c, arg) after the commit, in the order of registration, before the answer leaves;
 * not at all when the transaction is rolled back.  This is how memory follows the database.
 * arg lives in the call's arena. */
void call_after_commit(struct call *c, void (*fn)(struct call *c, void *arg), void *arg);
/* For the dispatcher.  Right before the commit, with all locks still held: takes the turn of
 * the hooks (core/roster_update.h). */
void call_before_commit(struct call *c);
void call_run_hooks(struct call *c);
/* Before a rerun: forgets error, fields and hooks. */
void call_clear(struct call *c);
