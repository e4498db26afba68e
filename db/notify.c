/* Waiting for NOTIFY. */

#include "base/clean.h"
#include "base/clock.h"
#include "db/conn.h"

#include <errno.h>
#include <poll.h>

/* A notification that was already received; NULL when there is none. */
static const char *take_payload(struct db *db, struct arena *mem)
{
	PGnotify *n = PQnotifies(db->conn);

	if (!n)
		return NULL;
	const char *payload = arena_text(mem, n->extra);
	PQfreemem(n);
	return payload;
}

enum rc db_wait_notify(struct db *db, int wake_fd, int64_t timeout_us, struct arena *mem,
		       const char **ret_payload)
{
	struct pollfd p[2] = { { .fd = PQsocket(db->conn), .events = POLLIN },
			       { .fd = wake_fd, .events = POLLIN } };
	const char *payload = take_payload(db, mem);

	if (!payload && !db->broken) {
		int n = poll(p, 2, (int)(timeout_us / USEC_PER_MS));

		if (n < 0 && errno != EINTR)
			return conn_lost(db);
		if (n > 0 && p[0].revents && !PQconsumeInput(db->conn))
			return conn_lost(db);
		payload = take_payload(db, mem);
	}
	if (db->broken || PQstatus(db->conn) != CONNECTION_OK)
		return conn_lost(db);
	*ret_payload = payload;
	return RC_OK;
}
