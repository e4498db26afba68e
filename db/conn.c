/* One connection: connecting, sending, waiting, judging. */

#include "db/conn.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/sqlstate.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define FULL_DISK_TELL_US (60 * USEC_PER_SEC)
#define LOOK_UP_MS        250 /* so soon a waiting thread learns that it is to give up */

static _Atomic int64_t give_up_at = INT64_MAX;

void db_give_up_at(int64_t when)
{
	atomic_store(&give_up_at, when);
}

bool conn_gave_up(void)
{
	return clock_monotonic() >= atomic_load(&give_up_at);
}

static void note(struct db *db, const char *sqlstate, const char *message)
{
	snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", sqlstate);
	snprintf(db->error, sizeof(db->error), "%s", message);
	db->error[strcspn(db->error, "\n")] = '\0';
}

enum rc conn_lost(struct db *db)
{
	note(db, "08006", PQerrorMessage(db->conn));
	db->broken = true;
	return RC_UNAVAILABLE;
}

static const char *field(const PGresult *r, int code)
{
	const char *text = PQresultErrorField(r, code);

	return text ? text : "";
}

/* A list rather than a switch: newer versions of libpq have more of them. */
static bool status_is_good(ExecStatusType status)
{
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_SINGLE_TUPLE || status == PGRES_COPY_OUT ||
	       status == PGRES_EMPTY_QUERY;
}

/* Nobody but an operator can help; once a minute is enough. */
static void tell_full_disk(const char *sqlstate, const char *message)
{
	static _Atomic int64_t told_at;
	int64_t now = clock_monotonic(), last = atomic_load(&told_at);

	if (strcmp(sqlstate, "53100") != 0 || (last && now - last < FULL_DISK_TELL_US) ||
	    !atomic_compare_exchange_strong(&told_at, &last, now))
		return;
	log_error("the database's disk is full", "error", message);
}

enum rc conn_judge(struct db *db, const PGresult *r)
{
	char message[DB_ERROR_MAX];
	const char *sqlstate = field(r, PG_DIAG_SQLSTATE);
	const char *constraint = field(r, PG_DIAG_CONSTRAINT_NAME);

	if (status_is_good(PQresultStatus(r)))
		return RC_OK;
	if (!*sqlstate || PQstatus(db->conn) != CONNECTION_OK)
		return conn_lost(db);
	snprintf(message, sizeof(message), "%s%s%s%s", field(r, PG_DIAG_MESSAGE_PRIMARY),
		 *constraint ? " (" : "", constraint, *constraint ? ")" : "");
	note(db, sqlstate, message);
	tell_full_disk(sqlstate, db->error);
	db->broken = db->broken || sqlstate_is_fatal(sqlstate);
	return sqlstate_rc(sqlstate);
}

/* Of one poll(): no longer than until `until`, nor than somebody should sleep. */
static int wait_ms(int64_t until)
{
	int64_t now = clock_monotonic();

	if (now >= until || conn_gave_up())
		return 0;
	return until - now < LOOK_UP_MS * USEC_PER_MS ? (int)((until - now) / USEC_PER_MS) + 1
						      : LOOK_UP_MS;
}

/* RC_OK when one of the events came. */
static enum rc wait_for(struct db *db, short events)
{
	struct pollfd p = { .fd = PQsocket(db->conn), .events = events };
	int64_t until = db->wait_us < 0 ? INT64_MAX : clock_monotonic() + db->wait_us;

	if (p.fd < 0)
		return conn_lost(db);
	for (;;) {
		int ms = wait_ms(until), n = poll(&p, 1, ms);

		if (n > 0)
			return RC_OK;
		if (ms == 0 || (n < 0 && errno != EINTR))
			break;
	}
	note(db, "08006", "the server does not answer");
	db->broken = true;
	return RC_UNAVAILABLE;
}

enum rc conn_wait_readable(struct db *db)
{
	return wait_for(db, POLLIN);
}

/* Sends what is buffered; reads meanwhile, or both sides could wait for each other. */
static enum rc flush(struct db *db)
{
	for (;;) {
		int left = PQflush(db->conn);
		enum rc rc;

		if (left == 0)
			return RC_OK;
		if (left < 0)
			return conn_lost(db);
		rc = wait_for(db, POLLIN | POLLOUT);
		if (rc != RC_OK)
			return rc;
		if (!PQconsumeInput(db->conn))
			return conn_lost(db);
	}
}

/* The next result, NULL at the end of the command. */
static enum rc next_result(struct db *db, PGresult **ret)
{
	while (PQisBusy(db->conn)) {
		enum rc rc = conn_wait_readable(db);

		if (rc != RC_OK)
			return rc;
		if (!PQconsumeInput(db->conn))
			return conn_lost(db);
	}
	*ret = PQgetResult(db->conn);
	return RC_OK;
}

enum rc conn_finish(struct db *db, PGresult **ret)
{
	CLEAN(result) PGresult *last = NULL;
	enum rc verdict = RC_OK;
	enum rc rc = flush(db);

	if (rc != RC_OK)
		return rc;
	for (;;) {
		PGresult *r = NULL;

		rc = next_result(db, &r);
		if (rc != RC_OK)
			return rc;
		if (!r)
			break;
		PQclear(last);
		last = r;
		rc = conn_judge(db, r);
		verdict = verdict == RC_OK ? rc : verdict;
		if (PQresultStatus(r) == PGRES_COPY_OUT)
			break;
	}
	if (!last)
		return conn_lost(db);
	if (verdict == RC_OK)
		*ret = TAKE(last);
	return verdict;
}

bool conn_is_usable(struct db *db)
{
	struct pollfd p = { .fd = PQsocket(db->conn), .events = POLLIN };

	if (db->broken || p.fd < 0)
		return false;
	if (poll(&p, 1, 0) != 0 && !PQconsumeInput(db->conn))
		return false;
	return PQstatus(db->conn) == CONNECTION_OK;
}

static void on_notice(void *arg, const char *message)
{
	(void)arg;
	log_debug("database notice", "text", message);
}

/* Ours stand before dbname, so that the operator's conninfo wins over them. */
static PGconn *connect_params(const struct db_options *o)
{
	char connect_s[24], user_ms[24];
	const char *keys[] = { "fallback_application_name",
			       "client_encoding",
			       "target_session_attrs",
			       "connect_timeout",
			       "tcp_user_timeout",
			       "keepalives_idle",
			       "keepalives_interval",
			       "keepalives_count",
			       "dbname",
			       NULL };
	const char *values[] = { "musterd", "UTF8", "read-write", connect_s,   user_ms,
				 "5",       "2",    "3",          o->conninfo, NULL };

	snprintf(connect_s, sizeof(connect_s), "%lld", (long long)o->connect_timeout_s);
	snprintf(user_ms, sizeof(user_ms), "%lld",
		 (long long)(o->statement_timeout_ms ? o->statement_timeout_ms + 2000 : 0));
	return PQconnectdbParams(keys, values, 1);
}

/* What every session needs; a pooler may refuse start-up options, so it is set here. */
static enum rc set_up(struct db *db, const struct db_options *o)
{
	char sql[256];

	snprintf(
		sql, sizeof(sql),
		"SET statement_timeout = %lld; SET idle_in_transaction_session_timeout = %lld; "
		"SET bytea_output = 'hex'; SET timezone = 'UTC'; SET "
		"standard_conforming_strings = on",
		(long long)o->statement_timeout_ms,
		(long long)(o->statement_timeout_ms ? o->statement_timeout_ms + 60000 : 0));
	return db_exec(db, sql);
}

/* libpq quotes what it cannot parse, and that may be a piece of a password. */
static bool conninfo_is_good(const char *conninfo)
{
	bool parsed = strchr(conninfo, '=') || strstr(conninfo, "://");
	PQconninfoOption *parts = parsed ? PQconninfoParse(conninfo, NULL) : NULL;

	PQconninfoFree(parts);
	return parts || !parsed; /* a word alone is the name of a database */
}

static _Thread_local char connect_error[DB_ERROR_MAX];

const char *db_connect_error(void)
{
	return connect_error;
}

enum rc db_connect(const struct db_options *options, struct db **ret)
{
	memory_begin();
	struct db *db = xcalloc(1, sizeof(*db));
	enum rc rc = RC_OK;

	db->wait_us = options->statement_timeout_ms
			      ? options->statement_timeout_ms * USEC_PER_MS + DB_GRACE_US
			      : -1;
	db->usual_wait_us = db->wait_us;
	if (!conninfo_is_good(options->conninfo)) {
		snprintf(connect_error, sizeof(connect_error),
			 "conninfo is not of libpq's form");
		db_close(db);
		return RC_UNAVAILABLE;
	}
	db->conn = connect_params(options);
	if (PQstatus(db->conn) != CONNECTION_OK || PQsetnonblocking(db->conn, 1) != 0) {
		rc = conn_lost(db);
	} else {
		PQsetNoticeProcessor(db->conn, on_notice, NULL);
		rc = set_up(db, options);
	}
	if (rc != RC_OK) {
		snprintf(connect_error, sizeof(connect_error), "%s", db->error);
		db_close(db);
		return RC_UNAVAILABLE;
	}
	*ret = db;
	return RC_OK;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	PQfinish(db->conn);
	db_prepared_free(db->prepared);
	free(db);
}

const char *db_error(const struct db *db)
{
	return db->error;
}

const char *db_sqlstate(const struct db *db)
{
	return db->sqlstate;
}

bool db_timed_out(const struct db *db)
{
	return !db->broken && sqlstate_is_timeout(db->sqlstate);
}
