/* One request and its answer, as libmicrohttpd walks through it.
 *
 * It calls http_exchange_step() once after the headers, once for each piece of the body and
 * once at its end.  While the dispatcher has the request the connection is suspended; a worker
 * resumes it, and the step is repeated on the loop's thread.
 *
 * A large body is read only after the dispatcher has said that the sender may send it, so an
 * unknown peer fills neither memory nor disk. */

#include "server/http/http_inner.h"

#include "api/problem.h"
#include "api/route.h"
#include "base/clean.h"
#include "base/clock.h"
#include "core/images.h"

#include <stdlib.h>
#include <string.h>

#define CHECK_ABOVE         65536               /* bytes of body */
#define DISCARD_MAX         1048576             /* bytes of a refused body that we read on */
#define DISCARD_ENDLESS_MAX 65536               /* the same when nobody said how many come */
#define SLOWEST_BYTES_S     1024                /* a peer that is slower is cut */
#define PATIENCE_US         (10 * USEC_PER_SEC) /* before that counts */
#define CREDIT_US           (30 * USEC_PER_SEC) /* being fast pays for so long a pause */

enum phase {
	PHASE_HEAD,
	PHASE_CHECKING, /* the dispatcher says whether the body may come */
	PHASE_BODY,
	PHASE_RUNNING, /* with the dispatcher */
	PHASE_ANSWERED,
};

struct exchange {
	struct http_loop *loop;
	struct http_conn *conn;
	struct MHD_Connection *connection;
	struct req *req;
	struct http_head head;
	enum phase phase;
	bool suspended;     /* counted in the loop */
	bool answered;      /* by dispatch() itself, on the loop's thread */
	struct res *answer; /* written by done(), read after the connection was resumed */
	struct res refusal;
	bool refused;
	size_t body_max;
	uint8_t *body; /* malloc'd: it grows as it comes */
	size_t body_room;
	int64_t body_began;
	int64_t received;
};

/* The one that this thread is handing to the dispatcher right now. */
static _Thread_local const struct exchange *dispatching;

/* --- begin and end --- */

static struct http_conn *conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* What the TLS layer has proved; asked once for each connection. */
static enum tls_peer peer_check(struct exchange *x)
{
	struct http_conn *conn = x->conn;

	if (conn->tls == TLS_PEER_UNKNOWN) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(
			x->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
		conn->tls = info ? tls_peer_check(info->tls_session, &conn->certificate)
				 : TLS_PEER_REFUSED;
	}
	return conn->tls;
}

static void on_done(struct req *req, struct res *res)
{
	struct exchange *x = req->transport;

	x->answer = res;
	if (dispatching == x) {
		x->answered = true;
		return;
	}
	/* The exchange may be over as soon as its connection is resumed. */
	struct http_loop *loop = x->loop;
	atomic_fetch_add(&loop->resuming, 1);
	MHD_resume_connection(x->connection);
	http_loop_wake(loop);
	atomic_fetch_sub(&loop->resuming, 1);
}

static struct exchange *exchange_create(struct http_loop *loop,
					struct MHD_Connection *connection)
{
	struct arena *mem = http_arena_take(loop);
	struct exchange *x = arena_new(mem, struct exchange);

	x->loop = loop;
	x->connection = connection;
	x->conn = conn_of(connection);
	x->req = req_create_in(mem);
	x->req->peer = x->conn->peer;
	x->req->transport = x;
	x->req->done = on_done;
	x->req->deadline = clock_monotonic() + loop->server->call_timeout_us;
	loop->exchanges++;
	return x;
}

/* The dispatcher gave it back. */
static void exchange_resumed(struct exchange *x)
{
	if (x->suspended)
		x->loop->suspended--;
	x->suspended = false;
}

/* Also right after the dispatcher's answer, without another step, when the peer has gone
 * meanwhile. */
void http_exchange_end(void *cls, struct MHD_Connection *connection, void **context,
		       enum MHD_RequestTerminationCode code)
{
	struct http_loop *loop = cls;
	struct exchange *x = *context;

	(void)connection;
	(void)code;
	if (!x)
		return;
	*context = NULL;
	exchange_resumed(x);
	loop->exchanges--;
	x->conn->deadline =
		clock_monotonic() + loop->server->idle_us + loop->server->header_timeout_us;
	if (x->answer)
		image_close(x->answer->image);
	free(x->body);
	http_arena_give(loop, req_release(x->req)); /* x is in it */
}

/* --- answers --- */

static enum MHD_Result exchange_answer(struct exchange *x, struct res *res)
{
	int64_t size = (int64_t)(res->image ? image_size(res->image) : res->body.n);

	x->phase = PHASE_ANSWERED;
	x->conn->deadline =
		clock_monotonic() + CREDIT_US + size / SLOWEST_BYTES_S * USEC_PER_SEC;
	bool close = x->loop->server->stopping || x->refused;
	return http_answer(x->connection, x->req, res, &x->head, close);
}

/* Notes the first reason why this request will not be served. */
static void exchange_refuse(struct exchange *x, enum err err, const char *detail)
{
	if (x->refused)
		return;
	x->refused = true;
	problem_set(&x->refusal, err, detail);
}

/* May it have to wait for a worker?  An unknown route is refused at once. */
static bool may_wait(struct req *req)
{
	enum rc rc = req->route ? RC_OK : route_find(req);

	return rc == RC_OK && req->route->need != NEED_MEMORY;
}

/* Hands the request to the dispatcher; returns with the answer, or with NULL while the
 * connection is suspended. */
static struct res *exchange_dispatch(struct exchange *x)
{
	x->conn->deadline = 0;
	x->answer = NULL;
	x->answered = false;
	dispatching = x;
	/* A worker may answer before dispatch() returns, so suspend first. */
	bool suspend = may_wait(x->req);
	if (suspend) {
		MHD_suspend_connection(x->connection);
		x->suspended = true;
		x->loop->suspended++;
	}
	dispatch(x->loop->server->dispatcher, x->req);
	dispatching = NULL;
	if (suspend && x->answered) {
		MHD_resume_connection(x->connection);
		http_loop_wake(x->loop);
	}
	return suspend ? NULL : x->answer;
}

static enum MHD_Result exchange_run(struct exchange *x)
{
	x->phase = PHASE_RUNNING;
	x->req->check_only = false;
	if (!x->req->upload)
		x->req->body = (struct bytes){ x->body, (size_t)x->received };
	struct res *res = exchange_dispatch(x);
	return res ? exchange_answer(x, res) : MHD_YES;
}

/* --- the head --- */

static enum MHD_Result expect_body(struct exchange *x)
{
	x->phase = PHASE_BODY;
	x->body_began = clock_monotonic();
	x->conn->deadline = x->body_began + PATIENCE_US;
	return MHD_YES;
}

static void check_size(struct exchange *x)
{
	const struct route *route = x->req->route;

	x->body_max = route->streams    ? (size_t)IMAGE_SIZE_MAX
		      : route->body_max ? route->body_max
					: BODY_MAX_DEFAULT;
	if (x->head.length > (int64_t)x->body_max)
		exchange_refuse(x, ERR_TOO_LARGE,
				arena_printf(x->req->mem, "at most %zu bytes", x->body_max));
}

/* Routes and sizes, before a byte of the body is read. */
static void check_head(struct exchange *x)
{
	if (peer_check(x) == TLS_PEER_REFUSED)
		exchange_refuse(x, ERR_UNAUTHENTICATED,
				"the client certificate does not verify");
	if (x->head.err != ERR_NONE)
		exchange_refuse(x, x->head.err, x->head.detail);
	if (x->loop->server->stopping)
		exchange_refuse(x, ERR_UNAVAILABLE, "the server stops");
	if (x->refused || !x->head.has_body)
		return;
	/* Without a body the dispatcher says what is wrong with the route. */
	enum rc rc = route_find(x->req);
	if (rc == RC_OK) {
		check_size(x);
		return;
	}
	exchange_refuse(x, err_of_rc(rc), NULL);
	if (rc == RC_METHOD)
		x->refusal.allow = route_allow(x->req);
}

/* Says no.  A client that is already sending would lose the answer when the connection is
 * closed under its body, so a short body is read and thrown away first. */
static enum MHD_Result exchange_decline(struct exchange *x, struct res *res)
{
	bool sends = x->head.has_body && !x->head.expects;

	if (!sends || x->head.length < 0 || x->head.length > DISCARD_MAX)
		return exchange_answer(x, res);
	x->refusal = *res;
	return expect_body(x);
}

static enum MHD_Result exchange_begin(struct exchange *x, const struct http_line *line)
{
	http_request_read(x->connection, line, x->req, &x->head);
	check_head(x);
	if (x->refused)
		return exchange_decline(x, &x->refusal);
	x->req->has_certificate = x->conn->tls == TLS_PEER_PROVED;
	x->req->certificate = x->conn->certificate;
	if (!x->head.has_body)
		return expect_body(x);
	if (!x->req->route->streams && x->head.length >= 0 && x->head.length <= CHECK_ABOVE)
		return expect_body(x);
	x->phase = PHASE_CHECKING;
	x->req->check_only = true;
	struct res *res = exchange_dispatch(x);
	return res ? exchange_answer(x, res) : MHD_YES;
}

/* The dispatcher has said whether the body may come. */
static enum MHD_Result exchange_checked(struct exchange *x)
{
	if (x->answer->rc != RC_OK) {
		x->refused = true;
		return exchange_decline(x, x->answer);
	}
	x->answer = NULL;
	if (x->req->route->streams) {
		enum rc rc = image_upload_begin(x->loop->server->core->images, IMAGE_SIZE_MAX,
						&x->req->upload);
		if (rc != RC_OK) {
			exchange_refuse(x, err_of_rc(rc), NULL);
			return exchange_decline(x, &x->refusal);
		}
	}
	return expect_body(x);
}

/* --- the body --- */

/* False when there is no memory for it. */
static bool body_keep(struct exchange *x, const char *data, size_t size)
{
	size_t have = (size_t)x->received;

	if (have + size > x->body_room) {
		size_t room = x->body_room ? x->body_room * 2 : 4096;
		if (x->body_room == 0 && x->head.length > 0)
			room = (size_t)x->head.length; /* it fits: checked before */
		while (room < have + size)
			room *= 2;
		uint8_t *larger = memory_library_realloc(x->body, room);
		if (!larger)
			return false;
		x->body = larger;
		x->body_room = room;
	}
	memcpy(x->body + have, data, size);
	return true;
}

static void body_take(struct exchange *x, const char *data, size_t size)
{
	if (!x->refused && (uint64_t)x->received + size > x->body_max)
		exchange_refuse(x, ERR_TOO_LARGE,
				arena_printf(x->req->mem, "at most %zu bytes", x->body_max));
	if (x->refused)
		return;
	if (!x->req->upload) {
		if (!body_keep(x, data, size))
			exchange_refuse(x, ERR_UNAVAILABLE, "the server is out of memory");
		return;
	}
	struct bytes piece = { (const uint8_t *)data, size };
	enum rc rc = image_upload_write(x->req->upload, piece);
	if (rc == RC_OK)
		return;
	exchange_refuse(x, err_of_rc(rc), NULL);
	image_upload_abort(TAKE(x->req->upload)); /* its space is wanted */
}

static enum MHD_Result exchange_body(struct exchange *x, const char *data, size_t *size)
{
	int64_t now = clock_monotonic();

	if (*size == 0) {
		if (x->refused)
			return exchange_answer(x, &x->refusal);
		return exchange_run(x);
	}
	body_take(x, data, *size);
	x->received += (int64_t)*size;
	*size = 0;
	/* An answer can be given only at the end of the body; a long one is not waited for, and
	 * one that may have no end even less. */
	int64_t more = x->head.length < 0 ? DISCARD_ENDLESS_MAX : DISCARD_MAX;
	if (x->refused && x->received > (int64_t)x->body_max + more)
		return MHD_NO;
	int64_t due =
		x->body_began + PATIENCE_US + x->received * USEC_PER_SEC / SLOWEST_BYTES_S;
	x->conn->deadline = due < now + CREDIT_US ? due : now + CREDIT_US;
	/* The clock of the call starts when the body is there. */
	x->req->deadline = now + x->loop->server->call_timeout_us;
	return MHD_YES;
}

enum MHD_Result http_exchange_step(void *cls, struct MHD_Connection *connection,
				   const char *url, const char *method, const char *version,
				   const char *data, size_t *size, void **context)
{
	struct exchange *x = *context;

	(void)version;
	if (!x) {
		x = exchange_create(cls, connection);
		*context = x;
	}
	exchange_resumed(x);
	switch (x->phase) {
	case PHASE_HEAD:
		return exchange_begin(x, &(struct http_line){ method, url });
	case PHASE_CHECKING:
		return exchange_checked(x);
	case PHASE_BODY:
		return exchange_body(x, data, size);
	case PHASE_RUNNING:
		return exchange_answer(x, x->answer);
	case PHASE_ANSWERED:
		break;
	}
	return MHD_YES;
}
